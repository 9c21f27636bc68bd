"""Edits of a text that also map offsets into the edited text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Edit", "edited", "moved"]


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """A replacement of part of a text; offsets are in characters."""

    start: int
    end: int  # after the last character; equal to ``start`` for an insertion
    replacement: str = ""


def edited(text: str, edits: Iterable[Edit]) -> str:
    """Apply edits that do not overlap."""
    parts = []
    done = 0
    for edit in sorted(edits):
        parts += [text[done : edit.start], edit.replacement]
        done = edit.end
    return "".join([*parts, text[done:]])


def moved(offsets: Sequence[int], edits: Iterable[Edit]) -> tuple[int, ...]:
    """Map ascending offsets of a text to the edited text.

    An offset within a removed stretch keeps its distance from the stretch's start, as far as the
    replacement reaches.
    """
    waiting = sorted(edits, reverse=True)
    shift = 0
    result = []
    for offset in offsets:
        while waiting and waiting[-1].end <= offset:
            edit = waiting.pop()
            shift += len(edit.replacement) - (edit.end - edit.start)
        position = offset + shift
        if waiting and waiting[-1].start < offset:
            edit = waiting[-1]
            position = edit.start + shift + min(offset - edit.start, len(edit.replacement))
        result.append(position)
    return tuple(result)
