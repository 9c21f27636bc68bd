"""Finds the documents below a folder, in order, and never through a link to another folder."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Final

from ..errors import (
    ConfigurationError,
    LimitExceededError,
    SourceError,
    SourceNotAllowedError,
    SourceNotFoundError,
)
from .allowed_paths import FileInside
from .folder_walk import MOST_DEPTH, files_below

__all__ = ["DOCUMENT_SUFFIXES", "documents_in"]

DOCUMENT_SUFFIXES: Final = frozenset(
    {".pdf", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp", ".gif"}
)
"""Endings of the names of documents, used if no pattern is given."""

MOST_FILES: Final = 100_000
"""Most documents of a folder."""

_NUMBERS: Final = re.compile(r"(\d+)", re.ASCII)


def documents_in(
    folder: str | os.PathLike[str],
    *,
    match: str | Sequence[str] | None = None,
    recursive: bool = True,
) -> tuple[FileInside, ...]:
    """List the documents in a folder in the order of their names, numbers in names by their value.

    Names that begin with a dot are left out, and so are links to folders; a link to a file in the
    folder counts as that file.

    Args:
        folder: The folder to search.
        match: Which files: a pattern such as ``"*.pdf"`` or ``"2024/*"``, or several. A pattern
            without a slash is compared with the name, one with a slash with the path from the
            folder; case does not matter. By default all PDFs and pictures, by their suffix.
        recursive: Whether to search the folders below it as well.

    Returns:
        The files, in a form that ``Reader.open`` and other functions take; ``path`` is relative to
        the folder.

    Raises:
        ConfigurationError: If a pattern is empty.
        SourceNotFoundError: If there is no such folder, or no document in it.
        SourceNotAllowedError: If the folder may not be read.
        LimitExceededError: If it has more than 100,000 documents, or folders deeper than 64.
    """
    if not os.fspath(folder):
        raise SourceNotFoundError(
            "the name of the folder is empty", remedy="Name a folder; '.' is the one you are in."
        )
    base = Path(folder).absolute()
    patterns = _patterns(match)
    shown = os.fspath(folder)
    found = _found(base, shown, patterns, recursive=recursive)
    if not found:
        wanted = f"that matches {' or '.join(patterns)}" if patterns else "in it"
        raise SourceNotFoundError(
            f"this folder has no document {wanted}",
            source=shown,
            remedy="Name another pattern." if patterns else "Name a folder with PDFs or pictures.",
        )
    return tuple(found[path] for path in sorted(found, key=_order))


def _found(
    base: Path, shown: str, patterns: tuple[str, ...], *, recursive: bool
) -> dict[str, FileInside]:
    found: dict[str, FileInside] = {}

    def left_out(parts: tuple[str, ...], error: Exception | None) -> None:
        if error is None:
            raise _too_large(shown, f"folders deeper than {MOST_DEPTH}")
        # A folder below may have been deleted or replaced by a link since it was listed.
        if not parts or isinstance(error, PermissionError):
            raise _unlisted(error, "/".join((shown.rstrip("/"), *parts))) from error

    for path, state in files_below(base, left_out, recursive=recursive):
        if stat.S_ISLNK(state.st_mode):
            file = _target(base, path)
        else:
            file = FileInside(base, path) if stat.S_ISREG(state.st_mode) else None
        if file is not None and _matches(path, patterns):
            found.setdefault(file.path, file)
            if len(found) > MOST_FILES:
                raise _too_large(shown, f"more than {MOST_FILES:,} documents")
    return found


def _patterns(match: str | Sequence[str] | None) -> tuple[str, ...]:
    patterns = () if match is None else (match,) if isinstance(match, str) else tuple(match)
    if match is not None and (not patterns or not all(each.strip() for each in patterns)):
        raise ConfigurationError("a pattern is empty", remedy='Write one like "*.pdf".')
    return patterns


def _matches(path: str, patterns: tuple[str, ...]) -> bool:
    lower = path.casefold()
    name = lower.rpartition("/")[2]
    if not patterns:
        return PurePosixPath(name).suffix in DOCUMENT_SUFFIXES
    return any(
        fnmatchcase(lower if "/" in pattern else name, pattern.casefold()) for pattern in patterns
    )


def _order(path: str) -> list[list[tuple[int, int, str]]]:
    """Make the sort key of a path: folder by folder, ``scan-2`` before ``scan-10``."""
    return [
        [
            (0, int(part), "") if part.isdecimal() else (1, 0, part)
            for part in _NUMBERS.split(name.casefold())
            if part
        ]
        for name in path.split("/")
    ]


def _target(base: Path, path: str) -> FileInside | None:
    """Find the file that a link leads to; None if that is not a file in the folder."""
    try:
        return FileInside.named(base, path)
    except SourceError:
        return None


def _unlisted(error: Exception, folder: str) -> SourceError:
    if isinstance(error, PermissionError):
        return SourceNotAllowedError(
            "you have no permission to read this folder",
            source=folder,
            remedy="Change its permissions.",
        )
    missing = isinstance(error, FileNotFoundError | ValueError)
    return SourceNotFoundError(
        "there is no such folder" if missing else "it is not a folder",
        source=folder,
        remedy="Check the path.",
    )


def _too_large(folder: str, what: str) -> LimitExceededError:
    return LimitExceededError(
        f"the folder has {what}", source=folder, remedy="Name folders inside it, one at a time."
    )
