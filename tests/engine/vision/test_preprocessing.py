"""Views made with tensors: byte for byte what Pillow makes of the page."""

from __future__ import annotations

import numpy as np
import PIL
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from deepseek_ocr_rag.engine.vision.preprocessing import page_tensors, patch_vectors, resized
from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.model.families import FAMILIES
from deepseek_ocr_rag.model.prompts import MODES
from deepseek_ocr_rag.model.views import page_views

FIRST = FAMILIES["deepseek-ocr"]

# Older ones resize the axes of tall pages in the other order.
pytestmark = pytest.mark.skipif(
    int(PIL.__version__.split(".")[0]) < 13, reason="Pillow is older than 13"
)


def test_the_published_pixels_of_every_golden_page(golden_case) -> None:
    page = torch.from_numpy(np.array(golden_case.image.convert("RGB")))
    found = page_tensors(page, golden_case.mode, FIRST)
    expected = golden_case.arrays("pixels")
    assert np.array_equal(found.global_view.numpy(), expected["global_view"])
    if golden_case.facts["tiles"]:
        assert np.array_equal(found.tiles.numpy(), expected["tiles"])
        assert found.grid == tuple(golden_case.facts["crop_grid"])
    else:
        assert found.grid is None
        assert len(found.tiles) == 0


sizes = st.integers(1, 90)
hard_edges = st.builds(
    lambda height, width, seed: (
        np.random.default_rng(seed).integers(0, 2, (height, width, 3), dtype=np.uint8) * 255
    ),
    sizes,
    sizes,
    st.integers(0, 999),
)
soft = st.tuples(sizes, sizes).flatmap(lambda size: arrays(np.uint8, (*size, 3)))


@settings(deadline=None, max_examples=150)
@given(image=hard_edges | soft, height=sizes, width=sizes)
def test_resizing_equals_pillow(image, height, width) -> None:
    expected = Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC)
    assert np.array_equal(resized(torch.from_numpy(image), height, width), np.asarray(expected))


@pytest.mark.parametrize("size", [(1240, 1754), (600, 400), (640, 2000), (700, 9)])
@pytest.mark.parametrize("mode", MODES.values(), ids=lambda mode: mode.name)
def test_views_equal_those_of_pillow(mode, size) -> None:
    width, height = size
    page = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    expected = page_views(Image.fromarray(page), mode, FIRST)
    found = page_tensors(torch.from_numpy(page), mode, FIRST)
    assert np.array_equal(found.global_view, expected.global_view)
    assert np.array_equal(found.tiles, expected.tiles)
    assert found.grid == expected.grid


def test_fewer_tiles_can_be_asked_for() -> None:
    page = torch.zeros(2000, 2000, 3, dtype=torch.uint8)
    assert page_tensors(page, MODES["gundam"], FIRST).grid == (3, 3)
    assert page_tensors(page, MODES["gundam"], FIRST, max_tiles=4).grid == (2, 2)
    with pytest.raises(ConfigurationError, match="1 tiles"):
        page_tensors(page, MODES["gundam"], FIRST, max_tiles=1)


def test_an_extremely_thin_page_keeps_a_line() -> None:
    page = torch.zeros(1, 5000, 3, dtype=torch.uint8)
    view = page_tensors(page, MODES["base"], FIRST).global_view
    assert int((view == 0).all(0).sum()) == 1024


def test_bytes_become_the_published_numbers() -> None:
    views = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(1, 3, 16, 16)
    found = patch_vectors(views, 16, torch.float32).flatten()[:256]
    exact = (torch.arange(256).double() / 255 - 0.5) / 0.5
    assert found[0] == -1
    assert found[255] == 1
    assert (found - exact).abs().max() < 2**-8
    assert torch.equal(found, found.bfloat16().float())


def test_patches_run_row_by_row_and_hold_channels_then_rows() -> None:
    views = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    views[0, 2, 16 + 3, 48 + 5] = 255
    (place,) = (patch_vectors(views, 16, torch.float32) == 1).nonzero().tolist()
    assert place == [0, 1, 3, (2 * 16 + 3) * 16 + 5]
