"""Finds the documents in a folder: in order, below it only, and never through a link to a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
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
from .path_walk import BY_DESCRIPTOR

__all__ = ["DOCUMENT_SUFFIXES", "documents_in"]

DOCUMENT_SUFFIXES: Final = frozenset(
    {".pdf", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp", ".gif"}
)
"""File names that end so are documents, if no pattern says which are."""

MOST_FILES: Final = 100_000
MOST_DEPTH: Final = 64
"""Of folders in each other: deeper ones are made to do harm."""

_OPEN: Final = (
    os.O_RDONLY
    | getattr(os, "O_DIRECTORY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
)
_NUMBERS: Final = re.compile(r"(\d+)", re.ASCII)


def documents_in(
    folder: str | os.PathLike[str],
    *,
    match: str | Sequence[str] | None = None,
    recursive: bool = True,
) -> tuple[FileInside, ...]:
    """The documents in a folder, in the order of their names, numbers in names by their value.

    Names that begin with a dot are left out, and so are links to folders; a link to a file of
    the folder is that file.

    Args:
        folder: Where to look.
        match: Which files: a pattern such as ``"*.pdf"`` or ``"2024/*"``, or several. A pattern
            without a slash is held against the name, one with a slash against the path from the
            folder; capitals do not matter. By default all PDFs and pictures, by their suffix.
        recursive: Whether to look into the folders below it as well.

    Returns:
        The files, each for ``Reader.open`` and the like; ``path`` is relative to the folder.

    Raises:
        ConfigurationError: If a pattern is empty.
        SourceNotFoundError: If there is no such folder, or no document in it.
        SourceNotAllowedError: If the folder may not be read.
        LimitExceededError: If it has more than 100,000 documents, or folders deeper than 64.
    """
    base = Path(folder).absolute()
    patterns = _patterns(match)
    found: dict[str, FileInside] = {}
    for path, is_link in _names(base, recursive=recursive, shown=os.fspath(folder)):
        file = _target(base, path) if is_link else FileInside(base, path)
        if file is not None and _matches(path, patterns):
            found.setdefault(file.path, file)
            if len(found) > MOST_FILES:
                raise _too_large(os.fspath(folder), f"more than {MOST_FILES:,} documents")
    if not found:
        wanted = f"that matches {' or '.join(patterns)}" if patterns else "in it"
        raise SourceNotFoundError(
            f"this folder has no document {wanted}",
            source=os.fspath(folder),
            remedy="Name another pattern." if patterns else "Name a folder with PDFs or pictures.",
        )
    return tuple(found[path] for path in sorted(found, key=_order))


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
    """Folder by folder, ``scan-2`` before ``scan-10``."""
    return [
        [
            (0, int(part), "") if part.isdecimal() else (1, 0, part)
            for part in _NUMBERS.split(name.casefold())
            if part
        ]
        for name in path.split("/")
    ]


def _names(base: Path, *, recursive: bool, shown: str) -> Iterator[tuple[str, bool]]:
    """The paths of all files below a folder, relative to it, and which of them are links."""
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        parts = waiting.pop()
        if len(parts) > MOST_DEPTH:
            raise _too_large(shown, f"folders deeper than {MOST_DEPTH}")
        for entry in _entries(base, parts, shown):
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                if recursive:
                    waiting.append((*parts, entry.name))
            elif entry.is_file(follow_symlinks=False) or entry.is_symlink():
                yield "/".join((*parts, entry.name)), entry.is_symlink()


def _entries(base: Path, parts: tuple[str, ...], shown: str) -> list[os.DirEntry[str]]:
    try:
        if not BY_DESCRIPTOR or os.scandir not in os.supports_fd:
            with os.scandir(base.joinpath(*parts)) as entries:
                return list(entries)
        descriptor = _opened(base, parts)
        try:
            with os.scandir(descriptor) as entries:
                # Their kinds are asked for now: later the descriptor is closed.
                listed = list(entries)
                for entry in listed:
                    entry.is_dir(follow_symlinks=False)
                    entry.is_file(follow_symlinks=False)
                return listed
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        if parts and not isinstance(error, PermissionError):
            return []  # a folder that is gone, or has become a link, since it was listed
        raise _unlisted(error, "/".join((shown.rstrip("/"), *parts))) from error


def _opened(base: Path, parts: tuple[str, ...]) -> int:
    """A descriptor of a folder, reached without a link below the one that the user named."""
    descriptor = os.open(base.resolve(strict=True), _OPEN)
    for name in parts:
        above = descriptor
        try:
            descriptor = os.open(name, _OPEN, dir_fd=above)
        finally:
            os.close(above)
    return descriptor


def _target(base: Path, path: str) -> FileInside | None:
    """What a link leads to; None if that is not a file in the folder."""
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
