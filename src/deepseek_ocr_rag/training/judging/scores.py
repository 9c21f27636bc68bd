"""Judges what a model wrote against what it should have written."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from ...document.grammar.parser import parse_page
from ...document.types import Block, Box
from ...errors import MissingExtraError
from ...installing import install_command
from ...model.loops.detector import find_loops
from .tree_distance import table_similarity

__all__ = ["PageScore", "Scores", "score_page", "summarise"]

DIGIT: Final = re.compile(r"\d")
SPACE: Final = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class PageScore:
    """The score of one page.

    Attributes:
        id: The sample's id.
        edits: Characters to insert, delete or replace.
        characters: Characters of the correct text.
        word_edits: Words to insert, delete or replace.
        word_edits_without_digits: The same with every digit written as 0, so that wrong figures do
            not count.
        words: Words of the correct text.
        overlap: Mean overlap (intersection over union) of the right boxes with the written ones;
            None without boxes.
        tables: Number of right tables, and of written ones.
        teds: Mean similarity of the tables in order, 0..1; None without right tables.
        loops: Whether the text repeats itself, or did before it was trimmed.
        ended: Whether the end token was written.
    """

    id: str
    edits: int
    characters: int
    word_edits: int
    word_edits_without_digits: int
    words: int
    overlap: float | None
    tables: tuple[int, int]
    teds: float | None
    loops: bool
    ended: bool


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of a set of pages: error rates over all text, means over pages, counts.

    Attributes:
        pages: Number of pages.
        cer: Character error rate: edits by characters of the correct text.
        wer: Word error rate.
        wer_without_digits: Word error rate with every digit written as 0.
        overlap: Mean of the pages' box overlaps; None without boxes.
        teds: Mean of the pages' table similarities; None without tables.
        wrong_table_counts: Pages with more or fewer tables than are right.
        loops: Pages whose text repeats itself.
        without_end: Pages whose text was cut off.
    """

    pages: int
    cer: float
    wer: float
    wer_without_digits: float
    overlap: float | None
    teds: float | None
    wrong_table_counts: int
    loops: int
    without_end: int

    def to_dict(self) -> dict[str, Any]:
        """Return the scores as JSON values."""
        return asdict(self)


def score_page(
    ident: str, right: str, written: str, *, ended: bool = True, looped: bool = False
) -> PageScore:
    """Compare the model's text of one page, tags included, with the right one.

    Args:
        ident: The sample's id.
        right: The correct text.
        written: The written text.
        ended: Whether the end token was written.
        looped: Whether the model repeated itself, and its repeats were trimmed.

    Raises:
        MissingExtraError: If jiwer or rapidfuzz is missing.
    """
    try:
        import jiwer
        from rapidfuzz.distance import Levenshtein
    except ImportError as error:
        raise MissingExtraError(
            f"{error.name} is not installed", remedy=f"Install it: {install_command('train')}"
        ) from error
    wanted, found = (parse_page(text, recorded=False) for text in (right, written))
    texts = [SPACE.sub(" ", page.markdown).strip() for page in (wanted, found)]
    digitless = [DIGIT.sub("0", text) for text in texts]

    def word_edits(reference: str, hypothesis: str) -> int:
        if not reference:
            return len(hypothesis.split())
        measured = jiwer.process_words(reference, hypothesis)
        return int(measured.substitutions + measured.deletions + measured.insertions)

    tables = [[b for b in page.blocks if b.kind == "table"] for page in (wanted, found)]
    teds = [
        table_similarity(one.html or one.text, tables[1][n].html or tables[1][n].text)
        if n < len(tables[1])
        else 0.0
        for n, one in enumerate(tables[0])
    ]
    return PageScore(
        id=ident,
        edits=int(Levenshtein.distance(texts[0], texts[1])),
        characters=len(texts[0]),
        word_edits=word_edits(texts[0], texts[1]),
        word_edits_without_digits=word_edits(digitless[0], digitless[1]),
        words=len(texts[0].split()),
        overlap=_overlap(wanted.blocks, found.blocks),
        tables=(len(tables[0]), len(tables[1])),
        teds=statistics.fmean(teds) if teds else None,
        loops=looped or (bool(find_loops(written)) and not find_loops(right)),
        ended=ended,
    )


def summarise(pages: Sequence[PageScore]) -> Scores:
    """Compute the scores of a set of pages; all zeros without pages."""
    characters = max(1, sum(page.characters for page in pages))
    words = max(1, sum(page.words for page in pages))
    overlaps = [page.overlap for page in pages if page.overlap is not None]
    teds = [page.teds for page in pages if page.teds is not None]
    return Scores(
        pages=len(pages),
        cer=sum(page.edits for page in pages) / characters,
        wer=sum(page.word_edits for page in pages) / words,
        wer_without_digits=sum(page.word_edits_without_digits for page in pages) / words,
        overlap=statistics.fmean(overlaps) if overlaps else None,
        teds=statistics.fmean(teds) if teds else None,
        wrong_table_counts=sum(page.tables[0] != page.tables[1] for page in pages),
        loops=sum(page.loops for page in pages),
        without_end=sum(not page.ended for page in pages),
    )


def _overlap(right: Sequence[Block], written: Sequence[Block]) -> float | None:
    """Pair each right box with the best written box that is not taken yet."""
    wanted = [box for block in right for box in block.boxes]
    if not wanted:
        return None
    left = [box for block in written for box in block.boxes]
    found = []
    for box in wanted:
        best = max(left, key=lambda other: _shared(box, other), default=None)
        found.append(0.0 if best is None else _shared(box, best))
        if best is not None and found[-1] > 0:
            left.remove(best)
    return statistics.fmean(found)


def _shared(one: Box, other: Box) -> float:
    across = min(one.x1, other.x1) - max(one.x0, other.x0)
    down = min(one.y1, other.y1) - max(one.y0, other.y0)
    both = max(0.0, across) * max(0.0, down)
    areas = sum((box.x1 - box.x0) * (box.y1 - box.y0) for box in (one, other))
    return both / (areas - both) if areas > both else 0.0
