"""Restricts the files that a language model may name to those under one folder.

A model may have copied the path that it gives to a tool from a document that
an attacker wrote, so the path is not trusted. It is followed from the folder,
one component at a time. Each is opened relative to the one before, never through
a symbolic link: a link is read, and its target is followed in the same way. So the
file that is read is the file that was checked, even if somebody swaps files and
links in the meantime.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import BinaryIO

from ..errors import (
    NotARegularFileError,
    PathEscapesError,
    SourceError,
    SourceNotAllowedError,
    SourceNotFoundError,
)
from .path_walk import walk_inside

__all__ = ["FileInside", "path_problem", "resolve_inside"]

_DRIVE = re.compile(r"[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_STREAM = re.compile(r"\.\w{1,9}:|::?\$", re.ASCII)
_DEVICE = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³]) *(?:[.:][^/]*)?", re.IGNORECASE
)
_SHOWN = 200
"""Most characters of a refused path to show in a message."""


@dataclass(frozen=True, slots=True)
class FileInside:
    """A file under a folder; its path is checked again whenever it is opened.

    No link is followed out of the folder, even if other programs swap files and links in it at the
    same time. Only regular files are opened, and not those that the kernel generates (``/proc``,
    ``/sys``).
    """

    root: Path
    path: str  # relative; the links in it were resolved when it was named

    @classmethod
    def named(cls, root: str | os.PathLike[str], path: str | os.PathLike[str]) -> FileInside:
        """Find the file that ``path`` names; arguments and errors as for :func:`resolve_inside`."""
        base = Path(root).absolute()
        descriptor, parts = _open_checked(base, path)
        os.close(descriptor)
        return cls(base, "/".join(parts))

    def open(self) -> BinaryIO:
        """Open the file for reading; errors as for :func:`resolve_inside`."""
        descriptor, _ = _walk(self.root, self.path)
        return os.fdopen(descriptor, "rb")


def resolve_inside(root: str | os.PathLike[str], path: str | os.PathLike[str]) -> Path:
    """Find the file that ``path`` names, if it lies under ``root``.

    These are refused, whether or not the file exists: an empty path, control
    characters (including NUL), URLs, a leading ``~``, any ``..``, anything with
    a special meaning on Windows (backslashes, drive letters, device names such as
    ``NUL`` and ``COM1.pdf``, streams such as ``report.pdf:hidden``), and paths
    that lead out of ``root`` through a symbolic link or because they are
    absolute. The Windows forms are refused on every system, so that a path means
    the same everywhere. An absolute path that stays inside is accepted.

    The result holds only at this moment. To read the file, use
    :class:`FileInside`, which is safe even if other programs swap files.

    Args:
        root: The folder that may be read from, with its subfolders.
        path: The path to check, with forward slashes, relative to ``root``.

    Returns:
        The absolute path of an existing regular file, symbolic links resolved.

    Raises:
        SourceNotAllowedError: If it is outside, has a refused form, or may not be
            read.
        SourceNotFoundError: If it is inside, but there is no such file.

    Example:
        >>> resolve_inside("/srv/papers", "../secret.pdf")
        Traceback (most recent call last):
        ...
        deepseek_ocr_rag.errors.SourceNotAllowedError: ../secret.pdf: ...
    """
    base = Path(root).absolute()
    descriptor, parts = _open_checked(base, path)
    os.close(descriptor)
    return base.resolve().joinpath(*parts)


def _open_checked(base: Path, path: str | os.PathLike[str]) -> tuple[int, tuple[str, ...]]:
    """Check the form of a path, then :func:`_walk` it."""
    text = path.as_posix() if isinstance(path, PurePath) else os.fspath(path)
    problem = path_problem(text)
    if problem:
        raise SourceNotAllowedError(
            problem,
            source=_shown(base, text) or None,
            remedy="Name a file in the allowed folder by its relative path, like 'report.pdf'.",
        )
    return _walk(base, text)


def _walk(base: Path, text: str) -> tuple[int, tuple[str, ...]]:
    """Call :func:`walk_inside` and turn its errors into our own."""
    try:
        return walk_inside(base, text)
    except (PathEscapesError, NotARegularFileError, OSError, RuntimeError, ValueError) as error:
        raise _source_error(error, _shown(base, text)) from error


def _source_error(error: Exception, shown: str) -> SourceError:
    if isinstance(error, NotARegularFileError | FileNotFoundError | NotADirectoryError):
        missing = not isinstance(error, NotARegularFileError)
        return SourceNotFoundError(
            "there is no such file" if missing else "this is a folder or not a regular file",
            source=shown,
            remedy="Check the spelling; the path is relative to the allowed folder.",
        )
    if isinstance(error, PathEscapesError):
        return SourceNotAllowedError(
            "the path leads out of the allowed folder",
            source=shown,
            remedy="Only files in the allowed folder and its subfolders can be read.",
        )
    if isinstance(error, PermissionError):
        return SourceNotAllowedError(
            "you have no permission to read it", source=shown, remedy="Change its permissions."
        )
    # ValueError: a name that cannot be encoded. RuntimeError: a loop of links before Python 3.13.
    return SourceNotAllowedError(
        f"the path cannot be followed ({type(error).__name__})",
        source=shown,
        remedy="Name a file in the allowed folder.",
    )


def _shown(base: Path, text: str) -> str:
    """Write a path for a message: short, on one line, relative to the folder."""
    with suppress(OSError, RuntimeError):
        for root in (str(base.resolve()), str(base)):
            text = text if root == base.anchor else text.replace(root, ".")
    return _CONTROL.sub("?", text)[:_SHOWN]


def path_problem(text: str) -> str | None:
    """Say why a path of this form may not name a file, or None if it may."""
    if not text.strip():
        return "the path is empty"
    if _CONTROL.search(text):
        return "the path has a control character"
    if "://" in text:
        return "URLs are not read"
    if text.startswith("~"):
        return "'~' is not expanded"
    if "\\" in text or _DRIVE.match(text):
        return "the path has a backslash or a drive letter"
    for name in text.split("/"):
        # Windows ignores spaces and dots at the end of a name.
        if name != "." and name and not name.strip(" ."):
            return "the path has '..'"
        if _DEVICE.fullmatch(name) or _STREAM.search(name):
            return "the path has the name of a device or of a stream"
    return None
