"""Which files a language model may name: those under one folder, and nothing else.

An agent's tool gets its path from a model, and the model may have got it from
a document that somebody else wrote. Such a path is a request, not a fact. It is
followed from the folder on, one component at a time, each opened relative to
the one before and never through a symbolic link: a link is read and its target
followed in the same way. So the file that is read is the file that was checked,
also where somebody exchanges files and links in the meantime.
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

__all__ = ["FileInside", "open_inside", "resolve_inside"]

_DRIVE = re.compile(r"[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_STREAM = re.compile(r"\.\w{1,9}:|::?\$", re.ASCII)
_DEVICE = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³]) *(?:[.:][^/]*)?", re.IGNORECASE
)
_SHOWN = 200
"""Characters of a refused path that a message repeats."""


@dataclass(frozen=True, slots=True)
class FileInside:
    """A file under a folder, to be opened when it is wanted; every time it is followed anew.

    Attributes:
        root: The folder.
        path: The file's path below it, links resolved when it was named.
    """

    root: Path
    path: str

    @classmethod
    def named(cls, root: str | os.PathLike[str], path: str | os.PathLike[str]) -> FileInside:
        """What was asked for; arguments and errors as for :func:`resolve_inside`."""
        base = Path(root).absolute()
        opened, way = _walked(base, path)
        os.close(opened)
        return cls(base, "/".join(way))

    def open(self) -> BinaryIO:
        """The file, opened for reading; errors as for :func:`resolve_inside`."""
        opened, _ = _followed(self.root, self.path)
        return os.fdopen(opened, "rb")


def open_inside(root: str | os.PathLike[str], path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file under ``root`` that a language model named, for reading.

    No link is followed out of ``root``, also where others exchange files and
    links in it at the same time. Only regular files are opened, and none that
    the kernel makes up (``/proc``, ``/sys``).

    Arguments and errors as for :func:`resolve_inside`.
    """
    opened, _ = _walked(Path(root).absolute(), path)
    return os.fdopen(opened, "rb")


def resolve_inside(root: str | os.PathLike[str], path: str | os.PathLike[str]) -> Path:
    """The file that ``path`` names, if it lies under ``root``.

    Refused, whether or not such a file exists: an empty path, control
    characters (NUL among them), URLs, a leading ``~``, any ``..``, what means
    something else on Windows (backslashes, drive letters, device names such as
    ``NUL`` and ``COM1.pdf``, streams as in ``report.pdf:hidden``; on every
    system, so that a path means the same everywhere), and what leads out of
    ``root`` through a symbolic link or as an absolute path. An absolute path
    that stays inside is taken.

    The answer is true at the moment of asking. To read the file use
    :func:`open_inside`, which holds also where others exchange files.

    Args:
        root: The folder that may be read from, with its subfolders.
        path: What was asked for, with forward slashes, relative to ``root``.

    Returns:
        The absolute path of an existing regular file, symbolic links resolved.

    Raises:
        SourceNotAllowedError: If it is outside, or written in a refused form.
        SourceNotFoundError: If it is inside, and no file.

    Example:
        >>> resolve_inside("/srv/papers", "../secret.pdf")
        Traceback (most recent call last):
        ...
        deepseek_ocr_rag.errors.SourceNotAllowedError: ../secret.pdf: ...
    """
    base = Path(root).absolute()
    opened, way = _walked(base, path)
    os.close(opened)
    return base.resolve().joinpath(*way)


def _walked(base: Path, path: str | os.PathLike[str]) -> tuple[int, tuple[str, ...]]:
    """An open descriptor of the file, and the way to it; what goes wrong is typed."""
    text = path.as_posix() if isinstance(path, PurePath) else os.fspath(path)
    problem = _refused_form(text)
    if problem:
        raise SourceNotAllowedError(
            problem,
            source=_shown(base, text) or None,
            remedy="Name a file in the allowed folder by its relative path, like 'report.pdf'.",
        )
    return _followed(base, text)


def _followed(base: Path, text: str) -> tuple[int, tuple[str, ...]]:
    try:
        return walk_inside(base, text)
    except (PathEscapesError, NotARegularFileError, OSError, RuntimeError, ValueError) as error:
        raise _typed(error, _shown(base, text)) from error


def _typed(error: Exception, shown: str) -> SourceError:
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
    # ValueError: not encodable. RuntimeError: a loop of links before Python 3.13.
    return SourceNotAllowedError(
        f"the path cannot be followed ({type(error).__name__})",
        source=shown,
        remedy="Name a file in the allowed folder.",
    )


def _shown(base: Path, text: str) -> str:
    """The path for a message: short, one line, without the folder where it names it."""
    with suppress(OSError, RuntimeError):
        for root in (str(base.resolve()), str(base)):
            text = text if root == base.anchor else text.replace(root, ".")
    return _CONTROL.sub("?", text)[:_SHOWN]


def _refused_form(text: str) -> str | None:
    """Why the way a path is written is refused, or None."""
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
        # Windows leaves out blanks and dots at the end of a name.
        if name != "." and name and not name.strip(" ."):
            return "the path has '..'"
        if _DEVICE.fullmatch(name) or _STREAM.search(name):
            return "the path has the name of a device or of a stream"
    return None
