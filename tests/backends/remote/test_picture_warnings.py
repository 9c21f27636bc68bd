"""A page says how the model really saw its picture, if the server counts its tokens."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from deepseek_ocr_rag.backends.remote.completion_stream import Completion
from deepseek_ocr_rag.backends.remote.picture_warnings import picture_warnings
from deepseek_ocr_rag.backends.remote.request_body import page_warnings
from deepseek_ocr_rag.model.prompts import mode_named, task_named

SQUARE = Image.new("RGB", (2304, 2304))
UPRIGHT = Image.new("RGB", (724, 1024))
CHOSEN = ("the server decides on the resolution: base only set the size of the picture",)


def test_a_square_page_on_vllm_says_that_it_had_fewer_tiles(page_request: Any) -> None:
    """700 prompt tokens, measured on vLLM 0.26."""
    request = page_request(1, image=SQUARE, task=task_named("ocr"))
    answer = Completion("text", "stop", 3, (), 700)
    assert page_warnings(request, answer, ()) == (
        "the server showed the model 693 tokens of the page (4 tiles); with the published code, "
        "gundam has 1203 (9 tiles), and the text may differ",
    )


@pytest.mark.parametrize("prompt_tokens", [912, 913, 914])
def test_a_page_that_is_shown_as_published_says_nothing(
    page_request: Any, prompt_tokens: int
) -> None:
    request = page_request(1, image=UPRIGHT)
    assert picture_warnings("Ollama", request, prompt_tokens) == ()


def test_a_mode_without_tiles_says_what_it_had(page_request: Any) -> None:
    request = page_request(1, image=UPRIGHT, resolution=mode_named("base"))
    (warning,) = picture_warnings("the server", request, 914)
    assert "903 tokens of the page (6 tiles)" in warning
    assert "base has 273 (0 tiles)" in warning
    (alone,) = [picture_warnings("the server", request, 283)]
    assert alone == ()


@pytest.mark.parametrize("prompt_tokens", [None, 7, 950])
def test_without_a_count_that_fits_it_says_what_may_differ(
    page_request: Any, prompt_tokens: int | None
) -> None:
    request = page_request(1, image=UPRIGHT, resolution=mode_named("base"))
    assert picture_warnings("the server", request, prompt_tokens) == CHOSEN
    request = page_request(1, image=UPRIGHT)
    assert picture_warnings("the server", request, prompt_tokens) == ()
