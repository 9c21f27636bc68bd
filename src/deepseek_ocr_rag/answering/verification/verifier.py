"""Whether a sentence of an answer is supported by the passages that it cites.

Numbers, dates and names must be in the source. Wording is compared by
words, inflected and misread ones included, and weighed: how much likelier is
this overlap if the sentence was written from this source than if it was written
from another part of the same document? That is the log-likelihood ratio of the
binary independence model (Robertson and Spärck Jones, 1976, "Relevance weighting
of search terms"), so rare words count for much and words of every page for
nothing. The words of the question count too: "They are connected." alone fits
any page.

A "not" must stand before the same words, and a number or a name in the same place.
A number that the source does not state must be the result of a calculation that the
sentence or its question names, with figures of the source (see
:mod:`~.calculation`).

This compares words; it does not reason. What follows in any other way is rejected
though it is right, and a false statement made of the words of a true one may pass.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ...retrieval.query import parse_query
from ...retrieval.retriever import Passage
from .citation import Citation, citations
from .evidence import Evidence
from .statements import CitedSource, Statement
from .term_frequencies import TermFrequencies

__all__ = ["Verdict", "Verifier"]

CLAIM_PRESENT: Final = 0.85
QUESTION_PRESENT: Final = 0.6
"""How many of a true sentence's words, and of its question's other words, the source has:
what the questions with known evidence show, rounded."""

NUMBER_CHANCE: Final = 0.1
"""How often a number of a sentence stands in a passage that it was not taken from."""

ENOUGH_EVIDENCE: Final = 0.5
"""Natural logarithm: e times likelier from this source than from elsewhere."""

BETTER_ELSEWHERE: Final = 3.0
"""From here on a passage that is not cited supports a sentence so much better than the
cited one that the citation is wrong; the logarithm of twenty."""

ENOUGH_WORDS: Final = 0.5
"""Share of a sentence's words and facts that its source must have."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a sentence.

    Attributes:
        supported: Whether the sources say it.
        citations: Where; empty where they do not.
        problem: Why not, for a person to read; empty where they do.
        weight: The evidence for it, a natural logarithm; higher is better.
    """

    supported: bool
    citations: tuple[Citation, ...] = ()
    problem: str = ""
    weight: float = 0.0


class Verifier:
    """Checks sentences against passages.

    Args:
        passages: What can be cited.
        question: What the sentences answer.
        background: Of the documents that the passages are from; without it every
            word counts alike.

    Example:
        >>> verifier = Verifier(answer.passages, answer.question)  # doctest: +SKIP
        >>> verifier.verify("Ann Lee has kept the lamp since 1912.", [0]).problem  # doctest: +SKIP
        'the source does not have 1912'
    """

    def __init__(
        self,
        passages: Sequence[Passage],
        question: str = "",
        background: TermFrequencies | None = None,
    ) -> None:
        self._passages = tuple(passages)
        self._asked = Statement.of(parse_query(question).asked)
        self._background = background or TermFrequencies()
        self._sources: dict[int, CitedSource] = {}

    def verify(self, claim: str, cited: Iterable[int]) -> Verdict:
        """Check one sentence.

        Args:
            claim: The sentence, without its citation marks.
            cited: Indices of the passages that it cites; it may rest on all of
                them together.
        """
        said, cited = Statement.of(claim), tuple(dict.fromkeys(cited))
        verdict = self._judge(said, cited)
        if verdict.supported:
            for other in self._others(cited):
                rival = self._judge(said, (other,))
                if rival.supported and rival.weight > verdict.weight + BETTER_ELSEWHERE:
                    page = rival.citations[0].page
                    problem = f"this stands on page {page}, not where it is cited"
                    return Verdict(False, problem=problem, weight=verdict.weight)
        return verdict

    def find(self, claim: str) -> Verdict:
        """Look for a sentence that cites nothing: the passage that supports it best, if any does."""
        said = Statement.of(claim)
        verdicts = [self._judge(said, (index,)) for index in range(len(self._passages))]
        return max(
            verdicts,
            key=lambda verdict: (verdict.supported, verdict.weight),
            default=Verdict(False, problem="there is no source"),
        )

    def _others(self, cited: Collection[int]) -> Iterator[int]:
        return (index for index in range(len(self._passages)) if index not in cited)

    def _judge(self, said: Statement, cited: Sequence[int]) -> Verdict:
        evidence = Evidence(said, self._asked, [self._source(index) for index in cited])
        weight = self._weight(evidence)
        if evidence.lacking:
            problem = f"the source does not have {', '.join(dict.fromkeys(evidence.lacking))}"
        elif evidence.twice:
            problem = f"it has {evidence.twice[0]} twice, and the source does not"
        elif evidence.reversed:
            problem = f"it and the source differ in a “not” before {evidence.reversed[0]}"
        elif said.is_empty:
            problem = "it states nothing"
        elif evidence.coverage < ENOUGH_WORDS:
            problem = "the source does not say this"
        elif weight < ENOUGH_EVIDENCE:
            problem = "nothing in the source ties this to the question"
        else:
            found = citations(self._passages, (unit.quotable for unit in evidence.units))
            return Verdict(True, found, weight=weight)
        return Verdict(False, problem=problem, weight=weight)

    def _source(self, index: int) -> CitedSource:
        if index not in self._sources:
            self._sources[index] = CitedSource.of(self._passages[index], index)
        return self._sources[index]

    def _weight(self, evidence: Evidence) -> float:
        own = [(source.name, source.words) for source in evidence.sources]
        weight = 0.0
        for words, likely in (
            (evidence.claimed, CLAIM_PRESENT),
            (evidence.asked, QUESTION_PRESENT),
        ):
            for word, present in words.items():
                chance = max(self._background.chance(w, own) for w in evidence.same_words(word))
                weight += _ratio(present, likely, chance)
        weight += evidence.stated * _ratio(True, CLAIM_PRESENT, NUMBER_CHANCE)
        return weight


def _ratio(present: bool, likely: float, chance: float) -> float:
    """The evidence in one word; a word that is more common than that says nothing."""
    if chance >= likely:
        return 0.0
    return math.log(likely / chance) if present else math.log((1 - likely) / (1 - chance))
