"""Page images as they are sent."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
from PIL import Image

from deepseek_ocr_rag.backends.page_images import IMAGE_TOKENS, new_tokens, png_bytes, png_data_url
from deepseek_ocr_rag.errors import BackendReplyError, ConfigurationError


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "1", "CMYK"])
def test_what_is_sent_is_the_picture_exactly(page_request: Any, mode: str) -> None:
    gradient = Image.linear_gradient("L").resize((64, 48)).convert("RGB").convert(mode)
    sent = Image.open(io.BytesIO(png_bytes(page_request(1, image=gradient))))
    assert sent.format == "PNG"
    assert sent.convert("RGB").tobytes() == gradient.convert("RGB").tobytes()


def test_the_data_url_holds_the_same_bytes(page_request: Any) -> None:
    request = page_request(1)
    head, _, data = png_data_url(request).partition(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(data) == png_bytes(request)


def test_a_request_without_an_image_names_the_page(page_request: Any) -> None:
    with pytest.raises(BackendReplyError, match=r"report\.pdf, page 3"):
        png_bytes(page_request(3, image=None))


def test_no_tiling_of_the_published_code_takes_more_tokens_than_are_kept_free() -> None:
    # Formula of the published code: global side 16, tile side 10, 2 to 9 tiles.
    tilings = [(r, c) for r in range(1, 10) for c in range(1, 10) if 2 <= r * c <= 9]
    largest = max(16 * 17 + 1 + (r * 10) * (c * 10 + 1) for r, c in tilings)
    large_mode = 20 * 21 + 1
    assert max(largest, large_mode) == IMAGE_TOKENS


def test_image_prompt_and_reply_fit_the_context() -> None:
    prompt = "Locate ü"
    assert IMAGE_TOKENS + 1 + len(prompt.encode()) + new_tokens(prompt) == 8192


def test_a_context_without_room_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="8192"):
        new_tokens("", IMAGE_TOKENS + 1)
