"""Makes safe file names from the names of documents."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final

__all__ = ["distinct_stems", "file_stem"]

READ_SUFFIXES: Final = frozenset(
    {".pdf", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp", ".gif"}
)
RESERVED_NAMES: Final = frozenset(
    {"con", "prn", "aux", "nul"}
    | {f"{port}{number}" for port in ("com", "lpt") for number in range(10)}
)
"""Names that Windows reserves for devices, with any suffix."""

MAX_STEM_BYTES: Final = 120
"""Most bytes of a stem: file systems allow 255 for a name, and suffixes and numbers need some."""
MAX_SOURCE: Final = 4096
"""Most characters of a source's name that are used."""


def file_stem(source: str) -> str:
    """A safe file name without suffix for a document.

    It is the last part of a path or URL without the suffix of a format that we read, at most 120
    bytes long, with ``_`` for characters that some system forbids; "document" if nothing is left.
    """
    name = source[-MAX_SOURCE:]
    if "://" in source[:16]:
        name = source[:MAX_SOURCE].split("?")[0].split("#")[0]
    name = unicodedata.normalize("NFC", re.split(r"[/\\]", name.rstrip("/\\"))[-1])
    suffix = PurePosixPath(name).suffix
    if suffix.lower() in READ_SUFFIXES:
        name = name[: -len(suffix)]
    # Categories C: control, format, surrogate, private use, unassigned; Zl, Zp: ends of lines.
    name = "".join(
        "_" if c in '<>:"|?*' or unicodedata.category(c).startswith(("C", "Zl", "Zp")) else c
        for c in name
    )
    name = name.encode()[:MAX_STEM_BYTES].decode(errors="ignore").strip(" ._")
    if name.split(".")[0].strip().lower() in RESERVED_NAMES:
        name = f"_{name}"
    return name or "document"


def distinct_stems(sources: Sequence[str]) -> tuple[str, ...]:
    """A :func:`file_stem` for each of several documents, all different in every file system.

    A name that only one document has stays. Of equal names the first stays, and the others get the
    next number that is free: ``a``, ``a-2``. Names that differ only in case are equal, because
    some file systems take them for one; so are those that differ only after their 120th byte.
    """
    stems = [file_stem(source) for source in sources]
    taken = set(map(_folded, stems))
    numbers: Counter[str] = Counter()
    names = []
    for stem in stems:
        key = _folded(stem)
        numbers[key] += 1
        name = stem
        if numbers[key] > 1:
            while _folded(name := f"{stem}-{numbers[key]}") in taken:
                numbers[key] += 1
        names.append(name)
    return tuple(names)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFD", name).casefold())
