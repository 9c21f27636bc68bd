"""Checks whether the passages that a sentence cites support it.

The source must have its numbers, dates and names. Words are compared, including inflected and
misread ones, and weighted: how much likelier is this overlap if the sentence was written from this
source than if it was written from another part of the same document? That is the log-likelihood
ratio of the binary independence model (Robertson and Spärck Jones, 1976, "Relevance weighting of
search terms"), so rare words count much and words of every page count nothing. The words of the
question count too, because "They are connected." alone fits any page.

A "not" must come before the same words, and a number or a name in the same position.
The source must have every word of a short sentence: "The ferry sank." is not half true
just because there is a ferry.
If a sentence has several figures, each part must fit the row and the column that the part names, and
"Probe A" is not "Probe B" (see :mod:`~.parts`). The same holds for names and other texts of a table.
Words that the source uses only for another thing of the same kind support nothing
(see :mod:`~.parts.placement`).
A number that the source does not state must result from a calculation that the
sentence or its question names, with figures of the source (see :mod:`~.calculations`).

This compares words; it does not reason. It rejects true statements that follow in any
other way, and may accept a false statement made of the words of a true one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Final

from ...retrieval.query import parse_query
from ...retrieval.retriever import Passage
from ...setting_names import with_known_settings
from ...text.terms import terms
from .citable_units import years_above
from .citation import Citation, citations
from .evidence import Evidence
from .indexes.source_parts import PartIndex, parts_of
from .indexes.time_limit import TimeLimit
from .parts.claim_parts import has_parts
from .statements import CitedSource, Statement
from .term_frequencies import TermFrequencies

__all__ = ["Verdict", "Verifier"]

CLAIM_PRESENT: Final = 0.85
QUESTION_PRESENT: Final = 0.6
"""The share of a true sentence's words that its source has, and of its question's other words;
measured on questions with known evidence, and rounded."""

DERIVED_CHANCE: Final = 0.1
"""How often a calculated number also follows from the figures of an unrelated passage."""

ENOUGH_EVIDENCE: Final = 0.5
"""Lowest weight of a supported sentence, a natural logarithm."""

BETTER_ELSEWHERE: Final = 3.0
"""If an uncited passage leads by this much weight, the citation is wrong; the logarithm of twenty."""

ENOUGH_WORDS: Final = 0.5
"""Lowest share of a sentence's words and facts that its source must have."""


MOST_TOGETHER: Final = 3
"""This many of the best passages are also tried in pairs."""

MOST_TRIED: Final = 32
"""Most passages to try for a part of a sentence: those that share most with it."""

MOST_UNITS_TOGETHER: Final = 400
"""Most sentences and rows to compare with a sentence at once, if it cites more."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of checking a sentence.

    Attributes:
        supported: Whether the sources say it.
        citations: Where they say it; empty if they do not.
        problem: Why it is not supported, for a person to read; empty if it is.
        weight: The evidence for it, a natural logarithm; higher is better.
    """

    supported: bool
    citations: tuple[Citation, ...] = ()
    problem: str = ""
    weight: float = 0.0


@with_known_settings()
class Verifier:
    """Checks sentences against passages.

    Args:
        passages: What can be cited.
        question: The question that the sentences answer.
        frequencies: Those of the documents that the passages are from; without them, all
            words count the same.
        max_seconds: Longest time for comparing all sentences together; None for no limit.

    Example:
        >>> verifier = Verifier(answer.passages, answer.question)  # doctest: +SKIP
        >>> verifier.verify("Ann Lee has kept the lamp since 1912.", [0]).problem  # doctest: +SKIP
        'the source does not have 1912'
    """

    def __init__(
        self,
        passages: Sequence[Passage],
        question: str = "",
        frequencies: TermFrequencies | None = None,
        *,
        max_seconds: float | None = None,
    ) -> None:
        self._passages = tuple(passages)
        self._question = Statement.of(parse_query(question).asked)
        self._frequencies = frequencies or TermFrequencies()
        self._limit = TimeLimit(max_seconds)
        self._years: list[tuple[str, ...]] = []
        self._parts: list[CitedSource] = []  # the units of the passages so far, in order
        self._ends = [0]  # where the parts of each passage end, after an initial 0

    def verify(self, claim: str, cited: Iterable[int]) -> Verdict:
        """Check one sentence.

        Args:
            claim: The sentence, without its citation marks.
            cited: Indices of the passages that it cites, which may support it together.

        Raises:
            OutOfTimeError: If the time for comparing is up.
        """
        with self._limit.counted():
            return self._verify(Statement.of(claim), tuple(dict.fromkeys(cited)))

    def _verify(self, statement: Statement, cited: Sequence[int]) -> Verdict:
        index = self._index
        own = [part for passage in cited for part in self._parts_of(passage)]
        verdict = self._judge(statement, self._together(statement, own))
        if verdict.supported:
            others = set(index.possible(statement, self._question, ENOUGH_WORDS)).difference(own)
            for other in sorted(others):
                rival = self._judge(statement, (other,))
                if rival.supported and rival.weight > verdict.weight + BETTER_ELSEWHERE:
                    page = rival.citations[0].page
                    problem = f"this is on page {page}, not where it is cited"
                    return Verdict(False, problem=problem, weight=verdict.weight)
        return verdict

    def find(self, claim: str) -> Verdict:
        """Check a sentence that cites nothing against each passage; the best verdict.

        A sentence with several figures may rest on two passages.

        Raises:
            OutOfTimeError: If the time for comparing is up.
        """
        if not self._passages:
            return Verdict(False, problem="there is no source")
        with self._limit.counted():
            return self._find(Statement.of(claim))

    def _find(self, statement: Statement) -> Verdict:
        index = self._index
        chosen = set(index.possible(statement, self._question, ENOUGH_WORDS))
        joined = has_parts(statement)
        if joined:
            # Two passages that support it together may each have less.
            everything = range(len(self._parts))
            chosen.update(index.nearest(statement, self._question, everything)[:MOST_TRIED])
        verdicts: dict[tuple[int, ...], Verdict] = {
            (part,): self._judge(statement, (part,)) for part in sorted(chosen)
        }
        if joined and not any(verdict.supported for verdict in verdicts.values()):
            likely = sorted(verdicts, key=lambda cited: -verdicts[cited].weight)[:MOST_TOGETHER]
            for one, other in combinations(likely, 2):
                verdicts[one + other] = self._judge(statement, one + other)
        return max(
            verdicts.values(),
            key=lambda verdict: (verdict.supported, verdict.weight),
            default=Verdict(False, problem="the source does not say this"),
        )

    @cached_property
    def _index(self) -> PartIndex:
        """The index of all passages, which are read when the first sentence comes."""
        self._years = self._years or years_above(self._passages)
        for number in range(len(self._ends) - 1, len(self._passages)):
            passage, years = self._passages[number], self._years[number]
            self._parts += parts_of(CitedSource.of(passage, number, years, self._limit))
            self._ends.append(len(self._parts))
        return PartIndex(self._parts)

    def _parts_of(self, passage: int) -> range:
        return range(self._ends[passage], self._ends[passage + 1])

    def _together(self, claim: Statement, parts: Sequence[int]) -> Sequence[int]:
        """The parts that a claim cites; if there are very many, those that share most with it."""
        if sum(len(self._parts[part].units) for part in parts) <= MOST_UNITS_TOGETHER:
            return parts
        chosen: list[int] = []
        units = 0
        for part in self._index.nearest(claim, self._question, parts):
            units += len(self._parts[part].units)
            if chosen and units > MOST_UNITS_TOGETHER:
                break
            chosen.append(part)
        return sorted(chosen)

    def _judge(self, claim: Statement, parts: Sequence[int]) -> Verdict:
        self._limit.check()
        sources = [self._parts[part] for part in parts]
        evidence = Evidence(claim, self._question, sources, self._limit)
        weight = self._weight(evidence)
        if evidence.lacking:
            problem = f"the source does not have {', '.join(dict.fromkeys(evidence.lacking))}"
        elif evidence.repeated:
            problem = f"the sentence has {evidence.repeated[0]} twice, but the source does not"
        elif evidence.restated:
            problem = f"{evidence.restated[0]} differs from the amount before it"
        elif evidence.negations:
            problem = (
                f"the sentence and the source differ in a “not” before {evidence.negations[0]}"
            )
        elif evidence.misplaced:
            problem = f"the source says “{' '.join(evidence.misplaced)}” about something else"
        elif claim.is_empty:
            problem = "the sentence states nothing"
        elif evidence.unsaid:
            problem = f"the source does not say “{'”, “'.join(evidence.unsaid)}”"
        elif evidence.coverage < ENOUGH_WORDS:
            problem = "the source does not say this"
        elif weight < ENOUGH_EVIDENCE:
            problem = "nothing in the source ties this to the question"
        else:
            found = citations(self._passages, (unit.citable for unit in evidence.units))
            return Verdict(True, found, weight=weight)
        return Verdict(False, problem=problem, weight=weight)

    def _weight(self, evidence: Evidence) -> float:
        own = [(source.name, source.words) for source in evidence.sources]
        weight = 0.0
        for words, likely in (
            (evidence.claimed, CLAIM_PRESENT),
            (evidence.asked, QUESTION_PRESENT),
        ):
            for word, present in words.items():
                chance = max(self._frequencies.chance(w, own) for w in evidence.equivalents(word))
                weight += _ratio(present, likely, chance)
        for fact in evidence.stated_facts:
            # A number that few pages have proves more than a "10" that any page has.
            chance = max((self._frequencies.chance(t, own) for t in terms(fact.text)), default=1.0)
            weight += _ratio(True, CLAIM_PRESENT, chance)
        return weight + evidence.derived * _ratio(True, CLAIM_PRESENT, DERIVED_CHANCE)


def _ratio(present: bool, likely: float, chance: float) -> float:
    """The evidence of one word; a word that is more common elsewhere proves nothing."""
    if chance >= likely:
        return 0.0
    return math.log(likely / chance) if present else math.log((1 - likely) / (1 - chance))
