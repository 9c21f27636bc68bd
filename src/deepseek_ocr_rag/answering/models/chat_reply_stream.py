"""Reads a streamed reply of ``/v1/chat/completions``, piece by piece."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import asdict
from typing import Any, Final

import httpx

from ...errors import UnexpectedThoughtsError
from ..language_model import Message
from .chat_server import ChatServer, error_words
from .ollama_reply_stream import BROKEN_OFF, CUT
from .reply_stream import ReplyStream
from .thoughts import ThoughtSplitter

__all__ = ["ChatReply"]

_OPTIONAL: Final = (
    "response_format",
    "chat_template_kwargs",
    "reasoning_effort",
    "seed",
    "temperature",
)
"""Fields that a server may refuse; then the request is sent again without them."""

_ALWAYS_THINKS: Final = re.compile(r"thinking|reason|\bqwq\b|deepseek-r1|\br1\b|magistral", re.I)
"""Names of models whose prompt opens the thoughts, so that a server that cannot parse thoughts sends
only the closing tag."""


class ChatReply(ReplyStream):
    """A reply of ``/v1/chat/completions``.

    Args:
        server: Where to ask.
        messages: The conversation.
        body: Returns the rest of the request; called before each request.
        max_tokens: Longest reply, without thoughts.
        expect_thoughts: Called if the model thinks and has no room for it.
    """

    def __init__(
        self,
        server: ChatServer,
        messages: Sequence[Message],
        body: Callable[[], dict[str, Any]],
        max_tokens: int,
        expect_thoughts: Callable[[], None],
    ) -> None:
        super().__init__(self._read())
        self._server = server
        self._turns = [asdict(message) for message in messages]
        self._body = body
        self._max_tokens = max_tokens
        self._expect_thoughts = expect_thoughts

    def _read(self) -> Generator[str]:
        refused: frozenset[str] = frozenset()
        for _ in range(len(_OPTIONAL) + 2):
            body = {key: value for key, value in self._body().items() if key not in refused}
            try:
                with self._server.chat(
                    {**body, "messages": self._turns, "stream": True}
                ) as response:
                    if response.status_code == 200:
                        yield from self._said(response, body)
                        return
                    words = error_words(response.read()[: 2**16])
                status = response.status_code
                named = {key for key in _OPTIONAL if key in body and key in words}
                named = named or {key for key in _OPTIONAL if key in body}
                if status not in (400, 422) or not named:
                    raise self._server.refusal(body["model"], status, words)
                refused |= named
            except UnexpectedThoughtsError:
                self._thoughts = []
        raise self._server.broken("it thinks without end")

    def _said(self, response: httpx.Response, body: dict[str, Any]) -> Generator[str]:
        self._splitter = ThoughtSplitter(opened=bool(_ALWAYS_THINKS.search(body["model"])))
        has_room = body["max_tokens"] > self._max_tokens
        written = 0
        for choice in _choices(response, self._server):
            text, thought = _delta(choice)
            if thought:
                self._thoughts.append(thought)
            text = self._splitter.feed(text)
            if self._thinks and not (written or has_room):
                self._expect_thoughts()
                raise UnexpectedThoughtsError
            if text:
                written += 1
                yield text
            reason = choice.get("finish_reason")
            if has_room and written >= self._max_tokens:
                reason = reason or "length"
            if reason:
                self.finish_reason = "length" if reason == "length" else "stop"
                self.warnings += (CUT,) if reason == "length" else ()
                break
        if rest := self._splitter.finish():
            written += 1
            yield rest
        if self.finish_reason == "broken off":
            if not written and not self.thinking:
                raise self._server.broken("the reply broke off before its first word")
            self.warnings += (BROKEN_OFF,)


def _choices(response: httpx.Response, server: ChatServer) -> Iterator[dict[str, Any]]:
    """The choices of the events of a stream; one object where the server does not stream."""
    try:
        for line in response.iter_lines():
            data = line.removeprefix("data:").strip()
            if not data or data == "[DONE]" or line.startswith((":", "event:")):
                continue
            event = json.loads(data)
            if "error" in event:
                raise server.broken(f"it says{error_words(data.encode())}")
            yield from event.get("choices") or ()
    except httpx.RemoteProtocolError:
        return  # it broke off


def _delta(choice: dict[str, Any]) -> tuple[str, str]:
    """The text and the thought of a choice: ``reasoning_content`` (llama.cpp) or ``reasoning``."""
    delta = choice.get("delta") or choice.get("message") or {}
    text = delta.get("content") or ""
    thought = delta.get("reasoning_content") or delta.get("reasoning") or ""
    if not isinstance(text, str) or not isinstance(thought, str):
        raise TypeError("not text")
    return text, thought
