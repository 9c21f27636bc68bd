"""Separates what a reasoning model thinks from what it replies.

Most servers send thoughts in a field of their own. Some leave them in the reply, between tags; if
the prompt has already opened the tag, only the closing one comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

__all__ = ["THINKING_ROOM", "ThoughtSplitter", "without_thoughts"]

THINKING_ROOM: Final = 4096
"""Tokens for the thoughts of a model that cannot be kept from thinking."""

_TAGS: Final = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("[THINK]", "[/THINK]"),
    ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),
)
"""The tags of Qwen, DeepSeek and most others; of less common templates; of Magistral; of gpt-oss."""

_INSIDE: Final = _TAGS[0]
"""The only tags that count inside a reply, not just at its start."""

_LONGEST: Final = max(len(end) for _, end in _TAGS)


class ThoughtSplitter:
    """Takes a reply in pieces and returns it without the thoughts, which are in ``thinking``.

    Thoughts are at the start of a reply. Between an opening and a closing tag, they may also come
    further on, but not in JSON.

    Args:
        opened: Whether the prompt opened the thoughts, so that everything is held back until they
            end. If they never end, the whole text counts as the reply.
    """

    def __init__(self, *, opened: bool = False) -> None:
        self._opened = opened
        self._end = ""  # the tag that ends the open thoughts
        self._held: list[str] = []
        self._tail = ""  # the end of the held text, in which a tag may begin
        self._speaking = self._is_json = False
        self._thoughts: list[str] = []

    @property
    def thinking(self) -> str:
        """The thoughts so far."""
        return "\n".join(text for thought in self._thoughts if (text := thought.strip()))

    @property
    def is_thinking(self) -> bool:
        """Whether the reply has begun with thoughts that have not ended."""
        begun = len("".join(self._held).strip()) > len(self._end)
        return bool(self._end) and not self._speaking and begun

    def feed(self, piece: str) -> str:
        """Take a piece; return the part of the reply that is certain by now."""
        self._held.append(piece)
        self._tail += piece
        text = ""
        while not self._is_waiting():
            text += self._step()
        return text

    def finish(self) -> str:
        """Return the rest, after the last piece."""
        held, self._held = "".join(self._held), []
        if self._end and not self._speaking:
            self._thoughts.append(held)
            return ""
        return (_INSIDE[0] if self._end else "") + held

    def _is_waiting(self) -> bool:
        """Whether the held text is still undecided; then only its end needs to be looked at again."""
        if self._opened and "".join(self._held[:8]).lstrip().startswith("{"):
            self._opened = False  # It is JSON from the first character on: the model did not think.
        if self._end or self._opened:
            ends = [self._end] if self._end else [end for _, end in _TAGS]
            if any(end in self._tail for end in ends):
                return False
            self._tail = self._tail[1 - _LONGEST :]
            return True
        text = "".join(self._held)
        if self._speaking:
            return not text or (not self._open_tag_at(text) and not text.startswith(_INSIDE[0]))
        self._held, self._tail = [text.lstrip()], text.lstrip()
        return any(start.startswith(self._tail) for start, _ in _TAGS)

    def _step(self) -> str:
        """Remove a tag, or the text before one, from the held text; return the text."""
        text, self._held, self._tail = "".join(self._held), [], ""
        if self._end or self._opened:
            at, end = min(
                (at, end)
                for end in ([self._end] if self._end else [end for _, end in _TAGS])
                if (at := text.find(end)) >= 0
            )
            thought = text[:at].lstrip()
            start = next((start for start, _ in _TAGS if thought.startswith(start)), "")
            self._thoughts.append(thought[len(start) :])
            self._opened, self._end, said = False, "", ""
            self._keep(text[at + len(end) :])
        elif not self._speaking:
            start, self._end = next((t for t in _TAGS if text.startswith(t[0])), ("", ""))
            self._speaking = not start
            self._is_json = text.startswith("{")
            self._keep(text[len(start) :])
            said = ""
        elif self._is_json:
            said = text
        else:
            at = self._open_tag_at(text)
            said, rest = text[:at], text[at:]
            if rest.startswith(_INSIDE[0]):
                self._end = _INSIDE[1]
                rest = rest[len(_INSIDE[0]) :]
            self._keep(rest)
        return said

    def _keep(self, text: str) -> None:
        self._held, self._tail = [text], text

    def _open_tag_at(self, text: str) -> int:
        """Where an opening tag is or may begin; the length of the text if there is none."""
        if self._is_json:
            return len(text)
        tag = _INSIDE[0]
        at = text.find(tag)
        if at >= 0:
            return at
        return next(
            (len(text) - n for n in range(len(tag) - 1, 0, -1) if text.endswith(tag[:n])), len(text)
        )


def without_thoughts(
    pieces: Iterable[str], splitter: ThoughtSplitter | None = None
) -> Iterator[str]:
    """Leave out what a model thinks; ``splitter`` keeps the thoughts."""
    splitter = splitter or ThoughtSplitter()
    for piece in pieces:
        if text := splitter.feed(piece):
            yield text
    if text := splitter.finish():
        yield text
