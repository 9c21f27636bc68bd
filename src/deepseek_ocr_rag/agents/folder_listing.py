"""Lists the documents below a folder, and finds the one that a model means."""

from __future__ import annotations

import difflib
import re
import stat
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Final

from ..errors import ConfigurationError
from ..setting_names import near_name
from ..sources.allowed_paths import path_problem
from ..sources.folder_walk import files_below
from .argument_values import LONGEST_ARGUMENT
from .fencing import own_words

__all__ = ["DocumentFile", "FolderListing", "documents_below", "documents_in_folder"]

SUFFIXES: Final = frozenset({".pdf", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp"})
"""Endings of documents' names; other files can be named, but are not listed."""

MOST_ENTRIES: Final = 50_000
"""Most files and folders to look at."""

MOST_COMPARED: Final = 5000
"""Most names to compare with a misspelled one."""

MOST_MATCHED: Final = 20
"""Most names to compare letter by letter."""

NAME_CHARS: Final = 120
"""Most characters of a name to compare."""

_ALIKE: Final = 0.6
_DIGITS: Final = re.compile(r"([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class DocumentFile:
    """A document in the folder.

    Attributes:
        path: Relative to the folder, with forward slashes.
        size: Size in bytes; None if unknown.
        stamp: Changes when the file is written again.
    """

    path: str
    size: int | None
    stamp: tuple[int, int, int] = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class FolderListing:
    """The documents in a folder, its subfolders included, in natural order of their paths.

    Attributes:
        files: The documents.
        unnamed: How many more documents have names that no model may write.
        complete: Whether the whole folder was searched.
    """

    files: tuple[DocumentFile, ...]
    unnamed: int = 0
    complete: bool = True

    def inside(self, folder: str) -> FolderListing:
        """The part of the listing that is in one subfolder."""
        begin = _spoken(folder) + "/"
        files = tuple(each for each in self.files if _spoken(each.path).startswith(begin))
        return FolderListing(files, 0, self.complete)

    def folders(self) -> list[str]:
        """The subfolders that hold documents, at any depth."""
        found = {str(each) for file in self.files for each in PurePosixPath(file.path).parents}
        return sorted(found - {"."})

    def spoken(self, path: str) -> str | None:
        """The path of the file that is shown to a model under this name; None if not exactly one is."""
        wanted = _spoken(path.removeprefix("./"))
        found = [each.path for each in self.files if _spoken(each.path) == wanted]
        return found[0] if len(found) == 1 else None

    def near(self, path: str, most: int = 3) -> list[str]:
        """Suggest files for a path that does not exist, best first."""
        wanted = PurePosixPath(path.lower()[:LONGEST_ARGUMENT])
        files = [each.path for each in self.files[:MOST_COMPARED]]
        lower = {each: PurePosixPath(each.lower()) for each in files}
        below = [each for each in files if wanted in lower[each].parents and wanted.name]
        same = [each for each in files if lower[each].name == wanted.name]
        same += [each for each in files if lower[each].stem in (wanted.name, wanted.stem)]
        names = [name for name, _ in _alike(wanted.name, {e: p.name for e, p in lower.items()})]
        paths = [name for name, _ in _alike(str(wanted), {e: str(p) for e, p in lower.items()})]
        return list(dict.fromkeys([*below, *same, *names, *paths]))[:most]


def documents_below(root: Path) -> FolderListing:
    """List the documents below a folder; links are not followed, hidden entries left out."""
    files: list[DocumentFile] = []
    unnamed = entries = 0
    complete = True

    def left_out(parts: tuple[str, ...], error: Exception | None) -> None:
        nonlocal complete
        complete = complete and error is not None

    for path, found in files_below(root.absolute(), left_out):
        entries += 1
        if entries > MOST_ENTRIES:
            complete = False
            break
        if PurePosixPath(path).suffix.lower() not in SUFFIXES or not stat.S_ISREG(found.st_mode):
            continue
        if path_problem(path) or len(path) > LONGEST_ARGUMENT or not _is_text(path):
            unnamed += 1
            continue
        stamp = (found.st_size, found.st_mtime_ns, found.st_ino)
        files.append(DocumentFile(path, found.st_size, stamp))
    files.sort(key=lambda each: _natural(each.path))
    return FolderListing(tuple(files), unnamed, complete)


def documents_in_folder(root: Path, folder: str) -> FolderListing:
    """The documents in a folder below ``root``, of which "" is the whole.

    Raises:
        ConfigurationError: If there is no such folder, or it has no documents.
    """
    listing = documents_below(root)
    if not folder:
        return listing
    inside = listing.inside(folder)
    if not inside.files:
        near = near_name(folder, listing.folders())
        raise ConfigurationError(
            f"folder '{own_words(folder)}' has no documents",
            remedy=f"Did you mean '{own_words(near)}'?"
            if near
            else "Leave folder out for all documents.",
        )
    return inside


def _is_text(path: str) -> bool:
    """Whether a name is valid text; its bytes need not be."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _natural(path: str) -> list[list[tuple[int, str]]]:
    """A sort key that puts page 2 before page 10."""
    return [
        [(int(part), "") if part.isdigit() else (-1, part.lower()) for part in _DIGITS.split(name)]
        for name in path.split("/")
    ]


def _spoken(path: str) -> str:
    """A path as a model sees it."""
    return "".join(own_words(unicodedata.normalize("NFC", path)).split())


def _alike(wanted: str, names: dict[str, str]) -> Sequence[tuple[str, float]]:
    """The entries whose names are similar to the wanted one, best first.

    Comparing letter by letter is slow, so only names that share the most pairs of letters are
    compared.
    """
    pairs = _pairs(wanted)
    shared = {entry: _overlap(pairs, _pairs(name)) for entry, name in names.items()}
    closest = sorted(shared, key=lambda entry: -shared[entry])[:MOST_MATCHED]
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(wanted[:NAME_CHARS])
    found = []
    for entry in closest:
        matcher.set_seq1(names[entry][:NAME_CHARS])
        ratio = matcher.ratio()
        if ratio >= _ALIKE:
            found.append((entry, ratio))
    return sorted(found, key=lambda each: -each[1])


def _pairs(name: str) -> frozenset[str]:
    framed = f" {name[:NAME_CHARS]} "
    return frozenset(map("".join, pairwise(framed)))


def _overlap(one: frozenset[str], other: frozenset[str]) -> float:
    return 2 * len(one & other) / (len(one) + len(other))
