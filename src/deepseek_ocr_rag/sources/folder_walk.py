"""Walks the folders below a folder, without following links."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from .path_walk import BY_DESCRIPTOR

__all__ = ["MOST_DEPTH", "files_below"]

MOST_DEPTH: Final = 64
"""Most folders inside each other; deeper ones are made to do harm."""

_OPEN: Final = (
    os.O_RDONLY
    | getattr(os, "O_DIRECTORY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
)


def files_below(
    base: Path,
    left_out: Callable[[tuple[str, ...], Exception | None], None],
    *,
    recursive: bool = True,
) -> Iterator[tuple[str, os.stat_result]]:
    """Find all files below a folder, folder by folder, in the order of names.

    Names that begin with a dot are left out. A folder that is replaced by a link meanwhile is not
    entered.

    Args:
        base: An absolute path; links on it are followed.
        left_out: Called for each folder that is not searched, with its components below the base
            and the error that the system raised, or None if it is deeper than
            :data:`MOST_DEPTH`.
        recursive: Whether to search the folders below the base as well.

    Yields:
        The path from the base, with forward slashes, and the status of the file, or of the link.
    """
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        parts = waiting.pop()
        if len(parts) > MOST_DEPTH:
            left_out(parts, None)
            continue
        try:
            found = _entries(base, parts)
        except (OSError, ValueError) as error:
            left_out(parts, error)
            continue
        below = []
        for name, state in sorted(found, key=lambda entry: entry[0]):
            if stat.S_ISDIR(state.st_mode):
                below.append((*parts, name))
            else:
                yield "/".join((*parts, name)), state
        if recursive:
            waiting += reversed(below)


def _entries(base: Path, parts: tuple[str, ...]) -> list[tuple[str, os.stat_result]]:
    """List the names in a folder that are not hidden, each with its status."""
    if not BY_DESCRIPTOR or os.scandir not in os.supports_fd:
        folder = base.joinpath(*parts)
        with os.scandir(folder) as entries:
            return _with_states(entries, lambda name: (folder / name).lstat())
    descriptor = _opened(base, parts)
    try:
        with os.scandir(descriptor) as entries:
            return _with_states(
                entries, lambda name: os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            )
    finally:
        os.close(descriptor)


def _with_states(
    entries: Iterator[os.DirEntry[str]], state_of: Callable[[str], os.stat_result]
) -> list[tuple[str, os.stat_result]]:
    found = []
    for entry in entries:
        if not entry.name.startswith("."):
            with suppress(OSError):  # it was deleted, or may not be accessed
                found.append((entry.name, state_of(entry.name)))
    return found


def _opened(base: Path, parts: tuple[str, ...]) -> int:
    """Open a folder without following a link below the base; return its descriptor."""
    descriptor = os.open(base.resolve(strict=True), _OPEN)
    for name in parts:
        above = descriptor
        try:
            descriptor = os.open(name, _OPEN, dir_fd=above)
        finally:
            os.close(above)
    return descriptor
