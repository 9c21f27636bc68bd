"""Makes an LLM of LlamaIndex write the answers of ``DocumentQA``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole
from llama_index.core.llms import LLM

from deepseek_ocr_rag.agents import context_length_of
from deepseek_ocr_rag.answering import Message
from deepseek_ocr_rag.errors import ConfigurationError, DeepSeekOCRError, LanguageModelReplyError

__all__ = ["ChatModelWriter", "language_model"]

SMALL_CONTEXT = 3900
"""Context length in tokens assumed of a model that does not say: LlamaIndex's own default."""

_ROLES = {
    "system": MessageRole.SYSTEM,
    "user": MessageRole.USER,
    "assistant": MessageRole.ASSISTANT,
}


def language_model(model: LLM, *, context_length: int | None = None) -> ChatModelWriter:
    """Adapt an LLM for ``DocumentQA``; ``DocumentQA(llm=model)`` does the same.

    Where the text of your documents goes is up to the model: this package does not check
    on which machine an LLM of LlamaIndex runs.

    Args:
        model: The LLM.
        context_length: Tokens of context; by default what the model says, else 3900.

    Raises:
        ConfigurationError: If it is not an LLM.
    """
    if not isinstance(model, LLM):
        raise ConfigurationError(
            f"llm cannot be a {type(model).__name__}",
            remedy="Pass an LLM of LlamaIndex, such as Ollama(model='gemma3:4b').",
        )
    return ChatModelWriter(model, context_length)


class ChatModelWriter:
    """Writes replies with an LLM, see :func:`language_model`."""

    def __init__(self, model: LLM, context_length: int | None = None) -> None:
        self._model = model
        self._context_length = context_length

    @property
    def name(self) -> str:
        """The model's name in answers."""
        name = self._model.metadata.model_name
        return name if name and name != "unknown" else type(self._model).__name__

    @property
    def context_length(self) -> int:
        """Most tokens of prompt and reply together."""
        return self._context_length or context_length_of(self._model) or SMALL_CONTEXT

    def stream(self, messages: Sequence[Message], *, max_tokens: int) -> Iterator[str]:
        """Write a reply, piece by piece.

        Raises:
            LanguageModelReplyError: If the model fails.
        """
        turns = [ChatMessage(role=_ROLES[each.role], content=each.content) for each in messages]
        return _Reply(self._limited(max_tokens), turns, self.name)

    def _limited(self, max_tokens: int) -> LLM:
        """Return the model with this limit on a reply; unchanged if it has no such setting."""
        fields = type(self._model).model_fields
        if "max_tokens" in fields:
            return self._model.model_copy(update={"max_tokens": max_tokens})
        if "additional_kwargs" in fields and "ollama" in type(self._model).__module__:
            given: dict[str, Any] = dict(getattr(self._model, "additional_kwargs", None) or {})
            return self._model.model_copy(
                update={"additional_kwargs": {**given, "num_predict": max_tokens}}
            )
        return self._model


class _Reply(Iterator[str]):
    """The text of a reply; its thoughts and its end are kept separately."""

    def __init__(self, model: LLM, turns: list[ChatMessage], name: str) -> None:
        self.warnings: tuple[str, ...] = ()
        self.finish_reason = "stop"
        self.thinking = ""
        self._name = name
        self._responses = self._start(model, turns)

    def _start(self, model: LLM, turns: list[ChatMessage]) -> Iterator[ChatResponse]:
        """Yield the parts of the reply; one part if the model cannot stream."""
        try:
            yield from model.stream_chat(turns)
        except NotImplementedError:
            whole = model.chat(turns)
            yield whole.model_copy(update={"delta": whole.message.content or ""})

    def __next__(self) -> str:
        while True:
            try:
                response = next(self._responses)
                raw = response.raw
            except (StopIteration, DeepSeekOCRError):
                raise
            except Exception as error:
                raise LanguageModelReplyError(
                    f"{self._name} gave no reply ({error})",
                    remedy="Check that the model works alone, as in llm.complete('Hello').",
                ) from error
            self.thinking = _thoughts(response.message) or self.thinking
            if isinstance(raw, dict) and raw.get("done_reason") == "length":
                self.finish_reason = "length"
            if response.delta:
                return response.delta

    def close(self) -> None:
        """Stop the model."""
        if callable(close := getattr(self._responses, "close", None)):
            close()


def _thoughts(message: ChatMessage) -> str:
    # By its name: the oldest LlamaIndex that we support has no class for it.
    blocks: list[Any] = [b for b in message.blocks if getattr(b, "block_type", "") == "thinking"]
    return "".join(block.content or "" for block in blocks)
