"""Finds files whose names match a pattern, in a stable order: :func:`matching_files`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...errors import ConfigurationError, SourceNotFoundError
from ..storage.locations import StoragePath, is_remote, located

__all__ = ["files_below", "matching_files"]


def matching_files(pattern: str) -> Iterator[str]:
    """The files that a pattern names, each folder in the order of its names.

    ``*`` and ``?`` stand for characters of one name, ``[...]`` for one of the listed characters, and
    ``**`` for any number of folders. Names that begin with a dot are left out, and links to
    folders are not followed.

    Raises:
        SourceNotFoundError: If there is no such folder, or nothing matches.
        ConfigurationError: If a name there is not UTF-8.
    """
    yield from _matching(pattern, *_split(pattern))


def files_below(folder: str) -> Iterator[str]:
    """All files below a folder, in the same order; wildcards in its own name have no meaning."""
    yield from _matching(folder, folder, "**/*")


def _matching(pattern: str, fixed: str, wanted: str) -> Iterator[str]:
    base = located(fixed or ".")
    prefix = _prefix(pattern, fixed, base)
    found = False
    for path in _walk(base, "", deep="**" in wanted, most=wanted.count("/")):
        if _regex(wanted).fullmatch(path):
            found = True
            yield f"{prefix}/{path}"
    if not found:
        raise SourceNotFoundError(
            "no file matches", source=pattern, remedy="Name another folder or pattern."
        )


def _split(pattern: str) -> tuple[str, str]:
    """The folder before the first part with a wildcard, and the rest."""
    parts = pattern.split("/")
    first = next(i for i, part in enumerate(parts) if re.search(r"[*?\[]", part))
    fixed = "/".join(parts[:first])
    return (fixed or "/") if pattern.startswith("/") else fixed, "/".join(parts[first:])


def _prefix(pattern: str, fixed: str, base: StoragePath) -> str:
    return fixed.rstrip("/") if is_remote(pattern) else base.path.rstrip("/")


def _walk(base: StoragePath, below: str, *, deep: bool, most: int) -> Iterator[str]:
    from pyarrow import fs

    folder = f"{base.path}/{below}".rstrip("/") or "/"
    try:
        found: list[Any] = base.files.get_file_info(fs.FileSelector(folder))
        found.sort(key=lambda each: each.base_name)
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"a name in {folder} is not UTF-8 ({error.object!r})",
            remedy="Rename it: the results could not say which document it is.",
        ) from error
    for info in found:
        if info.base_name.startswith("."):
            continue
        path = f"{below}/{info.base_name}".lstrip("/")
        if info.type == fs.FileType.File:
            yield path
        elif info.type == fs.FileType.Directory and (deep or path.count("/") < most):
            if base.local and _is_link(f"{base.path}/{path}"):
                continue
            yield from _walk(base, path, deep=deep, most=most)


def _is_link(path: str) -> bool:
    return Path(path).is_symlink()


def _regex(pattern: str) -> re.Pattern[str]:
    text = ""
    for part in re.split(r"(\*\*/|\*\*|\*|\?|\[!?[^\[\]/]+\])", pattern):
        if part == "**/":
            text += "(?:[^/]+/)*"
        elif part == "**":
            text += ".*"
        elif part == "*":
            text += "[^/]*"
        elif part == "?":
            text += "[^/]"
        elif part.startswith("["):
            inside = part[1:-1].replace("\\", "\\\\")
            text += f"[{'^' + inside[1:] if inside.startswith('!') else inside}]"
        else:
            text += re.escape(part)
    return re.compile(text, re.IGNORECASE)
