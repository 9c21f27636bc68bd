"""Makes a LangChain chat model write the answers of ``DocumentQA``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    BaseMessageChunk,
    HumanMessage,
    SystemMessage,
)

from deepseek_ocr_rag.agents import context_length_of
from deepseek_ocr_rag.answering import Message
from deepseek_ocr_rag.errors import ConfigurationError, DeepSeekOCRError, LanguageModelReplyError

__all__ = ["ChatModelWriter", "language_model"]

SMALL_CONTEXT = 4096
"""Context length in tokens assumed of a model that does not say: few enough for every model in use."""

_LIMITS = (
    "max_tokens",
    "num_predict",
    "max_output_tokens",
    "max_new_tokens",
    "max_completion_tokens",
)
"""The names that chat models give the limit on a reply."""

_ROLES: dict[str, type[BaseMessage]] = {
    "system": SystemMessage,
    "user": HumanMessage,
    "assistant": AIMessage,
}


def language_model(model: BaseChatModel, *, context_length: int | None = None) -> ChatModelWriter:
    """Adapt a chat model for ``DocumentQA``; ``DocumentQA(llm=model)`` does the same.

    Where the text of your documents goes is up to the model: this package does not check
    on which machine a chat model of LangChain runs.

    Args:
        model: The chat model.
        context_length: Tokens of context; by default what the model says, else 4096.

    Raises:
        ConfigurationError: If it is not a chat model.
    """
    if not isinstance(model, BaseChatModel):
        raise ConfigurationError(
            f"llm cannot be a {type(model).__name__}",
            remedy="Pass a chat model of LangChain, such as ChatOllama(model='gemma3:4b').",
        )
    return ChatModelWriter(model, context_length)


class ChatModelWriter:
    """Writes replies with a chat model, see :func:`language_model`."""

    def __init__(self, model: BaseChatModel, context_length: int | None = None) -> None:
        self._model = model
        self._context_length = context_length

    @property
    def name(self) -> str:
        """The model's name in answers."""
        for field in ("model_name", "model", "model_id"):
            if isinstance(name := getattr(self._model, field, None), str) and name:
                return name
        return type(self._model).__name__

    @property
    def context_length(self) -> int:
        """Most tokens of prompt and reply together."""
        return self._context_length or context_length_of(self._model) or SMALL_CONTEXT

    def stream(self, messages: Sequence[Message], *, max_tokens: int) -> Iterator[str]:
        """Write a reply, piece by piece.

        Raises:
            LanguageModelReplyError: If the model fails.
        """
        turns = [_ROLES[message.role](message.content) for message in messages]
        return _Reply(self._limited(max_tokens).stream(turns), self.name)

    def _limited(self, max_tokens: int) -> BaseChatModel:
        """Return the model with this limit on a reply; unchanged if it has no such setting."""
        fields = type(self._model).model_fields
        known = [name for name in _LIMITS if name in fields][:1]
        return self._model.model_copy(update=dict.fromkeys(known, max_tokens))


class _Reply(Iterator[str]):
    """The text of a reply; its thoughts and its end are kept separately."""

    def __init__(self, chunks: Iterator[BaseMessageChunk | AIMessage], name: str) -> None:
        self.warnings: tuple[str, ...] = ()
        self.finish_reason = "stop"
        self.thinking = ""
        self._chunks = chunks
        self._name = name

    def __next__(self) -> str:
        while True:
            try:
                chunk = next(self._chunks)
                reason = _end(chunk.response_metadata)
                text, thought = _parts(chunk)
            except (StopIteration, DeepSeekOCRError):
                raise
            except Exception as error:
                raise LanguageModelReplyError(
                    f"{self._name} gave no reply ({error})",
                    remedy="Check that the model works alone, as in model.invoke('Hello').",
                ) from error
            self.thinking += thought
            self.finish_reason = reason or self.finish_reason
            if text:
                return text

    def close(self) -> None:
        """Stop the model."""
        if callable(close := getattr(self._chunks, "close", None)):
            close()


def _end(metadata: dict[str, Any]) -> str | None:
    reasons = (metadata.get(name) for name in ("finish_reason", "done_reason", "stop_reason"))
    limits = ("length", "max_tokens", "MAX_TOKENS")
    return next(("length" if each in limits else "stop" for each in reasons if each), None)


def _parts(chunk: BaseMessage) -> tuple[str, str]:
    """Return the text and the thoughts in a part of a reply."""
    text, thought = "", ""
    for block in chunk.content_blocks:
        if block["type"] == "text":
            text += block["text"]
        elif block["type"] == "reasoning":
            thought += block.get("reasoning", "")
    return text, thought
