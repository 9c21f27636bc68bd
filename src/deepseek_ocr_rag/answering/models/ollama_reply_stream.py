"""Reads a reply of Ollama's ``/api/chat``, piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from typing import Any, Final

import httpx

from ...errors import UnexpectedThoughtsError
from ...ollama_server import OllamaServer
from ..language_model import Message, ThinkingLevel
from ..repetition import EqualParts
from .reply_stream import ReplyStream
from .thoughts import ThoughtSplitter

__all__ = ["BROKEN_OFF", "CUT", "ModelReply", "ReplySettings"]

REPEATED: Final = "The model repeated itself, and Ollama ended its reply."
BROKEN_OFF: Final = "The reply broke off before its end: only its whole sentences are kept."
CUT: Final = "The answer was cut: the model reached its longest reply."


@dataclass(frozen=True, slots=True)
class ReplySettings:
    """How to ask for a reply."""

    options: Mapping[str, int]
    max_tokens: int  # longest reply, without thoughts
    think: bool | ThinkingLevel | None
    expect_thoughts: Callable[[], None]  # called if it thinks although it has no room for that

    @property
    def has_room(self) -> bool:
        """Whether the model has tokens for thoughts besides those of its reply."""
        return self.options["num_predict"] > self.max_tokens


class ModelReply(ReplyStream):
    """A reply of Ollama's ``/api/chat``.

    Parts that are equal to the part before them are held back until a different one comes. If Ollama
    stops the reply because of them, they are left out.

    Args:
        server: Where to ask.
        model: As the server names it.
        messages: The conversation.
        settings: Called before each request.
        schema: The JSON schema that the reply must follow.
    """

    def __init__(
        self,
        server: OllamaServer,
        model: str,
        messages: Sequence[Message],
        settings: Callable[[], ReplySettings],
        schema: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(self._read(messages))
        self._server = server
        self._model = model
        self._settings = settings
        self._schema = schema

    def _read(self, messages: Sequence[Message]) -> Generator[str]:
        turns = [asdict(message) for message in messages]
        try:
            yield from self._ask(turns, self._settings())
        except UnexpectedThoughtsError:
            self._thoughts, self._splitter = [], ThoughtSplitter()
            yield from self._ask(turns, self._settings())

    def _ask(self, turns: list[dict[str, Any]], settings: ReplySettings) -> Generator[str]:
        form = None if self._schema is None else dict(self._schema)
        remedy = "Look at Ollama's log; a smaller model or num_ctx needs less memory."
        parts = EqualParts()
        held: list[str] = []
        written = 0
        with self._server.ollama_client(self._model, remedy) as client:
            stream = client.chat(
                self._model,
                turns,
                stream=True,
                options=dict(settings.options),
                format=form,
                think=settings.think,
            )
            with closing(stream), suppress(httpx.RemoteProtocolError):  # type: ignore[type-var]
                for part in stream:
                    content = self._spoken(part.message)
                    if self._thinks and not (written or settings.has_room):
                        settings.expect_thoughts()
                        raise UnexpectedThoughtsError
                    if parts.add(part.message.content or part.message.thinking or ""):
                        held.append(content)
                    else:
                        yield from _texts(held, content)
                        held.clear()
                    written += bool(content)
                    if part.done:
                        self._finish(settings, part.done_reason, part.prompt_eval_count)
                    elif settings.has_room and written >= settings.max_tokens:
                        self._finish(settings, "length", None)
                    else:
                        continue
                    yield from _texts(held, self._splitter.finish())
                    return
        if parts.reached_limit:
            self.finish_reason = "repetition"
            self.warnings += (REPEATED,)
            return
        rest = self._splitter.finish()
        yield from _texts(held, rest)
        if not written and not rest and not self.thinking:
            raise self._server.broken("the reply broke off before its first word")
        self.warnings += (BROKEN_OFF,)

    def _spoken(self, message: Any) -> str:  # noqa: ANN401 - ollama.Message
        if message.thinking:
            self._thoughts.append(message.thinking)
        return self._splitter.feed(message.content or "")

    def _finish(
        self, settings: ReplySettings, reason: str | None, prompt_tokens: int | None
    ) -> None:
        self.finish_reason = "length" if reason == "length" else "stop"
        if reason == "length":
            self.warnings += (CUT,)
        if (prompt_tokens or 0) + settings.options["num_predict"] > settings.options["num_ctx"]:
            self.warnings += ("The prompt filled the context: the model may have missed a part.",)


def _texts(held: Sequence[str], *more: str) -> Iterator[str]:
    return (text for text in (*held, *more) if text)
