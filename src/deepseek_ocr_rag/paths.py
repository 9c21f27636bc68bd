"""Which files a language model may name: those under one folder, and nothing else.

An agent's tool gets its path from a model, and the model may have got it from
a document that somebody else wrote. Such a path is a request, not a fact.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePath

from .errors import SourceNotAllowedError, SourceNotFoundError

__all__ = ["resolve_inside"]

_DRIVE = re.compile(r"[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SHOWN = 200
"""Characters of a refused path that a message repeats."""


def resolve_inside(root: str | os.PathLike[str], path: str | os.PathLike[str]) -> Path:
    """The file that ``path`` names, if it lies under ``root``.

    Refused, whether or not such a file exists: an empty path, control
    characters (NUL among them), URLs, a leading ``~``, any ``..``, backslashes
    and drive letters (on every system, so that a path means the same
    everywhere), and what leads out of ``root`` through a symbolic link or as
    an absolute path. An absolute path that stays inside is taken.

    The answer is true at the moment of asking. Where others may exchange files
    in ``root`` while they are read, no check of names can help.

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
    text = path.as_posix() if isinstance(path, PurePath) else os.fspath(path)
    shown = _CONTROL.sub("?", text)[:_SHOWN]
    problem = _refused_form(text)
    if problem:
        raise SourceNotAllowedError(
            problem,
            source=shown or None,
            remedy="Name a file in the allowed folder by its relative path, like 'report.pdf'.",
        )
    try:
        base = Path(root).resolve(strict=True)
        target = (base / text).resolve()
        inside = target.is_relative_to(base)
        exists, is_file = (target.exists(), target.is_file()) if inside else (False, False)
    except (OSError, RuntimeError, ValueError) as error:
        # RuntimeError: a loop of links before Python 3.13; ValueError: not encodable.
        raise SourceNotAllowedError(
            f"the path cannot be followed ({type(error).__name__})",
            source=shown,
            remedy="Name a file in the allowed folder.",
        ) from error
    if not inside:
        raise SourceNotAllowedError(
            "the path leads out of the allowed folder",
            source=shown,
            remedy="Only files in the allowed folder and its subfolders can be read.",
        )
    if not is_file:
        raise SourceNotFoundError(
            "this is a folder or not a regular file" if exists else "there is no such file",
            source=shown,
            remedy="Check the spelling; the path is relative to the allowed folder.",
        )
    return target


def _refused_form(text: str) -> str | None:
    """Why the way a path is written is refused, or None."""
    if not text.strip():
        return "the path is empty"
    if _CONTROL.search(text):
        return "the path has a control character"
    if "://" in text:
        return "URLs are not read"
    if "\\" in text or _DRIVE.match(text):
        return "the path has a backslash or a drive letter"
    if text.startswith("~"):
        return "'~' is not expanded"
    if ".." in text.split("/"):
        return "the path has '..'"
    return None
