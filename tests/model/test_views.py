"""Pages become the pixels that the published code makes of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.model.families import FAMILIES
from deepseek_ocr_rag.model.prompts import MODES
from deepseek_ocr_rag.model.views import page_views, tile_grid

FIRST = FAMILIES["deepseek-ocr"]
SECOND = FAMILIES["deepseek-ocr-2"]


def test_views_equal_the_published_ones_pixel_for_pixel(golden_case) -> None:
    views = page_views(golden_case.image, golden_case.mode, FIRST)
    pixels = golden_case.arrays("pixels")
    assert np.array_equal(views.global_view, pixels["global_view"])
    if golden_case.facts["tiles"]:
        assert np.array_equal(views.tiles, pixels["tiles"])
        assert list(views.grid) == golden_case.facts["crop_grid"]
    else:
        assert views.grid is None
        assert len(views.tiles) == 0


@pytest.mark.parametrize(
    ("size", "grid"),
    [
        ((1240, 1754), (2, 3)),
        ((1754, 1240), (3, 2)),
        ((1000, 1000), (2, 2)),
        ((1500, 1500), (3, 3)),
        ((641, 641), (2, 2)),
        ((5000, 700), (7, 1)),
        ((700, 9000), (1, 9)),
    ],
)
def test_the_grid_has_the_shape_of_the_page(size: tuple[int, int], grid: tuple[int, int]) -> None:
    assert tile_grid(*size, tile_side=640, max_tiles=9) == grid


@given(
    width=st.integers(1, 20_000),
    height=st.integers(1, 20_000),
    most=st.integers(2, 32),
)
def test_a_grid_has_two_tiles_to_as_many_as_are_allowed(width: int, height: int, most: int) -> None:
    columns, rows = tile_grid(width, height, tile_side=640, max_tiles=most)
    assert 2 <= columns * rows <= most


def test_fewer_tiles_can_be_asked_for() -> None:
    page = Image.new("RGB", (1500, 1500))
    assert page_views(page, MODES["gundam"], FIRST).grid == (3, 3)
    assert page_views(page, MODES["gundam"], FIRST, max_tiles=6).grid == (2, 2)


def test_one_tile_is_no_grid() -> None:
    with pytest.raises(ConfigurationError, match="1 tiles"):
        page_views(Image.new("RGB", (1500, 1500)), MODES["gundam"], FIRST, max_tiles=1)


def test_a_page_no_larger_than_a_tile_is_not_cut() -> None:
    assert page_views(Image.new("RGB", (640, 640)), MODES["gundam"], FIRST).grid is None
    assert page_views(Image.new("RGB", (768, 700)), MODES["gundam"], SECOND).grid is None
    assert page_views(Image.new("RGB", (769, 700)), MODES["gundam"], SECOND).grid is not None


def test_each_family_has_its_own_tiles() -> None:
    page = Image.new("RGB", (1240, 1754), "white")
    assert page_views(page, MODES["gundam"], SECOND).tiles.shape == (6, 3, 768, 768)
    scan = page.resize((2480, 3508))
    unlimited = page_views(scan, MODES["gundam"], FAMILIES["unlimited-ocr"])
    assert unlimited.tiles.shape == (24, 3, 640, 640)


def test_a_model_refuses_modes_that_it_was_not_made_for() -> None:
    with pytest.raises(ConfigurationError, match="tiny"):
        page_views(Image.new("RGB", (100, 100)), MODES["tiny"], SECOND)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "F"])
def test_every_kind_of_picture_is_taken(mode: str) -> None:
    views = page_views(Image.new(mode, (300, 200)), MODES["tiny"], FIRST)
    assert views.global_view.shape == (3, 512, 512)
    assert views.global_view.dtype == np.uint8
