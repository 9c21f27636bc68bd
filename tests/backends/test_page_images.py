"""Prepares page images for a server."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from deepseek_ocr_rag.backends.attempts import AttemptSettings
from deepseek_ocr_rag.backends.page_images import (
    CONTEXT_TOKENS,
    IMAGE_TOKENS,
    fewer_tokens,
    new_tokens,
    picture_tokens,
    png_base64,
    png_bytes,
    prompt_tokens,
    request_as,
)
from deepseek_ocr_rag.concurrency.png_pictures import encode_png
from deepseek_ocr_rag.errors import BackendReplyError, ConfigurationError
from deepseek_ocr_rag.model.prompts import MODES, TASKS


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "1", "CMYK"])
def test_the_picture_is_sent_exactly(page_request: Any, mode: str) -> None:
    gradient = Image.linear_gradient("L").resize((64, 48)).convert("RGB").convert(mode)
    sent = Image.open(io.BytesIO(png_bytes(page_request(1, image=gradient))))
    assert sent.format == "PNG"
    assert sent.convert("RGB").tobytes() == gradient.convert("RGB").tobytes()


def test_base64_holds_the_same_bytes(page_request: Any) -> None:
    request = page_request(1)
    assert base64.b64decode(png_base64(request)) == png_bytes(request)


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (640, 641)])
def test_a_page_in_colour_is_sent_exactly_and_a_grey_one_with_one_channel(
    page_request: Any, size: tuple[int, int]
) -> None:
    grey = Image.effect_noise(size, 90)
    in_rgb = grey.convert("RGB")
    coloured = in_rgb.copy()
    # One pixel of one channel, outside of the row that is checked first.
    red, green, _ = coloured.getpixel((0, 0))  # type: ignore[misc]
    coloured.putpixel((0, 0), (red, green, (green + 1) % 256))
    for image, mode in ((in_rgb, "L"), (coloured, "RGB")):
        sent = Image.open(io.BytesIO(png_bytes(page_request(1, image=image))))
        assert (sent.mode, sent.size) == (mode, size)
        assert sent.convert("RGB").tobytes() == image.tobytes()


def test_a_page_given_as_a_file_is_sent_unchanged_unless_it_must_be_redrawn(
    page_request: Any,
) -> None:
    page = Image.effect_noise((90, 120), 90).convert("RGB")
    given = replace(page_request(1, image=None), png=encode_png(page), redraw=lambda: page)
    same = AttemptSettings(given.task, given.resolution)
    assert png_bytes(request_as(given, same)) is given.png.data
    turned = request_as(given, replace(same, turn=90))
    assert turned.size == (120, 90)
    sent = Image.open(io.BytesIO(png_bytes(turned)))
    assert sent.convert("RGB").tobytes() == page.transpose(Image.Transpose.ROTATE_270).tobytes()
    smaller = request_as(
        given, replace(same, mode=replace(given.resolution, name="x", long_side=60))
    )
    assert Image.open(io.BytesIO(png_bytes(smaller))).size == (45, 60)


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
    # The begin token, the line end, and at most one token for each byte.
    assert IMAGE_TOKENS + 2 + len(prompt.encode()) + new_tokens(prompt) == 8192


def test_the_published_prompts_are_counted_as_by_their_tokenizer(tokenizer: Any) -> None:
    for task in TASKS.values():
        assert prompt_tokens(task.prompt) == 1 + len(tokenizer.encode(f"\n{task.prompt}"))


@pytest.mark.parametrize(
    ("size", "tokens"),
    [((724, 1024), 903), ((600, 640), 273), ((2304, 2304), 273 + 30 * 31), ((10, 5000), 1263)],
)
def test_a_reply_may_use_the_tokens_that_the_pages_own_picture_leaves(
    size: tuple[int, int], tokens: int
) -> None:
    # 903 for an A4 page: counted by Ollama 0.24 and llama.cpp (shared/ollama-wire.md).
    assert picture_tokens(size) == tokens
    document = TASKS["document"].prompt
    assert new_tokens(document, picture=size) == 8192 - tokens - 10


def test_a_context_without_room_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="8192"):
        new_tokens("", IMAGE_TOKENS + 1)


def test_a_prompt_that_is_too_long_for_the_models_context_must_be_shortened() -> None:
    with pytest.raises(ConfigurationError, match=r"prompt\. Shorten the prompt\.$"):
        new_tokens("word " * CONTEXT_TOKENS)
    with pytest.raises(ConfigurationError, match=f"Use {CONTEXT_TOKENS}"):
        new_tokens("", 100)


def test_a_smaller_resolution_is_advised_only_where_there_is_one() -> None:
    assert 'resolution "base"' in fewer_tokens(MODES["gundam"])
    assert fewer_tokens(MODES["base"]) == ""
