"""Defines what a language model that writes answers must have; any object with these members fits.

:mod:`.models` has those of Ollama and of OpenAI-compatible servers, and takes those of LangChain
and LlamaIndex through their integrations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeGuard, runtime_checkable

__all__ = [
    "LanguageModel",
    "Message",
    "ReplyEnd",
    "StructuredLanguageModel",
    "ThinkingLevel",
    "writes_json",
]

ReplyEnd = Literal["stop", "length", "repetition", "broken off"]
"""How a reply ended, in turn: by itself; at the longest length; Ollama stopped it because the model
repeated itself; it broke off. In the last two cases, the last sentence may be incomplete."""

ThinkingLevel = Literal["low", "medium", "high"]
"""How much a model that has levels of thinking, such as gpt-oss, is to think."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@runtime_checkable
class LanguageModel(Protocol):
    """Writes answers."""

    @property
    def name(self) -> str:
        """The model's name in answers."""
        ...

    @property
    def context_length(self) -> int:
        """Most tokens of prompt and reply together."""
        ...

    def stream(self, messages: Sequence[Message], *, max_tokens: int) -> Iterator[str]:
        """Write a reply, piece by piece.

        The iterator may have a ``close()`` method, which ends the work, and the attributes
        ``warnings`` (texts for the user), ``finish_reason`` (:data:`ReplyEnd`) and ``thinking``
        (what the model thought, which is not part of the reply). They are read when the iterator is
        exhausted. ``<think>...</think>`` in the reply itself is also removed.

        Args:
            messages: The conversation so far.
            max_tokens: Longest reply, without what the model thinks.

        Raises:
            LanguageModelError: If the model gives no reply.
        """
        ...


class StructuredLanguageModel(LanguageModel, Protocol):
    """Also writes answers as JSON that fits a schema."""

    @property
    def structured(self) -> bool:
        """Whether it is expected to obey a JSON schema."""
        ...

    def stream_json(
        self, messages: Sequence[Message], *, schema: Mapping[str, Any], max_tokens: int
    ) -> Iterator[str]:
        """Write a reply that fits a JSON schema, piece by piece; see :meth:`LanguageModel.stream`.

        Args:
            messages: The conversation so far.
            schema: A JSON schema of an object.
            max_tokens: Longest reply, without what the model thinks.

        Raises:
            LanguageModelError: If the model gives no reply.
        """
        ...


def writes_json(model: LanguageModel) -> TypeGuard[StructuredLanguageModel]:
    """Whether to ask a model for JSON. Finding out may need a request."""
    # isinstance would read every property, up to Python 3.11.
    return callable(getattr(model, "stream_json", None)) and bool(
        getattr(model, "structured", False)
    )
