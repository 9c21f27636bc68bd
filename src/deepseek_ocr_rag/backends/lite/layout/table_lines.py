"""Splits the lines of a table into runs of words between white gaps, and recognises figures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .lines import Line
from .pieces import LayoutPiece

__all__ = [
    "TableLine",
    "ink_end",
    "is_closing",
    "is_figure",
    "is_leader",
    "is_opening",
    "runs_of",
]

_OPENING = re.compile(r"(?:US|HK|A|C|NT)?[$€£¥₹]|RMB|CHF|EUR|USD|GBP|Rs\.?|\(")
_LEADER = re.compile(r"[.…·_‥]{3,}|(?:[.·]\s){2,}[.·]?|[.·…]")
_TRAILING_LEADER = re.compile(r"^(.*?[^.…·\s])[.…·]{3,}$")
_SIGNS = "-–—−+([<>≤≥~≈±$€£¥#*†‡"
_DASHES = frozenset("-–—−.…")
_NO_FIGURES = frozenset(("n/a", "na", "n.a.", "n/m", "nm", "n.m.", "nil", "none"))
_NUMBER = re.compile(
    r"\d[\d,.'’\u00a0\u202f/:–-]*(?:%|‰|x|bps?|pp|[kmb]|million|billion)?[)\]*†‡+a-e¹²³%,;]*",
    re.IGNORECASE,
)
_CLOSING = re.compile(r"[%)\]‰*†‡]+|[)\]]%")


@dataclass(frozen=True, slots=True)
class TableLine:
    """A line of a table, as runs of words between white gaps."""

    line: Line
    runs: tuple[tuple[LayoutPiece, ...], ...]

    @property
    def figures(self) -> int:
        """How many cells after the first are figures."""
        return sum(is_figure(run) for run in self.runs[1:])

    @property
    def is_body(self) -> bool:
        """Whether the line looks like a row of a table."""
        return len(self.runs) >= 2 and (self.figures > 0 or len(self.runs) >= 3)


def runs_of(
    line: Line, gap: float, between_figures: float | None = None
) -> tuple[tuple[LayoutPiece, ...], ...]:
    """Split the words of a line at white gaps, which dot leaders do not fill.

    Args:
        line: The line.
        gap: Least width of a gap.
        between_figures: The same between two numbers; None for no difference.
    """
    if line.is_block:
        return ()
    runs: list[list[LayoutPiece]] = []
    reach = 0.0
    for piece in sorted(line.pieces, key=lambda p: p.x0):
        if runs and is_leader(piece):
            runs[-1].append(piece)
            continue
        least = gap
        if runs and between_figures is not None and _is_number(piece) and _is_number(runs[-1][-1]):
            least = between_figures
        if runs and piece.x0 - reach < least:
            runs[-1].append(piece)
        else:
            runs.append([piece])
        reach = max(reach, ink_end(piece)) if len(runs[-1]) > 1 else ink_end(piece)
    return tuple(map(tuple, runs))


def _is_number(piece: LayoutPiece) -> bool:
    return any(c.isdigit() for c in piece.text) and not any(c.isalpha() for c in piece.text)


def is_figure(run: Sequence[LayoutPiece]) -> bool:
    """Return whether the words of a cell are a figure."""
    texts = [p.text for p in run if not is_leader(p)]
    return bool(texts) and all(_is_figure_text(t) or is_opening(t) or is_closing(t) for t in texts)


def _is_figure_text(text: str) -> bool:
    """Return whether a word is a number with its signs, or a sign for a missing number."""
    if _DASHES.issuperset(text) or text.lower() in _NO_FIGURES:
        return True
    bare = text.lstrip(_SIGNS)
    prefix = next((n for n in (4, 3, 2, 1) if is_opening(bare[:n])), 0)
    return _NUMBER.fullmatch(bare[prefix:]) is not None


def is_leader(piece: LayoutPiece) -> bool:
    """Return whether a word is a row of dots that leads from a label to its figure."""
    return _LEADER.fullmatch(piece.text) is not None


def is_opening(text: str) -> bool:
    """Return whether a word is a sign that comes before a figure."""
    return _OPENING.fullmatch(text) is not None


def ink_end(piece: LayoutPiece) -> float:
    """Return where a word ends, without dots that lead to its figure."""
    led = _TRAILING_LEADER.match(piece.text)
    return piece.x0 + piece.width * len(led[1]) / len(piece.text) if led else piece.x1


def is_closing(text: str) -> bool:
    """Return whether a word is a sign that comes after a figure."""
    return _CLOSING.fullmatch(text) is not None
