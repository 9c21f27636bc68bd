"""What an OpenAI-compatible server is asked for one page.

Source: vLLM's recipe for DeepSeek-OCR (online serving). The picture stands
before the prompt, special tokens are kept because all tags are special, and
the n-gram logits processor gets its arguments.
"""

from __future__ import annotations

from typing import Any, Final

from .base import PageRequest
from .completion import Completion
from .images import new_tokens, png_data_url

__all__ = ["WITHOUT_FIELD", "page_warnings", "request_body"]

NGRAM_ARGUMENTS: Final = {
    "ngram_size": 30,
    "window_size": 90,
    # The tokens <td> and </td>: the empty cells of a table may repeat.
    "whitelist_token_ids": [128821, 128822],
}
"""For vLLM's NGramPerReqLogitsProcessor (vLLM recipes, DeepSeek-OCR)."""

WITHOUT_FIELD: Final = {
    "vllm_xargs": "nothing keeps the model from repeating itself",
    "skip_special_tokens": "boxes and table cells may be missing",
    "stream_options": "tokens are not counted",
    "max_tokens": "the length of the reply is up to the server",
    "logprobs": "confidences are not known",
}
"""Fields that a server may refuse, and what a page lacks without them."""


def request_body(model: str, request: PageRequest, *, logprobs: bool = False) -> dict[str, Any]:
    """The request as JSON; other servers than vLLM ignore what they do not know.

    Args:
        model: Its name on the server.
        request: The page.
        logprobs: Whether to ask for the log-probability of every token.

    Raises:
        BackendReplyError: If the page has no image.
    """
    picture = {"type": "image_url", "image_url": {"url": png_data_url(request)}}
    text = {"type": "text", "text": request.task.prompt}
    body = {
        "model": model,
        "messages": [{"role": "user", "content": [picture, text]}],
        "temperature": 0,
        "max_tokens": new_tokens(request.task.prompt),
        "stream": True,
        "stream_options": {"include_usage": True},
        "skip_special_tokens": False,
        "vllm_xargs": NGRAM_ARGUMENTS,
    }
    return {**body, "logprobs": True} if logprobs else body


def page_warnings(
    request: PageRequest, answer: Completion, refused: tuple[str, ...], *, logprobs: bool = False
) -> tuple[str, ...]:
    """What a user should know about a page that was read.

    Args:
        request: The page.
        answer: Its reply.
        refused: Fields of :func:`request_body` that the server did not take.
        logprobs: Whether log-probabilities were asked for.
    """
    warnings = [f"the server refused {name}: {WITHOUT_FIELD[name]}" for name in refused]
    if not request.mode.crop:
        warnings.append(
            f"the server decides on the resolution: mode {request.mode.name} "
            "only set the size of the picture"
        )
    if not answer.text.strip():
        warnings.append("the model wrote nothing")
    elif logprobs and not answer.logprobs and "logprobs" not in refused:
        warnings.append(
            f"the server gave no log-probabilities that fit the text: {WITHOUT_FIELD['logprobs']}"
        )
    return tuple(warnings)
