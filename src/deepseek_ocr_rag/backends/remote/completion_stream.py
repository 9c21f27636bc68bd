"""Reads an OpenAI-compatible server's reply for one page: an event stream or one JSON document.

Format: OpenAI's reference of streamed chat completions, as vLLM, SGLang and
llama.cpp serve it. Each ``data:`` line is one event. If log-probabilities were
requested, the event lists those of the tokens whose text it carries.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

import httpx

from ...document.grammar.confidence import LEAST_LOGPROB, TokenLogprob
from ...document.types import FinishReason
from ...errors import BackendReplyError
from ...http_replies import parse_json
from ...model.loops.detector import Loop, RepetitionWatch, find_loops
from ...model.prompts import END_TOKEN
from ...text.excerpt import excerpt
from .hidden_tokens import hidden_tokens
from .reply_text import split_lines

__all__ = ["Completion", "read_completion"]

LONGEST_TOKEN: Final = 128
"""Characters; the longest entries of DeepSeek's vocabulary are runs of spaces."""

MISPLACED: Final = 8
"""Characters of an event's text that may be skipped in search of a token: they belong to
tokens whose own text differs (a part of a rare character, or a token that is not shown)."""

_REASONS: Final[dict[str, FinishReason]] = {
    "stop": "stop",
    "length": "length",
    "repetition": "repetition",
}


@dataclass(frozen=True, slots=True)
class Completion:
    """A reply. If it broke off, its finish reason is "length" and ``cut`` says how."""

    text: str  # as the model wrote it
    finish_reason: FinishReason
    tokens: int | None  # None if the server does not count them
    logprobs: tuple[TokenLogprob, ...] = ()  # empty unless the server gave all of them
    prompt_tokens: int | None = None  # picture and prompt; None if the server does not count them
    hidden: int = 0  # how many layout tokens the server withheld
    loops: tuple[Loop, ...] | None = None  # in the text; None if not searched for to its end
    cut: str | None = None


async def read_completion(texts: AsyncIterable[str], *, max_tokens: int) -> Completion:
    """Read a reply until it ends, repeats itself or gets too long.

    Leaving the body ``texts`` early closes the connection, which makes the server stop generating.
    A server that goes on beyond ``max_tokens`` is cut off there (finish reason "length"), and so is
    a model that repeats itself ("repetition").

    Raises:
        BackendReplyError: If the server reports an error or violates the protocol.
        httpx.TimeoutException: If the server is too slow.
    """
    reply = _CompletionBuilder(max_tokens)
    body = _Body(texts)
    cut = "its reply has no finish_reason"
    try:
        async with aclosing(split_lines(body.texts())) as lines:
            async for data in _events(lines):
                if data == "[DONE]" or reply.add(_parsed(data)):
                    break
    except httpx.TimeoutException:
        raise
    except httpx.TransportError as error:
        cut = excerpt(str(error)) or type(error).__name__
    except _NotJsonError:
        # The connection broke in the middle of an event, whose line is not complete.
        if not body.ended:
            raise
    return reply.completion(cut)


class _NotJsonError(BackendReplyError):
    """An event cannot be parsed."""


class _Body:
    """The text of a reply, and whether all of it has arrived."""

    def __init__(self, texts: AsyncIterable[str]) -> None:
        self._texts = texts
        self.ended = False

    async def texts(self) -> AsyncIterator[str]:
        async for text in self._texts:
            yield text
        self.ended = True


async def _events(lines: AsyncIterator[str]) -> AsyncIterator[str]:
    """Yield the payload of each event; a body that is one JSON document counts as one event."""
    document: list[str] = []
    async for line in lines:
        if document:
            document.append(line)
        elif line.startswith(("data:", "error:")):
            yield line.partition(":")[2].strip()
        elif line.lstrip().startswith("{"):
            document.append(line)
        # All other lines are comments, event names, ids and the empty lines between events.
    if document:
        yield "\n".join(document)


def _parsed(data: str) -> dict[str, Any]:
    try:
        event = parse_json(data)
    except ValueError as error:
        raise _NotJsonError(f"an event is not JSON: {excerpt(data)!r}") from error
    if not isinstance(event, dict):
        raise BackendReplyError(f"an event is not an object: {excerpt(data)!r}")
    return event


class _CompletionBuilder:
    def __init__(self, max_tokens: int) -> None:
        self._max_tokens = max_tokens
        self._pieces: list[str] = []
        self._characters = 0
        self._finish: FinishReason | None = None
        self._tokens: int | None = None
        self._prompt_tokens: int | None = None
        self._logprobs: list[TokenLogprob] | None = []
        self._watch = RepetitionWatch()

    def add(self, event: dict[str, Any]) -> bool:
        """Take one event; return True if the rest of the reply is not needed."""
        _raise_for_error(event)
        usage = event.get("usage")
        if isinstance(usage, dict) and isinstance(usage.get("completion_tokens"), int):
            self._tokens = usage["completion_tokens"]
            if isinstance(usage.get("prompt_tokens"), int):
                self._prompt_tokens = usage["prompt_tokens"]
        choices = event.get("choices")
        if not isinstance(choices, list):
            raise BackendReplyError("an event has neither choices nor an error")
        if not choices:
            return False
        choice = choices[0]
        if not isinstance(choice, dict):
            raise BackendReplyError("a choice is not an object")
        text = self._add_text(choice)
        self._add_logprobs(choice, text)
        reason = choice.get("finish_reason")
        if reason is not None:
            if reason not in _REASONS:
                raise BackendReplyError(f"the server ended the reply: {excerpt(str(reason))}")
            self._finish = _REASONS[reason]
        return self._must_stop(text)

    def completion(self, cut: str) -> Completion:
        """Make the reply; ``cut`` says how it broke off, if it has no end."""
        text = "".join(self._pieces).removesuffix(END_TOKEN)
        logprobs = tuple(
            TokenLogprob(min(token.end, len(text)), token.logprob) for token in self._logprobs or ()
        )
        hidden = hidden_tokens(
            text, self._tokens, len(self._pieces), ended=self._finish == "stop", token_a_piece=False
        )
        whole = self._finish is not None
        # The watch has already searched the text that it saw arrive.
        loops = find_loops(text, self._watch) if self._watch.length <= len(text) else None
        return Completion(
            text,
            self._finish or "length",
            self._tokens,
            logprobs,
            self._prompt_tokens,
            hidden,
            loops,
            None if whole else cut,
        )

    def _add_text(self, choice: dict[str, Any]) -> str:
        message = choice.get("delta", choice.get("message"))
        content = message.get("content") if isinstance(message, dict) else None
        if not isinstance(content, str | None):
            raise BackendReplyError("the content of a choice is not text")
        if content:
            self._pieces.append(content)
            self._characters += len(content)
        return content or ""

    def _add_logprobs(self, choice: dict[str, Any], text: str) -> None:
        """Take the tokens of one event; drop all tokens for good if an event lacks some."""
        listed = choice.get("logprobs")
        found = _read_logprobs(listed.get("content") if isinstance(listed, dict) else [])
        if self._logprobs is None or (not found and not text):
            return
        if not found or len(self._logprobs) + len(found) > self._max_tokens + 1:
            self._logprobs = None
            return
        before = self._characters - len(text)
        ends = _token_ends(text, [token for token, _ in found])
        self._logprobs += [
            TokenLogprob(before + end, logprob)
            for end, (_, logprob) in zip(ends, found, strict=True)
        ]

    def _must_stop(self, text: str) -> bool:
        """Return whether a reply that has not ended repeats itself or is too long."""
        if self._finish is not None:
            return False
        if self._watch.feed(text) is not None:
            self._finish = "repetition"
        # An event carries at least one token, so there are at least as many tokens as events.
        elif (
            len(self._pieces) > self._max_tokens
            or self._characters > self._max_tokens * LONGEST_TOKEN
        ):
            self._finish = "length"
        return self._finish is not None


def _read_logprobs(listed: object) -> list[tuple[str, float]]:
    """Return the text and log-probability of each token; empty if one cannot be read."""
    found = []
    for entry in listed if isinstance(listed, list) else []:
        fields = entry if isinstance(entry, dict) else {}
        token, logprob = fields.get("token"), fields.get("logprob")
        if not isinstance(token, str) or not isinstance(logprob, int | float):
            return []
        # Clamped before float(), which fails for a huge integer; in this order NaN
        # becomes the lower bound.
        found.append((token, float(min(0.0, max(LEAST_LOGPROB, logprob)))))
    return found


def _token_ends(text: str, tokens: Sequence[str]) -> list[int]:
    """Find where each token ends in the text of its event; the last one ends with the text.

    A token whose text is not found nearby gets no length: it is part of a character, or it is not
    shown.
    """
    ends = []
    position = 0
    for token in tokens:
        longest = position + MISPLACED + len(token)
        found = text.find(token, position, longest) if token else -1
        if found >= 0:
            position = found + len(token)
        ends.append(position)
    return [*ends[:-1], len(text)]


def _raise_for_error(event: dict[str, Any]) -> None:
    problem = event.get("error")
    if problem is None and event.get("object") == "error":
        problem = event
    if problem is None and "choices" not in event and isinstance(event.get("message"), str):
        problem = event
    if problem is None:
        return
    message = problem.get("message", problem) if isinstance(problem, dict) else problem
    raise BackendReplyError(f"the server reports an error: {excerpt(str(message))}")
