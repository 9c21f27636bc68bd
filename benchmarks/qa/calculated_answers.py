"""Answers calculated from the table rows of the corpus, and the same with changed numbers.

Part of benchmarks/qa/qa.py. The known answers have too few calculated numbers to show
whether the verifier accepts the right ones and how many wrong ones slip through.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from altered_answers import changed_number

from deepseek_ocr_rag import Passage
from deepseek_ocr_rag.answering import TermFrequencies, Verifier
from deepseek_ocr_rag.answering.verification.table_figures import Figure, figures_of
from deepseek_ocr_rag.text.plain_text import plain_text
from deepseek_ocr_rag.text.sentences import sentence_spans

CHANGES_EACH = 3
MOST_FIGURES = 8
SHORTEST_LABEL = 5
LONGEST_LABEL = 8
"""Characters, and words."""
SMALLEST = 10
"""A smaller difference or total has one digit, and a changed one is too often true as well."""


@dataclass(frozen=True)
class Row:
    """A table row with a label and at least two figures that are not percentages."""

    label: str
    figures: tuple[Figure, ...]


def rows(text: str) -> Iterator[Row]:
    for span in sentence_spans(text):
        plain = plain_text(text[slice(*span)]).strip(" |-")
        figures = tuple(f for f in figures_of(plain, 0) if not f.is_percent and f.value > 0)
        label = re.match(r"[^\d$(|]*", plain)
        words = " ".join(label[0].split()[:LONGEST_LABEL]) if label else ""
        if 2 <= len(figures) <= MOST_FIGURES and len(words) >= SHORTEST_LABEL:
            yield Row(words, figures)


def calculated(row: Row) -> Iterator[tuple[str, str, str]]:
    """The kinds of calculations, each with a question that asks for it and the true answer."""
    new, old = (figure.value for figure in row.figures[:2])
    verb = "increased" if new > old else "decreased"
    change, difference = abs(100 * (new - old) / old), abs(new - old)
    if change:
        question = f"By how much did {row.label} change from the year before?"
        yield "change", question, f"{row.label} {verb} by {change:.1f}%."
    if difference >= SMALLEST:
        question = f"What is the difference of {row.label} between both years?"
        yield "difference", question, f"The difference is {difference:,.0f}."
    question = f"What is the total of {row.label} over both years?"
    if new + old >= SMALLEST:
        yield "total", question, f"The total is {new + old:,.0f}."
    question = f"What is the ratio of {row.label} this year to the year before?"
    yield "ratio", question, f"The ratio is {new / old:.2f}."
    question = f"What is the average of {row.label} over both years?"
    yield "average", question, f"On average it was {(new + old) / 2:,.1f}."


def verify_calculated(
    passages: Sequence[Passage], frequencies: TermFrequencies
) -> dict[str, list[bool]]:
    """By kind, whether the calculated numbers were accepted and the changed ones rejected."""
    judged: dict[str, list[bool]] = {}
    for passage in passages:
        rng = random.Random(passage.text)
        for row in rng.sample(found, 1) if (found := list(rows(passage.text))) else ():
            for kind, question, answer in calculated(row):
                verifier = Verifier((passage,), question, frequencies)
                supported = verifier.verify(answer, (0,)).supported
                judged.setdefault(f"accepted, calculated {kind}", []).append(supported)
                number = answer[len(row.label) :] if kind == "change" else answer
                for _ in range(CHANGES_EACH):
                    if changed := changed_number(number, "", rng):
                        claim = answer.replace(number, changed)
                        right = not verifier.verify(claim, (0,)).supported
                        judged.setdefault(f"number changed, calculated {kind}", []).append(right)
    return judged
