"""Words to lines, within one column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from .joining import line_text, reading_sequence
from .pieces import LayoutPiece, extent, typical_height

__all__ = ["Line", "build_lines"]

TALL = 1.6
"""How many usual heights make a word tall: a heading, or a drop cap."""


@dataclass(frozen=True, slots=True)
class Line:
    """Words that stand on one line of a column, in reading order.

    Attributes:
        pieces: One or more words; or one piece that is a block.
        x0: Left edge.
        y0: Upper edge.
        x1: Right edge.
        y1: Lower edge.
        size: Font size that most of its characters have.
        bold: Whether most of its characters are bold.
    """

    pieces: tuple[LayoutPiece, ...]
    x0: float
    y0: float
    x1: float
    y1: float
    size: float
    bold: bool

    @classmethod
    def of(cls, pieces: Sequence[LayoutPiece]) -> Line:
        """A line of these words, put into reading order."""
        sizes: Counter[float] = Counter()
        bold = 0
        for piece in pieces:
            if piece.word is not None:
                weight = max(1, len(piece.text))
                sizes[round(piece.word.size or piece.height, 1)] += weight
                bold += weight if piece.word.bold else -weight
        size = sizes.most_common(1)[0][0] if sizes else 0.0
        ordered = reading_sequence(pieces) if len(pieces) > 1 else pieces
        return cls(tuple(ordered), *extent(pieces), size, bold > 0)

    @property
    def height(self) -> float:
        """Its height."""
        return self.y1 - self.y0

    @property
    def text(self) -> str:
        """Its words with spaces."""
        return line_text(self.pieces)

    @property
    def is_block(self) -> bool:
        """Whether it is a table or a picture."""
        return self.pieces[0].block is not None


class _Band:
    """A line that is being filled, with the height of its usual words."""

    __slots__ = ("bottom", "pieces", "top")

    def __init__(self, piece: LayoutPiece) -> None:
        self.pieces = [piece]
        self.top = piece.y0
        self.bottom = piece.y1

    def overlap(self, piece: LayoutPiece) -> float:
        """Shared height as a share of the lower of the two."""
        shared = min(self.bottom, piece.y1) - max(self.top, piece.y0)
        return shared / max(1e-6, min(self.bottom - self.top, piece.height))

    def add(self, piece: LayoutPiece, *, core: bool) -> None:
        self.pieces.append(piece)
        if core:
            # The running mean: one word that stands high or low must not make
            # the band so wide that it takes the next line in.
            n = len(self.pieces)
            self.top += (piece.y0 - self.top) / n
            self.bottom += (piece.y1 - self.bottom) / n


def build_lines(pieces: Sequence[LayoutPiece]) -> list[Line]:
    """The lines of one column from top to bottom.

    Usual words make the lines; small ones (superscripts, commas) then join the
    line that they touch; tall ones join a single line, or, where they reach
    over several (drop caps), the first of these.

    Args:
        pieces: The words and blocks of the column, in any order.

    Returns:
        Every piece in exactly one line.
    """
    words = [p for p in pieces if p.word is not None]
    usual = typical_height(words)
    bands: list[_Band] = []
    core = [p for p in words if 0.6 * usual <= p.height <= TALL * usual]
    _fill(bands, core, least=0.5)
    base = list(bands)
    for piece in (p for p in words if p.height < 0.6 * usual):
        near = _touched(base, piece, least=0.3)
        if near:
            max(near, key=lambda b: b.overlap(piece)).add(piece, core=False)
        else:
            _fill(bands, [piece], least=0.5, start=len(base))
    _add_tall(bands, base, [p for p in words if p.height > TALL * usual])
    lines = [Line.of(band.pieces) for band in bands]
    lines += [Line.of([p]) for p in pieces if p.word is None]
    return sorted(lines, key=lambda line: (line.y0 + line.y1, line.x0))


def _fill(
    bands: list[_Band], pieces: Sequence[LayoutPiece], *, least: float, start: int = 0
) -> None:
    """Put words into the bands from number ``start`` on, or into new ones."""
    for piece in sorted(pieces, key=lambda p: (p.y_centre, p.x0)):
        best = max(
            bands[max(start, len(bands) - 4) :], key=lambda b: b.overlap(piece), default=None
        )
        if best is not None and best.overlap(piece) >= least:
            best.add(piece, core=True)
        else:
            bands.append(_Band(piece))


def _touched(bands: Sequence[_Band], piece: LayoutPiece, *, least: float) -> list[_Band]:
    return [b for b in bands if b.overlap(piece) >= least]


def _add_tall(bands: list[_Band], base: Sequence[_Band], tall: Sequence[LayoutPiece]) -> None:
    own: list[_Band] = []
    for piece in sorted(tall, key=lambda p: p.y_centre):
        near = [b for b in base if b.overlap(piece) >= 0.6 and _beside(b, piece)]
        if near:
            min(near, key=lambda b: b.top).add(piece, core=False)
        else:
            _fill(own, [piece], least=0.5)
    bands.extend(own)


def _beside(band: _Band, piece: LayoutPiece) -> bool:
    """Whether a tall word stands close to the line, not across the column from it."""
    reach = 1.5 * piece.height
    return any(p.x0 - reach < piece.x1 and piece.x0 < p.x1 + reach for p in band.pieces)
