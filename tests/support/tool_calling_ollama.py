"""An Ollama whose language model calls tools by a script, beside the page reader.

The form of a call is what Ollama's own client library reads (``ToolCall`` in
``ollama/_types.py``); ``../shared/ollama-wire.md`` has no line about it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fake_ollama import FakeModel, Ollama024, Written, deepseek_ocr, write_small_file
from fake_ollama.connection import Json, Request

__all__ = ["ToolCall", "ToolCallingOllama"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call: the tool's name and its arguments."""

    name: str
    arguments: Mapping[str, Any]


class ToolCallingOllama(Ollama024):
    """A context: ``deepseek-ocr`` reads pages, ``scripted`` makes the calls one after the other.

    Args:
        folder: For its files.
        texts: What ``deepseek-ocr`` writes for each prompt.
        calls: What ``scripted`` calls.
        answer: What it writes once all of them were answered.
    """

    def __init__(
        self, folder: Path, texts: Mapping[str, str], calls: Sequence[ToolCall], answer: str
    ) -> None:
        reader = deepseek_ocr(
            write_small_file(folder / "model.gguf"),
            {prompt: Written(text) for prompt, text in texts.items()},
        )
        able = ("completion", "tools", "vision")
        chat = FakeModel("scripted:latest", None, lambda body: Written(answer), able)
        super().__init__(folder, reader, chat)
        self._calls = calls

    def replies(self) -> list[Json]:
        """The tools' replies as the language model got them, in their order."""
        chats = self.asked("/api/chat")
        return [each for each in chats[-1]["messages"] if each["role"] == "tool"]

    def parts(self, request: Request) -> Iterator[Json]:
        answered = [m for m in request.body.get("messages") or [] if m["role"] == "tool"]
        if request.path != "/api/chat" or len(answered) >= len(self._calls):
            yield from super().parts(request)
            return
        call = self._calls[len(answered)]
        offered = {tool["function"]["name"] for tool in request.body["tools"]}
        assert call.name in offered, f"{call.name} is not among {offered}"
        function = {"name": call.name, "arguments": dict(call.arguments)}
        part = self._part(request, "content", "")
        part["message"]["tool_calls"] = [{"function": function}]
        yield part
        yield self._last(request, "stop", 20)
