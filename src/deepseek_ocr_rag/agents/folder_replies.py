"""Writes the replies about the whole folder: its documents, and how much of them was searched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..text.counted import counted
from .fencing import Fence, document_text, own_words
from .folder_listing import DocumentFile, FolderListing
from .folder_pages import FolderSearch
from .replies import WARNING, FencedPart, framed
from .reply_format import cut, short_name
from .results import AgentListing
from .room import ReplySize

__all__ = ["listing_reply", "searched_documents"]

MOST_LISTED: Final = 100
"""Most documents in one reply."""

MOST_PROBLEMS: Final = 3
"""Most documents whose problem is shown."""


def listing_reply(
    listing: FolderListing, folder: str, offset: int, size: ReplySize, fence: Fence
) -> AgentListing:
    """The reply of ``list_documents``: a line for each document, as many as fit."""
    where = f"in '{short_name(folder)}'" if folder else "in the allowed folder"
    count = len(listing.files)
    first = f"{counted(count, 'document')} {where}{_left_out(listing)}."
    files = listing.files[offset:]
    if not files:
        return AgentListing(f"{first} There are no more." if count else first, ())
    first = f"{first} Give a path as it is written here."
    room = size.room(f"{first} {WARNING}")
    lines: list[str] = []
    for file in files[:MOST_LISTED]:
        size_of = "" if file.size is None else f" ({_size(file.size)})"
        line = f"{document_text(' '.join(file.path.split()))}{size_of}"
        if lines and not room.fits(line):
            break
        room.take(line)
        lines.append(line)
    shown = tuple(file.path for file in files[: len(lines)])
    following = offset + len(lines) if len(files) > len(lines) else None
    last = "[End of the list.]"
    if following is not None:
        last = f"[There are more. To go on, call again with offset={following}.]"
    part = FencedPart("", "\n".join(lines))
    return AgentListing(framed(fence, first, [part], last), shown, following)


def searched_documents(found: FolderSearch, files: Sequence[DocumentFile]) -> tuple[str, str]:
    """The first line of a search of all documents, and what to add at its end."""
    number = len(files)
    first = f"{found.documents} of {counted(number, 'document')} searched."
    notes = []
    if found.problems:
        some = "; ".join(
            f"{short_name(path)} ({cut(own_words(why), 80)})"
            for path, why in found.problems[:MOST_PROBLEMS]
        )
        more = len(found.problems) - MOST_PROBLEMS
        notes.append(f"Cannot be read: {some}{f'; {more} more' if more > 0 else ''}.")
    if found.failed:
        notes.append(f"{counted(found.failed, 'page')} could not be read.")
    if found.waiting and found.full:
        notes.append(
            f"Too many pages to search at once: give a folder, or search {len(found.waiting)} "
            "documents one by one with search_document."
        )
    elif found.waiting:
        notes.append(
            f"Pages of {counted(len(found.waiting), 'document')} are not read yet: call again with "
            "the same words to have them searched, too."
        )
    return first, f"[{' '.join(notes)}]" if notes else ""


def _left_out(listing: FolderListing) -> str:
    if not listing.complete:
        return ", of the part of it that was looked at: it is too large"
    if listing.unnamed:
        return f"; {listing.unnamed} more have names that cannot be written in a call"
    return ""


def _size(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
