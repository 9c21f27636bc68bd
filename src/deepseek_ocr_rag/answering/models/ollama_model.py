"""Ollama's language models.

The text of the user's documents must not leave the machine by accident, so a host on
another machine is refused, and so is a model that Ollama itself would run elsewhere
(its "cloud" models), unless ``allow_remote`` is set. Models are never downloaded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ...errors import ConfigurationError
from ...ollama_address import ollama_headers, ollama_url
from ...ollama_server import OllamaServer
from ...setting_names import with_known_settings
from ..language_model import Message, ThinkingLevel
from .model_fitness import why_unfit
from .ollama_reply_stream import ModelReply, ReplySettings
from .thoughts import THINKING_ROOM

__all__ = ["SUGGESTED_MODEL", "OllamaModel"]

DEFAULT_CONTEXT: Final = 8192
"""Default tokens of context: a question with five passages needs no more, and Ollama
allocates memory for every token."""

STRUCTURED_FROM: Final = (0, 5, 0)
"""First Ollama version that enforces a JSON schema."""

BUILT_FROM_SOURCE: Final = (0, 0, 0)
"""The version that an Ollama built from source reports; it counts as new."""

SUGGESTED_MODEL: Final = "gemma3:4b"

_LEVELS: Final = re.compile(r"gpt-?oss")
"""Families that always think, at some level: Ollama ignores ``think: false`` for them."""

_SWITCH: Final = re.compile(r"\.(?:Think|IsThinkSet)\b")
"""Variables by which a template obeys ``think``; a model without them always thinks."""


@dataclass(frozen=True, slots=True)
class _Thinking:
    """Whether and how a model thinks, according to ``/api/show``."""

    able: bool = False
    has_levels: bool = False
    obeys: bool = True  # whether it can be turned off

    @classmethod
    def of(cls, model: str, shown: Mapping[str, Any]) -> _Thinking:
        able = "thinking" in (shown.get("capabilities") or ())
        details, info = shown.get("details"), shown.get("model_info")
        family = str((info.get("general.architecture") if isinstance(info, dict) else "") or "")
        family += f" {details.get('family')}" if isinstance(details, dict) else ""
        has_levels = able and bool(_LEVELS.search(f"{family} {model}"))
        obeys = not has_levels and bool(_SWITCH.search(str(shown.get("template") or "")))
        return cls(able, has_levels, obeys or not able)


@with_known_settings()
class OllamaModel:
    """A model of a running Ollama.

    Sends no request before the first use. Each request has its own connection, so
    there is nothing to close.

    Args:
        model: As ``ollama list`` shows it.
        host: Where Ollama listens; by default ``OLLAMA_HOST``, else port 11434 of this machine.
        timeout: Longest silence in seconds, including the time to load the model.
        max_seconds: Longest time for a whole reply.
        num_ctx: Tokens of context to request, by default 8192, and 4096 more where a model
            thinks; capped at what the model was trained for.
        allow_remote: Whether the documents' text may go to another machine.
        structured: Whether to ask for answers as JSON. None asks for it if the server
            enforces a schema, as Ollama does from 0.5.0.
        think: Whether a reasoning model may think before it writes; "low", "medium" or "high" for
            one with levels, such as gpt-oss. None turns thinking off, or as low as possible if it
            cannot be turned off; such a model gets 4096 tokens for its thoughts.

    Raises:
        RemoteModelRefusedError: If the host is another machine, or the model's
            name says that it runs on one.
        ConfigurationError: If an argument is invalid.
    """

    def __init__(
        self,
        model: str,
        *,
        host: str | None = None,
        timeout: float = 120.0,
        max_seconds: float = 600.0,
        num_ctx: int | None = None,
        allow_remote: bool = False,
        structured: bool | None = None,
        think: bool | ThinkingLevel | None = None,
    ) -> None:
        if not model.strip():
            raise ConfigurationError("no model is named", remedy="Write 'ollama/<model>'.")
        if timeout <= 0 or max_seconds <= 0 or (num_ctx is not None and num_ctx < 512):
            raise ConfigurationError(
                "timeouts must be above 0 and num_ctx at least 512",
                remedy="Leave them out for the defaults.",
            )
        if think not in (None, True, False, "low", "medium", "high"):
            raise ConfigurationError(
                f"think cannot be {think!r}", remedy="Take True, False, 'low', 'medium' or 'high'."
            )
        self.model = model
        self.think = think
        self.server = OllamaServer(
            ollama_url(host), timeout, max_seconds, headers=ollama_headers(host)
        )
        self.allow_remote = allow_remote
        self._num_ctx = num_ctx
        self._most: int | None = None  # tokens of context that the model was trained for
        self._thinking: _Thinking | None = None  # None until the server was asked
        self._thinks_anyway = False  # whether it thought although it was told not to
        self._structured = structured
        if not allow_remote:
            self.server.refuse_remote(model)

    @property
    def name(self) -> str:
        """``ollama/<model>``."""
        return f"ollama/{self.model}"

    def check(self) -> None:
        """Check the model, once; raises the same errors as :attr:`context_length`."""
        self._look()

    @property
    def context_length(self) -> int:
        """The requested tokens without those for thoughts, at most what the model allows.

        Asks the server once.

        Raises:
            RemoteModelRefusedError: If Ollama would run the model elsewhere.
            ConfigurationError: If the model writes no answers, or cannot think although it is to.
            LanguageModelError: If the server or the model is missing.
        """
        total, room = self._context()
        return total - room

    @property
    def structured(self) -> bool:
        """Whether to ask for JSON. Asks the server once.

        Raises:
            LanguageModelError: If the server does not answer.
        """
        if self._structured is None:
            version = self.server.version()
            self._structured = version >= STRUCTURED_FROM or version == BUILT_FROM_SOURCE
        return self._structured

    def stream(self, messages: Sequence[Message], *, max_tokens: int) -> ModelReply:
        """Write a reply; see :meth:`LanguageModel.stream`."""
        self._look()
        return ModelReply(self.server, self.model, messages, lambda: self._settings(max_tokens))

    def stream_json(
        self, messages: Sequence[Message], *, schema: Mapping[str, Any], max_tokens: int
    ) -> ModelReply:
        """Write JSON; see :meth:`StructuredLanguageModel.stream_json`."""
        self._look()
        return ModelReply(
            self.server, self.model, messages, lambda: self._settings(max_tokens), schema
        )

    def _look(self) -> _Thinking:
        if self._thinking is not None:
            return self._thinking
        shown = self.server.show(self.model)
        if not self.allow_remote:
            self.server.refuse_remote(self.model, shown)
        if problem := why_unfit(self.model, shown):
            raise ConfigurationError(
                problem, remedy=f"Name a language model, such as ollama/{SUGGESTED_MODEL}."
            )
        thinking = _Thinking.of(self.model, shown)
        if self.think and not thinking.able:
            raise ConfigurationError(
                f"{self.model} cannot think before it writes",
                remedy="Leave think out, or name a model that Ollama lists with 'thinking'.",
            )
        info = shown.get("model_info")
        lengths = [
            value
            for key, value in (info.items() if isinstance(info, dict) else ())
            if key.endswith(".context_length") and isinstance(value, int) and value > 0
        ]
        # If the server does not say, ModelReply warns about a full context.
        self._most = min(lengths, default=None)
        self._thinking = thinking
        return thinking

    def _context(self) -> tuple[int, int]:
        """Tokens of context to request, and how many of them are for thoughts."""
        thinking = self._look()
        thinks = self._thinks_anyway or bool(self.think) or not thinking.obeys
        room = THINKING_ROOM if thinks else 0
        wanted = self._num_ctx or DEFAULT_CONTEXT + room
        total = wanted if self._most is None else min(wanted, self._most)
        return total, min(room, total // 2)

    def _settings(self, max_tokens: int) -> ReplySettings:
        total, room = self._context()
        # With temperature 0 and a fixed seed the same question gets the same answer.
        options = {
            "num_ctx": total,
            "num_predict": max_tokens + room,
            "temperature": 0,
            "seed": 0,
        }
        return ReplySettings(options, max_tokens, self._told(), self._expect_thoughts)

    def _told(self) -> bool | ThinkingLevel | None:
        """What to send as ``think``; nothing to a model that cannot think."""
        thinking = self._look()
        if not thinking.able:
            return None
        if not thinking.has_levels:
            return bool(self.think)
        level: ThinkingLevel = "medium" if self.think is True else self.think or "low"
        return level

    def _expect_thoughts(self) -> None:
        self._thinks_anyway = True
