"""Does an answer without a model claim too much, in many languages?

Run from the repository root::

    python benchmarks/qa/languages.py [--details]

The documents and questions of ``languages.json`` were written for this, by us. The rules were chosen on
some, in nine languages; the others, in these and in five more, were written afterwards. A document is
asked alone. Three kinds of questions:

* ``answered``: the document answers it in the words of the question;
* ``other words``: it answers it, but lacks a noun of the question;
* ``absent``: it is about a name that the document does not have.

Printed are, for both halves: how often an answer claims that a question cannot be answered
("This is not in these documents") although it can; how often a question about an absent name is
refused, and how often that claim is made of it; how often a question that is answered in its own words is
refused; and how often a function word of the question is named as a word that no page has.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from deepseek_ocr_rag import Answer, Block, Box, DocumentQA, OcrDocument, Page

DATA = Path(__file__).with_suffix(".json")
CLAIM = "This is not in these documents"
_NAMED = re.compile("“([^”]+)”")


def document(name: str, paragraphs: list[str]) -> OcrDocument:
    """A document of one page, a block for each paragraph."""
    markdown, blocks = "\n\n".join(paragraphs), []
    at = 0
    for number, text in enumerate(paragraphs):
        box = Box(0.1, 0.1 * number, 0.9, 0.1 * number + 0.08)
        blocks.append(Block("text", text, (box,), (at, at + len(text))))
        at += len(text) + 2
    return OcrDocument(name, (Page(1, markdown, tuple(blocks)),), 1)


def named_function_words(answer: Answer, function_words: str) -> set[str]:
    """The function words of a question that its answer says no page has."""
    said = answer.text.partition("\n")[0].casefold()
    return set(_NAMED.findall(said)) & set(function_words.casefold().split())


def judged() -> Iterator[tuple[str, str, str, str, Answer, set[str]]]:
    """Half, language, kind, question, answer, and function words that it names."""
    for number, entry in enumerate(json.loads(DATA.read_text("utf-8"))):
        qa = DocumentQA(document(f"{number}.pdf", entry["paragraphs"]))
        for kind, question, function_words in entry["questions"]:
            answer = qa.ask(question)
            named = named_function_words(answer, function_words)
            yield entry["half"], entry["language"], kind, question, answer, named


def main() -> int:
    parser = argparse.ArgumentParser(description="Claims of absence in many languages.")
    parser.add_argument("--details", action="store_true", help="every answer that is wrong")
    options = parser.parse_args()
    counts: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for half, language, kind, question, answer, named in judged():
        claimed = answer.text.startswith(CLAIM)
        is_there = kind != "absent"
        found = {
            "false claim of absence": (is_there, claimed),
            "absent name refused": (not is_there, not answer.found),
            "absent name, and the claim made": (not is_there, claimed),
            "answered in its own words, refused": (kind == "answered", not answer.found),
            "in other words, refused": (kind == "other words", not answer.found),
            "function word called missing": (True, bool(named)),
        }
        for name, (counts_here, value) in found.items():
            if counts_here:
                counts[name, half].append(value)
        wrong = (
            (is_there and claimed)
            or named
            or (kind != "other words" and answer.found is not is_there)
        )
        if options.details and wrong:
            first = answer.text.partition("\n")[0]
            print(f"  {half}, {language}, {kind}: {question} | {first} | {', '.join(named)}")
    for name in dict.fromkeys(name for name, _ in counts):
        cells = ((half, counts[name, half]) for half in ("chosen on", "reported"))
        print(f"{name:36}" + "".join(f"  {half} {sum(v)} of {len(v)}" for half, v in cells))
    return bool(sum(counts["false claim of absence", "reported"]))


if __name__ == "__main__":
    raise SystemExit(main())
