"""A model's words made safe to show, while they stream.

A page may carry instructions to the model ("add this picture to your answer"),
and a picture or link that a viewer loads would tell its address what was read.
So whatever could become one is taken out: Markdown images and links, HTML tags,
addresses. ``[3]`` becomes a :class:`Mark`, or goes where there is no source 3.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from string import ascii_letters
from typing import Final

from ..text.visible import without_invisible

__all__ = ["REMOVED_LINK", "AnswerCleaner", "Mark", "join_safely", "without_thoughts"]

REMOVED_LINK: Final = "(link removed)"

_BRACKET: Final = re.compile(r"\[([^\[\]\n]{0,300})(\])?")
_TARGET: Final = re.compile(r"\(([^()\n]{0,2000})(\))?")
_TAG: Final = re.compile(r"<[A-Za-z/!?]([^<>]{0,500})(>)?")
_WHOLE_TAG: Final = re.compile(r"</?[A-Za-z][^<>]{0,500}>")
_OPENING: Final = re.compile(r"<(?=[A-Za-z/!?])")
_RUN: Final = re.compile(r"[^\s\[\]<!]{1,2000}")
_NUMBERS: Final = re.compile(r"(?:sources?|passages?|\^|#)?\s?([0-9][0-9,;&\s–-]{0,60})", re.I)
_ADDRESS: Final = re.compile(
    r"(?:[a-z][a-z0-9+.-]{0,20})?://\S*"
    r"|//[\w-]+[.:/@]\S*"
    r"|(?:www\.|mailto:|javascript:|vbscript:|data:[a-z]+/)\S*"
    r"|(?<![\w.@-])(?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24}/\S*",
    re.IGNORECASE,
)
_THOUGHT: Final = "<think>"
_THOUGHT_END: Final = "</think>"
_SEAMS: Final = {
    "]": "(:",
    "!": "[",
    "<": ascii_letters + "/!?",
    ":": "/",
    "/": "/",
    "w": "wW.",
    "W": "wW.",
}
"""What may not follow directly: two harmless pieces must not become a link, a
picture, a tag or an address where something between them was taken out."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The sources that a model cites at one place.

    Attributes:
        numbers: As the model was given them, from 1; each is one of them.
        space: What stands before it.
    """

    numbers: tuple[int, ...]
    space: str = ""


def join_safely(before: str, text: str) -> str:
    """A text as it can follow another one without becoming a link, a picture or a tag."""
    return f" {text}" if before and text[:1] and text[0] in _SEAMS.get(before[-1], "") else text


def without_thoughts(pieces: Iterable[str]) -> Iterator[str]:
    """Leaves out what a reasoning model thinks aloud, ``<think>...</think>``, at the start.

    Ollama keeps thoughts apart since 0.9, but not for every model.
    """
    begun = ""
    speaking = False
    for piece in pieces:
        if speaking:
            yield piece
            continue
        begun += piece
        text = begun.lstrip()
        if text.startswith(_THOUGHT):
            thought, closed, text = text.partition(_THOUGHT_END)
            if not closed:
                # No more than may be the beginning of the end is kept.
                begun = _THOUGHT + thought[len(_THOUGHT) :][-len(_THOUGHT_END) :]
                continue
        elif _THOUGHT.startswith(text):
            continue
        speaking = True
        yield text
    if not speaking and not begun.lstrip().startswith(_THOUGHT):
        yield begun


class AnswerCleaner:
    """Cleans a reply that comes in pieces; however it is cut, the result is the same.

    Args:
        sources: How many sources the model was given.
    """

    def __init__(self, sources: int) -> None:
        self._sources = sources
        self._buffer = ""
        self._space = ""
        self._last = ""

    def feed(self, piece: str) -> list[str | Mark]:
        """Take a piece; return what can be shown by now, text and marks in turn."""
        self._buffer += without_invisible(piece)
        return self._scan(final=False)

    def finish(self) -> list[str | Mark]:
        """The rest, after the last piece."""
        return self._scan(final=True)

    def _scan(self, final: bool) -> list[str | Mark]:
        shown: list[str | Mark] = []
        position = 0
        while position < len(self._buffer):
            length = self._step(position, final, shown)
            if not length:
                break
            position += length
        self._buffer = self._buffer[position:]
        return shown

    def _step(self, position: int, final: bool, shown: list[str | Mark]) -> int:
        """Handle what begins here; return its length, 0 where its end is not there yet."""
        first = self._buffer[position]
        if first.isspace():
            self._space += first
            return 1
        if first == "!":
            return self._image(position, final, shown)
        if first == "[":
            return self._bracket(position, final, shown)
        if first == "<":
            return self._tag(position, final, shown)
        if first == "]":
            self._show("]", shown)
            return 1
        match = _RUN.match(self._buffer, position)
        if match is None or (match.end() == len(self._buffer) and not final):
            return 0
        self._show(_without_addresses(match[0]), shown)
        return len(match[0])

    def _image(self, position: int, final: bool, shown: list[str | Mark]) -> int:
        if position + 1 == len(self._buffer) and not final:
            return 0
        if self._buffer.startswith("[", position + 1):
            read = self._read_bracket(position + 1, final)
            if read is None:
                return 0
            inner, end, _ = read
            # "It works![1]" is no picture.
            if inner is not None and _numbers(inner) is None:
                self._drop()
                return end - position
        self._show("!", shown)
        return 1

    def _bracket(self, position: int, final: bool, shown: list[str | Mark]) -> int:
        read = self._read_bracket(position, final)
        if read is None:
            return 0
        inner, end, linked = read
        if inner is None:
            self._show("[", shown)
            return 1
        numbers = _numbers(inner)
        if numbers is not None:
            self._mark(numbers, shown)
        else:
            text = _without_addresses(_OPENING.sub("< ", _WHOLE_TAG.sub("", inner)))
            self._show(text if linked else f"[{text}]", shown)
        return end - position

    def _read_bracket(self, position: int, final: bool) -> tuple[str | None, int, bool] | None:
        """Inner text, end, and whether a target follows; no inner text where it is no pair."""
        buffer = self._buffer
        match = _BRACKET.match(buffer, position)
        if match is None:
            return None, position + 1, False
        if not final and match.end() == len(buffer):
            return None
        if match[2] is None:
            return None, position + 1, False
        target = _TARGET.match(buffer, match.end())
        if target is None:
            return match[1], match.end(), False
        if target[2] is None:
            if not final and target.end() == len(buffer):
                return None
            return match[1], match.end(), False
        return match[1], target.end(), True

    def _tag(self, position: int, final: bool, shown: list[str | Mark]) -> int:
        if position + 1 == len(self._buffer) and not final:
            return 0
        match = _TAG.match(self._buffer, position)
        if match is None:
            self._show("<", shown)
            return 1
        if match[2] is None:
            if match.end() == len(self._buffer) and not final:
                return 0
            # A space keeps it from ever becoming a tag.
            self._show("< ", shown)
            return 1
        if _ADDRESS.search(match[0]) and "=" not in match[0]:
            self._show(REMOVED_LINK, shown)
        return len(match[0])

    def _mark(self, numbers: list[int], shown: list[str | Mark]) -> None:
        known = tuple(dict.fromkeys(n for n in numbers if 1 <= n <= self._sources))
        if not known:
            self._drop()
            return
        shown.append(Mark(known, self._spaced("[")))
        self._space, self._last = "", "]"

    def _show(self, text: str, shown: list[str | Mark]) -> None:
        if text:
            shown.append(self._spaced(text) + text)
            self._space, self._last = "", text[-1]

    def _spaced(self, text: str) -> str:
        """What stands between the last that was shown and a text."""
        space = self._space if self._last else ""
        return space or join_safely(self._last, text).removesuffix(text)

    def _drop(self) -> None:
        """What is taken out takes the blanks before it along."""
        self._space = self._space.rstrip(" \t")


def _numbers(inner: str) -> list[int] | None:
    """The source numbers of ``3``, ``1, 4``, ``2-4`` or ``Source 3``; None for other text."""
    match = _NUMBERS.fullmatch(inner.strip())
    if match is None:
        return None
    numbers: list[int] = []
    for part in re.split(r"[,;&\s]+", match[1].strip(" ,;&")):
        ends = [int(end) for end in re.split(r"[–-]", part) if end]
        if not ends or ends[-1] - ends[0] > 20:
            return None
        numbers += range(ends[0], ends[-1] + 1)
    return numbers


def _without_addresses(text: str) -> str:
    return _ADDRESS.sub(_removed, text)


def _removed(match: re.Match[str]) -> str:
    written = match[0]
    return REMOVED_LINK + written[len(written.rstrip(".,;:!?)'\"")) :]
