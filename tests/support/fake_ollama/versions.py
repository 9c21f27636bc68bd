"""In what the two Ollamas differ."""

from __future__ import annotations

import json

from .answers import OllamaFake
from .connection import Json, Refusal
from .models import FakeModel, hidden_tokens

__all__ = ["Ollama024", "Ollama033"]


class Ollama024(OllamaFake):
    """0.24.0."""

    version = "0.24.0"

    def hidden(self, model: FakeModel) -> frozenset[str]:
        # Line "0.24": every token arrives.
        return frozenset()

    def added_to_prompt(self) -> int:
        return 0

    def refuse_pictures(self) -> None:
        """Line "text model with images": 200, and it writes text as if there were none."""

    def no_picture(self) -> Refusal:
        words = "failed to process inputs: image: unknown format"
        return Refusal(500, f"Failed to create new sequence: {words}")

    def cannot_load(self, words: str) -> Refusal:
        # Line "a model that cannot be loaded": "model requires more system memory (...)".
        return Refusal(500, words)

    def listed_capabilities(self) -> Json:
        return {}


class Ollama033(OllamaFake):
    """0.33.0."""

    version = "0.33.0"
    shows_missing_tag = True

    def hidden(self, model: FakeModel) -> frozenset[str]:
        # Line "0.33": control tokens are dropped, those of type 4 are written.
        return hidden_tokens(model.file)

    def added_to_prompt(self) -> int:
        # Line "Prompt, an A4 page": a newline of its own.
        return 1

    def refuse_pictures(self) -> None:
        words = "Multimodal data provided, but model does not support multimodal requests."
        raise self._nested(words)

    def no_picture(self) -> Refusal:
        return self._nested("Failed to load image or audio file")

    def cannot_load(self, words: str) -> Refusal:
        if words.startswith("model requires"):
            return Refusal(500, words)
        ended = "llama-server process has terminated: exit status 1"
        return Refusal(500, f"{ended}: error: {words}")

    def listed_capabilities(self) -> Json:
        return {"capabilities": ["completion"]}

    @staticmethod
    def _nested(words: str) -> Refusal:
        """Line "text model with images": the error of the server within, as text."""
        error = {"code": 400, "message": words, "type": "invalid_request_error"}
        return Refusal(400, json.dumps({"error": error}))
