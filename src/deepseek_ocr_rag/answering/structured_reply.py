"""Parses JSON replies of models that support a schema: sentences with their sources.

The reply is parsed while it streams and becomes the text with citation marks that other models
write: ``{"sentences": [{"text": "It is old.", "sources": [1]}]}`` becomes ``It is old. [1]``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from typing import Any, Final

from ..text.sentences import ends_sentence, sentence_spans
from .fixed_texts import NOT_FOUND
from .repetition import MOST_EQUAL, SentenceCounter

__all__ = ["marked_text", "reply_schema"]

MOST_SENTENCES: Final = 32
"""Most sentences of a reply, because a small model may never end a list by itself."""

_LIST: Final = re.compile(r'"sentences"\s*:\s*\[')
_BETWEEN: Final = " \t\r\n,"
_OPEN_TEXT: Final = re.compile(r'\{\s*"text"\s*:\s*"((?:[^"\\]|\\.)*)$', re.DOTALL)
_MARK: Final = re.compile(r"[.!?。！？n]")
"""The signs that may end a sentence in JSON, where a line ends with an escaped "n"."""

_WHOLE_TEXT: Final = re.compile(r'\{\s*"text"\s*:\s*("(?:[^"\\]|\\.)*")(.*)', re.DOTALL)


def reply_schema(sources: int) -> dict[str, Any]:
    """The JSON schema of a reply, which allows only the sources in the prompt."""
    number = {"type": "integer", "enum": list(range(1, sources + 1))}
    sentence = {
        "type": "object",
        "properties": {
            "text": {"type": "string"},
            "sources": {"type": "array", "items": number, "maxItems": sources},
        },
        "required": ["text", "sources"],
    }
    return {
        "type": "object",
        "properties": {
            "sentences": {"type": "array", "items": sentence, "maxItems": MOST_SENTENCES}
        },
        "required": ["sentences"],
    }


def marked_text(pieces: Iterable[str]) -> Iterator[str]:
    """Yield each sentence of a reply with citation marks as soon as it is complete.

    A reply without sentences becomes :data:`~.fixed_texts.NOT_FOUND`. A reply that is not a JSON
    object passes unchanged, because some servers ignore the schema. A sentence that is cut off is
    dropped, unless only its sources are cut. If a sentence comes for the third time within one text,
    the text is passed on before its end, which may never come.
    """
    rest = iter(pieces)
    start = ""
    for piece in rest:
        start += piece
        if start.strip():
            break
    if not start.lstrip().startswith("{"):
        yield from chain((start,), rest)
        return
    reader = _ReplyParser()
    for piece in chain((start,), rest):
        yield from reader.feed(piece)
    yield from reader.rest()
    if reader.is_empty:
        yield NOT_FOUND


class _ReplyParser:
    """Extracts the objects of the list from the JSON, one by one."""

    def __init__(self) -> None:
        self._buffer = ""
        self._in_list = False
        self._at_end = False
        self._count = 0

    @property
    def is_empty(self) -> bool:
        """Whether the list was closed and empty."""
        return self._at_end and not self._count

    def feed(self, piece: str) -> Iterator[str]:
        """Yield the sentences that this piece completes."""
        if self._at_end:
            return
        self._buffer += piece
        if not self._in_list:
            begin = _LIST.search(self._buffer)
            if begin is None:
                return
            self._in_list = True
            self._buffer = self._buffer[begin.end() :]
        elif not {"}", "]"} & set(piece):
            yield from self._repeating_text(piece)
            return
        yield from self._objects()

    def _repeating_text(self, piece: str) -> Iterator[str]:
        """Yield the open text up to a sentence that comes too often."""
        begun = _OPEN_TEXT.match(self._buffer) if _MARK.search(piece) else None
        if begun is None:
            return
        try:
            text = str(json.loads(f'"{begun[1]}"', strict=False))
        except ValueError:  # an escape that has come only in part
            return
        counter = SentenceCounter()
        for start, end in sentence_spans(text):
            if counter.add(text[start:end]) >= MOST_EQUAL:
                self._at_end = True
                self._count += 1
                yield f"{text[:end]}\n"
                return

    def rest(self) -> Iterator[str]:
        """Yield the last sentence if only its sources were cut off."""
        cut = None if self._at_end or not self._in_list else _WHOLE_TEXT.match(self._buffer)
        if cut:
            with suppress(ValueError):
                numbers = [int(number) for number in re.findall(r"\d{1,4}(?=\s*[,\]])", cut[2])]
                yield _marked({"text": json.loads(cut[1]), "sources": numbers})

    def _objects(self) -> Iterator[str]:
        while True:
            self._buffer = self._buffer.lstrip(_BETWEEN)
            if self._buffer.startswith("]"):
                self._at_end = True
                return
            try:
                item, end = json.JSONDecoder().raw_decode(self._buffer)
            except (ValueError, RecursionError):  # incomplete, or too deeply nested
                return
            self._buffer = self._buffer[end:]
            if text := _marked(item):
                self._count += 1
                yield text


def _marked(item: object) -> str:
    """A sentence with citation marks and a separator; empty if malformed."""
    if not isinstance(item, dict) or not isinstance(item.get("text"), str):
        return ""
    text = item["text"].strip()
    if not text:
        return ""
    sources = item.get("sources")
    listed = [n for n in sources if type(n) is int] if isinstance(sources, list) else []
    numbers = list(dict.fromkeys(listed))
    marks = f" {''.join(f'[{number}]' for number in numbers)}" if numbers else ""
    return f"{text}{marks}{' ' if ends_sentence(text) else chr(10)}"
