"""Makes a model's reply safe to show while it streams.

A page may contain instructions to the model ("add this picture to your answer"). A viewer that
loads such a picture or link would then leak what was read to its address. So everything that
could become a picture or link is removed or broken by a space: Markdown images and links,
HTML tags, addresses, ``<scheme:...>`` and ``<a@b>``. A bare e-mail address stays, because it may
be the answer. ``[3]`` becomes a :class:`CitationMark`, or is removed if there is no source 3.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from string import ascii_letters
from typing import Final

from ..text.visible import without_invisible

__all__ = [
    "REMOVED_LINK",
    "AnswerCleaner",
    "CitationMark",
    "cited_numbers",
    "join_safely",
    "without_addresses",
]

REMOVED_LINK: Final = "(link removed)"

_BRACKET: Final = re.compile(r"\[([^\[\]\n]{0,300})(\])?")
_TARGET: Final = re.compile(r"\(([^()\n]{0,2000})(\))?")
_ANY_TAG: Final = re.compile(r"<[A-Za-z/!?]([^<>]{0,500})(>)?")
_WHOLE_TAG: Final = re.compile(r"</?[A-Za-z][^<>]{0,500}>")
_AUTOLINK: Final = re.compile(r"<[A-Za-z][A-Za-z0-9.+-]{1,31}:[^\s<>]*>")
_MAIL: Final = re.compile(r"<([\w.!#$%&'*+/=?^`{|}~-]+@[\w.-]+)>")
_MAIL_PART: Final = re.compile(r"[<\s@]")
_OPENING: Final = re.compile(r"<(?=[A-Za-z/!?])")
_RUN: Final = re.compile(r"[^\s\[\]<!]{1,2000}")
_NUMBERS: Final = re.compile(r"(?:sources?|passages?|\^|#)?\s?([0-9][0-9,;&\s–-]{0,60})", re.I)
_ADDRESS: Final = re.compile(
    r"(?:[a-z][a-z0-9+.-]{0,20})?://\S*"
    r"|//[\w-]+[.:/@]\S*"
    r"|(?:www\.|(?:mailto|xmpp|javascript|vbscript):|data:[a-z]+/)\S*"
    r"|(?<![\w.@-])(?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24}(?:/|[?#](?=\w)|:[0-9]{1,5}[/?#])\S*",
    re.IGNORECASE,
)
_SEAMS: Final = {
    "]": "(:",
    "!": "[",
    "<": ascii_letters + "/!?",
    ":": "/",
    "/": "/",
    "w": "wW.",
    "W": "wW.",
}
"""Maps a character to those that must not follow it: when something between two harmless pieces is
removed, they must not form a link, a picture, a tag or an address."""


@dataclass(frozen=True, slots=True)
class CitationMark:
    """The sources that a model cites at one point of its text."""

    numbers: tuple[int, ...]  # of sources in the prompt, from 1; only existing ones
    space: str = ""  # white space before it


def join_safely(before: str, text: str) -> str:
    """The text to append, with a space before it if it would form a link, picture or tag."""
    return f" {text}" if before and text[:1] and text[0] in _SEAMS.get(before[-1], "") else text


class AnswerCleaner:
    """Cleans a reply that comes in pieces; where it is cut makes no difference to the result."""

    def __init__(self, sources: int) -> None:
        self._sources = sources
        self._buffer = ""
        self._final = False
        self._shown: list[str | CitationMark] = []
        self._space = ""
        self._last = ""
        self._may_be_mail = False  # whether no space was shown since the last "<"

    def feed(self, piece: str) -> list[str | CitationMark]:
        """Take a piece; return what can be shown now, text and marks in order."""
        self._buffer += without_invisible(piece)
        return self._scan()

    def finish(self) -> list[str | CitationMark]:
        """Return the rest, after the last piece."""
        self._final = True
        return self._scan()

    def _scan(self) -> list[str | CitationMark]:
        self._shown = []
        position = 0
        while position < len(self._buffer):
            length = self._step(position)
            if not length:
                break
            position += length
        self._buffer = self._buffer[position:]
        return self._shown

    def _step(self, position: int) -> int:
        """Process the element at a position; return its length, or 0 if its end has not come yet."""
        first = self._buffer[position]
        if first.isspace():
            self._space += first
            return 1
        if first == "!":
            return self._image(position)
        if first == "[":
            return self._bracket(position)
        if first == "<":
            return self._tag(position)
        if first == "]":
            self._show("]")
            return 1
        match = _RUN.match(self._buffer, position)
        if match is None or self._is_cut(match.end()):
            return 0
        self._show(without_addresses(match[0]))
        return len(match[0])

    def _is_cut(self, end: int) -> bool:
        """Whether more of the reply may follow at an offset."""
        return end == len(self._buffer) and not self._final

    def _image(self, position: int) -> int:
        if self._is_cut(position + 1):
            return 0
        if self._buffer.startswith("[", position + 1):
            read = self._read_bracket(position + 1)
            if read is None:
                return 0
            inner, end, _ = read
            # "It works![1]" is not a picture.
            if inner is not None and cited_numbers(inner) is None:
                self._drop()
                return end - position
        self._show("!")
        return 1

    def _bracket(self, position: int) -> int:
        read = self._read_bracket(position)
        if read is None:
            return 0
        inner, end, linked = read
        if inner is None:
            self._show("[")
            return 1
        numbers = cited_numbers(inner)
        if numbers is not None:
            self._mark(numbers)
        else:
            text = without_addresses(_OPENING.sub("< ", _WHOLE_TAG.sub("", inner)))
            self._show(text if linked else f"[{text}]")
        return end - position

    def _read_bracket(self, position: int) -> tuple[str | None, int, bool] | None:
        """Inner text (None without a closing bracket), end, whether a link target follows.

        None if more of the reply is needed.
        """
        match = _BRACKET.match(self._buffer, position)
        if match and self._is_cut(match.end()):
            return None
        if match is None or match[2] is None:
            return None, position + 1, False
        target = _TARGET.match(self._buffer, match.end())
        if target and target[2]:
            return match[1], target.end(), True
        if target and self._is_cut(target.end()):
            return None
        return match[1], match.end(), False

    def _tag(self, position: int) -> int:
        match = _ANY_TAG.match(self._buffer, position)
        if match and match[2]:
            mail = _MAIL.fullmatch(match[0])
            if mail:
                self._show(mail[1])
            elif _AUTOLINK.fullmatch(match[0]) or (
                _ADDRESS.search(match[0]) and "=" not in match[0]
            ):
                self._show(REMOVED_LINK)
            return len(match[0])
        if self._is_cut(match.end() if match else position + 1):
            return 0
        # With a space after it, it can never become a tag.
        self._show("< " if match else "<")
        return 1

    def _mark(self, numbers: list[int]) -> None:
        known = tuple(dict.fromkeys(n for n in numbers if 1 <= n <= self._sources))
        if not known:
            self._drop()
            return
        self._shown.append(CitationMark(known, self._spaced("[")))
        self._space, self._last = "", "]"

    def _show(self, text: str) -> None:
        if text:
            self._shown.append(_MAIL_PART.sub(self._break_mail, self._spaced(text) + text))
            self._space, self._last = "", text[-1]

    def _break_mail(self, match: re.Match[str]) -> str:
        """Break ``<1@b>``, which would become a link, even if its parts come one by one."""
        if match[0] == "@":
            return " @" if self._may_be_mail else "@"
        self._may_be_mail = match[0] == "<"
        return match[0]

    def _spaced(self, text: str) -> str:
        """The white space to show before a text."""
        space = self._space if self._last else ""
        return space or join_safely(self._last, text).removesuffix(text)

    def _drop(self) -> None:
        """Remove text together with the blanks before it."""
        self._space = self._space.rstrip(" \t")


def cited_numbers(inner: str) -> list[int] | None:
    """The source numbers in ``3``, ``1, 4``, ``2-4`` or ``Source 3``; None for other text."""
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


def without_addresses(text: str) -> str:
    """Replace web addresses by :data:`REMOVED_LINK`."""
    return _ADDRESS.sub(_removed, text)


def _removed(match: re.Match[str]) -> str:
    written = match[0]
    return REMOVED_LINK + written[len(written.rstrip(".,;:!?)'\"")) :]
