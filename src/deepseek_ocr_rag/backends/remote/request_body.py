"""Builds the request for one page to an OpenAI-compatible server.

Source: vLLM's recipe for DeepSeek-OCR (online serving). The picture comes before
the prompt, special tokens are kept because all tags are special tokens, and the
n-gram logits processor gets its arguments.
"""

from __future__ import annotations

from typing import Any, Final

from ...model.families import TABLE_CELLS
from ...model.ngrams import NoRepeat
from ..attempts import AttemptSettings
from ..base import PageRequest
from ..page_images import new_tokens, png_data_url, resolution_warnings
from .completion_stream import Completion

__all__ = ["NO_REPEAT", "WITHOUT_FIELD", "page_warnings", "request_body"]

NO_REPEAT: Final = NoRepeat(size=30, window=90, exempt=TABLE_CELLS)
"""The repetition rule of vLLM's recipe; the empty cells of a table may repeat."""

WITHOUT_FIELD: Final = {
    "vllm_xargs": "nothing stops the model from repeating itself",
    "skip_special_tokens": "boxes and table cells may be missing",
    "stream_options": "tokens are not counted",
    "max_tokens": "the server decides how long a reply may be",
    "logprobs": "confidences are unknown",
}
"""Fields that a server may refuse, and what follows for a page."""


def request_body(
    model: str, request: PageRequest, settings: AttemptSettings, *, logprobs: bool = False
) -> dict[str, Any]:
    """The body of the request; servers other than vLLM ignore fields that they do not know.

    Args:
        model: Its name on the server.
        request: The page, as :func:`..page_images.request_as` prepared it for the settings.
        settings: Temperature and repetition rule.
        logprobs: Whether to ask for the log-probability of every token.

    Raises:
        BackendReplyError: If the page has no image.
    """
    picture = {"type": "image_url", "image_url": {"url": png_data_url(request)}}
    text = {"type": "text", "text": request.task.prompt}
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": [picture, text]}],
        "temperature": settings.temperature,
        "max_tokens": new_tokens(request.task.prompt),
        "stream": True,
        "stream_options": {"include_usage": True},
        "skip_special_tokens": False,
    }
    rule = settings.no_repeat
    if rule is not None:
        # For vLLM's NGramPerReqLogitsProcessor.
        body["vllm_xargs"] = {
            "ngram_size": rule.size,
            "window_size": rule.window,
            "whitelist_token_ids": sorted(rule.exempt),
        }
    if logprobs:
        body["logprobs"] = True
    return body


def page_warnings(
    request: PageRequest, answer: Completion, refused: tuple[str, ...], *, logprobs: bool = False
) -> tuple[str, ...]:
    """What a user should know about a page that was read.

    Args:
        request: The page.
        answer: Its reply.
        refused: Fields of :func:`request_body` that the server refused.
        logprobs: Whether log-probabilities were requested.
    """
    warnings = [f"the server refused {name}: {WITHOUT_FIELD[name]}" for name in refused]
    warnings += resolution_warnings("the server", request.mode)
    unknown = logprobs and not answer.logprobs and "logprobs" not in refused
    if unknown and answer.text.strip():
        warnings.append(
            f"the server's log-probabilities do not match the text: {WITHOUT_FIELD['logprobs']}"
        )
    return tuple(warnings)
