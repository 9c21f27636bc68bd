"""Language models behind an OpenAI-compatible server: llama.cpp, vLLM, SGLang and others.

The text of the user's documents must not leave the machine by accident, so a server on another
machine is refused unless ``allow_remote`` is set. Connections go straight to it, never through a
proxy from the environment, follow no redirects, and are limited in time and bytes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from ...errors import ConfigurationError, RemoteModelRefusedError
from ...hosts import is_this_machine
from ...setting_names import with_known_settings
from ..language_model import Message, ThinkingLevel
from .chat_reply_stream import ChatReply
from .chat_server import ChatServer
from .thoughts import THINKING_ROOM

__all__ = ["KEY_VARIABLE", "OpenAIModel"]

DEFAULT_CONTEXT: Final = 8192
"""Tokens of context if the server does not say: the usual setting of small servers."""

KEY_VARIABLE: Final = "DSOCR_LLM_API_KEY"
"""Our own variable, so that ``OPENAI_API_KEY`` is not sent to some other server by accident."""


@with_known_settings()
class OpenAIModel:
    """A language model of an OpenAI-compatible server.

    Sends no request before the first use. Each request has its own connection, so there is
    nothing to close.

    Args:
        base_url: ``http://host:port`` or ``http://host:port/v1``.
        model: As the server names it; without it, the only model that it serves.
        api_key: Sent as a bearer token; by default ``DSOCR_LLM_API_KEY``.
        context_length: Tokens of context; by default as many as the server says (vLLM,
            llama.cpp), else 8192.
        timeout: Longest silence in seconds.
        max_seconds: Longest time for a whole reply.
        allow_remote: Whether the documents' text may go to another machine.
        structured: Whether to ask for answers as JSON that fits a schema. If a server refuses
            the schema, it is asked again without one.
        think: Whether a reasoning model may think before it writes; "low", "medium" or "high" for
            one with levels. None turns thinking off if the model's chat template can; a model that
            still thinks gets 4096 tokens for it.

    Raises:
        RemoteModelRefusedError: If the server is another machine.
        ConfigurationError: If an argument is invalid.

    Example:
        >>> model = OpenAIModel("http://127.0.0.1:8080")  # doctest: +SKIP
        >>> DocumentQA(document, llm=model).ask("Who keeps the lamp?")  # doctest: +SKIP
    """

    def __init__(
        self,
        base_url: str,
        model: str | None = None,
        *,
        api_key: str | None = None,
        context_length: int | None = None,
        timeout: float = 120.0,
        max_seconds: float = 600.0,
        allow_remote: bool = False,
        structured: bool = True,
        think: bool | ThinkingLevel | None = None,
    ) -> None:
        if (
            timeout <= 0
            or max_seconds <= 0
            or (context_length is not None and context_length < 512)
        ):
            raise ConfigurationError(
                "timeouts must be above 0 and context_length at least 512",
                remedy="Leave them out for the defaults.",
            )
        if think not in (None, True, False, "low", "medium", "high"):
            raise ConfigurationError(
                f"think cannot be {think!r}", remedy="Take True, False, 'low', 'medium' or 'high'."
            )
        url = _checked_url(base_url)
        if not allow_remote and not is_this_machine(url):
            raise RemoteModelRefusedError(
                f"the server at {url} is not this machine, and the text of your documents would"
                " be sent there",
                remedy="Use a local model, or set allow_remote=True.",
            )
        key = api_key or os.environ.get(KEY_VARIABLE)
        self.server = ChatServer(url, timeout, max_seconds, key)
        self.think = think
        self.structured = structured
        self._model = model
        self._context = context_length
        self._total: int | None = None
        self._thinks_anyway = False

    def __repr__(self) -> str:
        return f"OpenAIModel({self.server.url!r}, {self._model!r})"

    @property
    def model(self) -> str:
        """As the server names it. Asks the server once if it was not given.

        Raises:
            ConfigurationError: If it serves several.
            LanguageModelError: If the server does not answer.
        """
        if self._model is None:
            self._model = self.server.only_model()
        return self._model

    @property
    def name(self) -> str:
        """``openai/<model>``."""
        return f"openai/{self.model}"

    def check(self) -> None:
        """Check the server and the model, once; raises the same errors as :attr:`context_length`."""
        _ = self.context_length

    @property
    def context_length(self) -> int:
        """Tokens of prompt and reply together, without those for thoughts. Asks the server once.

        Raises:
            ConfigurationError: If the model is not named and the server serves several.
            LanguageModelError: If the server or the model is missing.
        """
        if self._total is None:
            served = self.server.context_length(self.model)
            self._total = self._context or served or DEFAULT_CONTEXT
        return self._total - self._room()

    def stream(self, messages: Sequence[Message], *, max_tokens: int) -> ChatReply:
        """Write a reply; see :meth:`LanguageModel.stream`."""
        return self._reply(messages, max_tokens, None)

    def stream_json(
        self, messages: Sequence[Message], *, schema: Mapping[str, Any], max_tokens: int
    ) -> ChatReply:
        """Write JSON; see :meth:`StructuredLanguageModel.stream_json`."""
        return self._reply(messages, max_tokens, schema)

    def _reply(
        self, messages: Sequence[Message], max_tokens: int, schema: Mapping[str, Any] | None
    ) -> ChatReply:
        self.check()

        def body() -> dict[str, Any]:
            return {
                "model": self.model,
                "max_tokens": max_tokens + self._room(),
                "temperature": 0,
                "seed": 0,
                **self._thinking(),
                **_form(schema),
            }

        return ChatReply(self.server, messages, body, max_tokens, self._expect_thoughts)

    def _thinking(self) -> dict[str, Any]:
        """The switches of chat templates (vLLM, SGLang, llama.cpp), and OpenAI's field for levels."""
        level = self.think if isinstance(self.think, str) else None
        if level is None and self._has_levels():
            level = "medium" if self.think else "low"
        effort = {} if level is None else {"reasoning_effort": level}
        return {"chat_template_kwargs": {"enable_thinking": bool(self.think), **effort}, **effort}

    def _has_levels(self) -> bool:
        return "gpt-oss" in self.model.lower()

    def _room(self) -> int:
        thinks = self._thinks_anyway or bool(self.think) or self._has_levels()
        return min(THINKING_ROOM, (self._total or DEFAULT_CONTEXT) // 2) if thinks else 0

    def _expect_thoughts(self) -> None:
        self._thinks_anyway = True


def _form(schema: Mapping[str, Any] | None) -> dict[str, Any]:
    if schema is None:
        return {}
    named = {"name": "answer", "schema": dict(schema)}
    return {"response_format": {"type": "json_schema", "json_schema": named}}


def _checked_url(base_url: str) -> str:
    """The URL of the API, which ends with ``/v1`` unless it has a path of its own."""
    url = base_url.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or parts.query or parts.fragment or parts.username is not None:
        hidden = "it" if "@" in base_url else repr(base_url)
        raise ConfigurationError(
            f"{hidden} is not the address of an OpenAI-compatible server",
            remedy="Write http://127.0.0.1:8080; a key is given as api_key or in " + KEY_VARIABLE,
        )
    url = url.removesuffix("/chat/completions")
    return url if parts.path.strip("/") else f"{url}/v1"
