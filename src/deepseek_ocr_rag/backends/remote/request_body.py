"""Builds the request for one page to an OpenAI-compatible server.

Source: vLLM's recipe for DeepSeek-OCR (online serving). The picture comes before
the prompt, special tokens are kept because all tags are special tokens, and the
n-gram logits processor gets its arguments.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from ...model.families import TABLE_CELLS
from ...model.ngrams import NoRepeat
from ...model.prompts import Mode
from ..attempts import AttemptSettings
from ..base import PageRequest
from ..page_images import CONTEXT_TOKENS, fewer_tokens, new_tokens, png_base64
from .completion_stream import Completion
from .hidden_tokens import SERVER_CURE, hidden_warning
from .picture_warnings import picture_warnings

__all__ = ["NO_REPEAT", "WITHOUT_FIELD", "RequestBody", "page_warnings", "request_body"]

NO_REPEAT: Final = NoRepeat(size=30, window=90, exempt=TABLE_CELLS)
"""The repetition rule of vLLM's recipe; the empty cells of a table may repeat."""

WITHOUT_FIELD: Final = {
    "vllm_xargs": "nothing stops the model from repeating itself",
    "skip_special_tokens": "boxes and table cells may be missing",
    "stream_options": "tokens are not counted",
    "max_tokens": "the server decides how long a reply may be",
    "logprobs": "confidences are unknown",
}
"""Fields that a server may refuse, and what a page lacks without them."""


_PICTURE: Final = "data:image/png;base64,"


@dataclass(frozen=True, slots=True)
class RequestBody:
    """The body of a request, and the picture that belongs in it.

    The picture is inserted last: it has megabytes, which JSON does not need to escape.
    """

    fields: dict[str, Any]  # JSON values; the picture's URL has no data yet
    picture: bytes  # PNG in base64

    def encoded(self, without: Collection[str] = ()) -> bytes:
        """Return the JSON, ``without`` some fields."""
        sent = {name: value for name, value in self.fields.items() if name not in without}
        # The picture is the first thing in the first field.
        head, url, tail = json.dumps(sent).partition(_PICTURE)
        return b"".join(((head + url).encode(), self.picture, tail.encode()))


def request_body(
    model: str,
    request: PageRequest,
    settings: AttemptSettings,
    *,
    logprobs: bool = False,
    context: int | None = None,
) -> RequestBody:
    """Make the body of the request; servers other than vLLM ignore fields that they do not know.

    Args:
        model: The model's name on the server.
        request: The page, which :func:`.page_images.request_as` has prepared for the settings.
        settings: Those of the attempt.
        logprobs: Whether to ask for the log-probability of every token.
        context: Most tokens of prompt and reply together; None if the server does not say.

    Raises:
        ConfigurationError: If the context has no room for the page.
    """
    picture = {"type": "image_url", "image_url": {"url": _PICTURE}}
    text = {"type": "text", "text": request.task.prompt}
    room = min(context or CONTEXT_TOKENS, CONTEXT_TOKENS)
    body: dict[str, Any] = {
        "messages": [{"role": "user", "content": [picture, text]}],
        "model": model,
        "temperature": settings.temperature,
        "max_tokens": new_tokens(request.task.prompt, room, request.size),
        "stream": True,
        "stream_options": {"include_usage": True},
        "skip_special_tokens": False,
    }
    rule, penalty = settings.no_repeat, settings.penalty
    if rule is not None:
        # For vLLM's NGramPerReqLogitsProcessor.
        body["vllm_xargs"] = {
            "ngram_size": rule.size,
            "window_size": rule.window,
            "whitelist_token_ids": sorted(rule.exempt),
        }
    if penalty is not None:
        # llama.cpp's own; its default breakers, line ends among them, would spare most loops.
        body |= {
            "dry_multiplier": penalty.multiplier,
            "dry_base": penalty.base,
            "dry_allowed_length": penalty.allowed_length,
            "dry_penalty_last_n": penalty.window,
            "dry_sequence_breakers": list(penalty.breakers),
        }
    if logprobs:
        body["logprobs"] = True
    return RequestBody(body, png_base64(request))


def page_warnings(
    request: PageRequest,
    answer: Completion,
    refused: tuple[str, ...],
    *,
    logprobs: bool = False,
    context: int | None = None,
) -> tuple[str, ...]:
    """Collect what a user should know about a page that was read.

    ``refused`` are the fields of :func:`request_body` that the server refused.
    """
    warnings = [f"the server refused {name}: {WITHOUT_FIELD[name]}" for name in refused]
    warnings += picture_warnings("the server", request, answer.prompt_tokens)
    if answer.finish_reason == "length" and (
        full := _full_context(answer, context, request.resolution)
    ):
        warnings.append(full)
    if answer.hidden:
        warnings.append(hidden_warning("the server", answer.hidden, SERVER_CURE))
    unknown = logprobs and not answer.logprobs and "logprobs" not in refused
    if unknown and answer.text.strip():
        warnings.append(
            f"the server's log-probabilities do not match the text: {WITHOUT_FIELD['logprobs']}"
        )
    return tuple(warnings)


def _full_context(answer: Completion, context: int | None, mode: Mode) -> str | None:
    """Warn about a reply that a limit ended; None if its tokens were not counted."""
    if answer.prompt_tokens is None or answer.tokens is None:
        return None
    used = answer.prompt_tokens + answer.tokens
    room = min(context or CONTEXT_TOKENS, CONTEXT_TOKENS)
    counts = f"{answer.prompt_tokens} tokens of picture and prompt and {answer.tokens} of reply"
    # Servers differ by a token or two in what they count.
    if used < room - 2:
        return f"a limit of the server's own ended the reply: {counts}, with room for {room}"
    if room < CONTEXT_TOKENS:
        return (
            f"the context is full: {counts}, with room for {room}; start the server with "
            f"{CONTEXT_TOKENS} for each page (`dsocr serve-command` prints how)"
        )
    return (
        f"the context is full: {counts}, with room for {room}, the model's own limit"
        f"{fewer_tokens(mode)}"
    )
