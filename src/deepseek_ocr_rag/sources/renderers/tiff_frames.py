"""Finds the frames of a TIFF in one pass, and opens any of them directly.

Pillow reaches a frame by reading all frames before it, and keeps a list of them that it searches
at each step: opening a fax of 9,000 pages took nine seconds, and then three for each page. This
module only follows the links between the frames (TIFF 6.0, section 2; likewise in BigTIFF).
"""

from __future__ import annotations

import io
import struct
from typing import BinaryIO, Final, cast

__all__ = ["TiffFrames"]

_BIG: Final = 43
"""The version number of a BigTIFF; a classic one has 42."""


class TiffFrames:
    """The offsets of a TIFF's frames.

    Raises:
        ValueError: If the chain of frames leads out of the file.
    """

    def __init__(self, file: BinaryIO, most: int) -> None:
        """Follow the chain of ``file`` for at most ``most`` + 1 frames; a loop ends it."""
        start = file.read(16)
        order = "<" if start[:2] == b"II" else ">"
        big = struct.unpack_from(f"{order}H", start, 2)[0] == _BIG
        self._link = struct.Struct(f"{order}Q" if big else f"{order}I")
        self._link_at = 8 if big else 4
        self._start = start[: self._link_at]
        count = struct.Struct(f"{order}Q" if big else f"{order}H")
        entry = 20 if big else 12
        offsets: dict[int, None] = {}  # in order, and quick to search
        (offset,) = self._link.unpack_from(start, self._link_at)
        while offset and offset not in offsets and len(offsets) <= most:
            offsets[offset] = None
            (entries,) = count.unpack(_read(file, offset, count.size))
            end = offset + count.size + entries * entry
            (offset,) = self._link.unpack(_read(file, end, self._link.size))
        self.offsets = tuple(offsets)

    def starting_at(self, file: BinaryIO, index: int) -> BinaryIO:
        """Return the same file with another first frame: the one with this index, from 0."""
        start = self._start + self._link.pack(self.offsets[index])
        return cast("BinaryIO", _OtherStart(file, start))


class _OtherStart(io.BufferedIOBase):
    """A file with other bytes at its start."""

    def __init__(self, file: BinaryIO, start: bytes) -> None:
        self._file = file
        self._start = start

    def read(self, size: int | None = -1) -> bytes:
        at = self._file.tell()
        data = self._file.read(-1 if size is None else size)
        if at >= len(self._start):
            return data
        return self._start[at : at + len(data)] + data[len(self._start) - at :]

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def fileno(self) -> int:
        # libtiff reads by the descriptor, but Pillow tells it where the frame is.
        return self._file.fileno()


def _read(file: BinaryIO, offset: int, size: int) -> bytes:
    try:
        file.seek(offset)
    except OverflowError as error:
        raise ValueError("a frame lies beyond the end of the file") from error
    data = file.read(size)
    if len(data) < size:
        raise ValueError("a frame lies beyond the end of the file")
    return data
