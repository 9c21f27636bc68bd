"""A ZIP file that is written in pieces, never whole in memory: :class:`StreamedZip`."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Iterable, Iterator

__all__ = ["StreamedZip"]


class StreamedZip:
    """Writes files into a ZIP file and gives it out as it grows.

    Args:
        made: The time of all files in it, seconds since 1970, so that it is the same each time.
    """

    def __init__(self, made: float) -> None:
        self._out = _Pieces()
        self._time = time.gmtime(made)[:6]
        self._archive = zipfile.ZipFile(self._out, "w")  # type: ignore[call-overload]

    def file(
        self, name: str, chunks: Iterable[bytes], *, compressed: bool = True
    ) -> Iterator[bytes]:
        """Add a file; yields what is written by it."""
        entry = zipfile.ZipInfo(name, self._time)
        entry.compress_type = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
        entry.external_attr = 0o600 << 16
        with self._archive.open(entry, "w", force_zip64=True) as stream:
            for chunk in chunks:
                stream.write(chunk)
                yield from self._out.taken()
        yield from self._out.taken()

    def end(self) -> Iterator[bytes]:
        """The list of its files, with which it ends."""
        self._archive.close()
        yield from self._out.taken()


class _Pieces:
    """Collects what :mod:`zipfile` writes, in pieces; allows neither reading nor seeking."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        pass

    def taken(self) -> Iterator[bytes]:
        pieces, self._pieces = self._pieces, []
        yield from pieces
