"""Groups the words of one column into lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from .joining import line_text, reading_sequence
from .pieces import LayoutPiece, extent, typical_height

__all__ = ["Line", "build_lines"]

TALL = 1.6
"""From this multiple of the typical height on, a word is tall: a heading or a drop cap."""


@dataclass(frozen=True, slots=True)
class Line:
    """The words of one line of a column, in reading order."""

    pieces: tuple[LayoutPiece, ...]  # words; or one piece that is a block
    x0: float
    y0: float
    x1: float
    y1: float
    size: float  # font size of most of its characters
    bold: bool  # whether most of its characters are bold
    monospaced: bool = False  # whether all of its characters are equally wide

    @classmethod
    def of(cls, pieces: Sequence[LayoutPiece]) -> Line:
        """Make a line of these words, in reading order."""
        sizes: Counter[float] = Counter()
        bold = 0
        for piece in pieces:
            if piece.word is not None:
                weight = max(1, len(piece.text))
                sizes[round(piece.word.size or piece.height, 1)] += weight
                bold += weight if piece.word.bold else -weight
        size = sizes.most_common(1)[0][0] if sizes else 0.0
        ordered = reading_sequence(pieces) if len(pieces) > 1 else pieces
        monospaced = all(p.word is not None and p.word.monospaced for p in pieces)
        return cls(tuple(ordered), *extent(pieces), size, bold > 0, monospaced)

    @property
    def height(self) -> float:
        """Its height."""
        return self.y1 - self.y0

    @property
    def y_centre(self) -> float:
        """The y coordinate of its centre."""
        return (self.y0 + self.y1) / 2

    @property
    def text(self) -> str:
        """Its words with spaces."""
        return line_text(self.pieces)

    @property
    def is_block(self) -> bool:
        """Whether it is a table or a picture."""
        return self.pieces[0].block is not None


class _Band:
    """A line that is being filled, with the vertical extent of its words of typical height."""

    __slots__ = ("bottom", "pieces", "top")

    def __init__(self, piece: LayoutPiece) -> None:
        self.pieces = [piece]
        self.top = piece.y0
        self.bottom = piece.y1

    def overlap(self, piece: LayoutPiece) -> float:
        """Return the shared height, as a share of the smaller of the two heights."""
        shared = min(self.bottom, piece.y1) - max(self.top, piece.y0)
        return shared / max(1e-6, min(self.bottom - self.top, piece.height))

    def add(self, piece: LayoutPiece, *, core: bool) -> None:
        self.pieces.append(piece)
        if core:
            # A running mean, so that one word that is too high or too low does not widen
            # the band until it absorbs the next line.
            n = len(self.pieces)
            self.top += (piece.y0 - self.top) / n
            self.bottom += (piece.y1 - self.bottom) / n


def build_lines(pieces: Sequence[LayoutPiece]) -> list[Line]:
    """Group the pieces of one column into lines from top to bottom, each into exactly one.

    Words of typical height make the lines. Small words (superscripts, commas) then join the line
    that they touch. Tall words join the line beside them; if they span several lines (drop caps),
    the first one.
    """
    words = [p for p in pieces if p.word is not None]
    usual = typical_height(words)
    bands: list[_Band] = []
    core = [p for p in words if 0.6 * usual <= p.height <= TALL * usual]
    _fill(bands, core, least=0.5)
    base = list(bands)
    for piece in (p for p in words if p.height < 0.6 * usual):
        near = max(base, key=lambda b: b.overlap(piece), default=None)
        if near is not None and near.overlap(piece) >= 0.3:
            near.add(piece, core=False)
        else:
            _fill(bands, [piece], least=0.5, start=len(base))
    _add_tall(bands, base, [p for p in words if p.height > TALL * usual])
    lines = [Line.of(band.pieces) for band in bands]
    lines += [Line.of([p]) for p in pieces if p.word is None]
    return sorted(lines, key=lambda line: (line.y0 + line.y1, line.x0))


def _fill(
    bands: list[_Band], pieces: Sequence[LayoutPiece], *, least: float, start: int = 0
) -> None:
    """Put words into bands from index ``start`` on, or into new bands."""
    for piece in sorted(pieces, key=lambda p: (p.y_centre, p.x0)):
        best = max(
            bands[max(start, len(bands) - 4) :], key=lambda b: b.overlap(piece), default=None
        )
        if best is not None and best.overlap(piece) >= least:
            best.add(piece, core=True)
        else:
            bands.append(_Band(piece))


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
    """Return whether a tall word is close to the line and not on the other side of the column."""
    reach = 1.5 * piece.height
    return any(p.x0 - reach < piece.x1 and piece.x0 < p.x1 + reach for p in band.pieces)
