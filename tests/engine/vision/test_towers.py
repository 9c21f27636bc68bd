"""The towers equal the published code, and put a page's tokens into the prompt's order."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from deepseek_ocr_rag.engine.vision import graphs, view_batches
from deepseek_ocr_rag.engine.vision.towers import Vision
from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.model.families import FAMILIES


@pytest.fixture(scope="module")
def vision(golden_config, golden_weights) -> Vision:
    return Vision(golden_config, golden_weights.vision)


def views(case):
    """A golden page as the vision takes it."""
    pixels = case.arrays("pixels")
    grid = tuple(case.facts["crop_grid"]) if case.facts["tiles"] else None
    tiles = pixels["tiles"] if grid else np.empty((0, 3, 640, 640), np.uint8)
    return SimpleNamespace(global_view=pixels["global_view"], tiles=tiles, grid=grid)


def test_embeddings_equal_the_published_ones(golden_case, vision, golden_picture) -> None:
    (found,) = vision.embed([views(golden_case)])
    assert len(found) == golden_case.facts["image_tokens"]
    assert (found - golden_picture(golden_case)).abs().max() < 1e-4


def random_page(side=64, grid=None, tile_side=64, seed=0):
    numbers = np.random.default_rng(seed)

    def draw(*shape):
        return numbers.integers(0, 256, shape, dtype=np.uint8)

    count = grid[0] * grid[1] if grid else 0
    return SimpleNamespace(
        global_view=draw(3, side, side), tiles=draw(count, 3, tile_side, tile_side), grid=grid
    )


def test_pages_together_equal_pages_alone(vision) -> None:
    """Of different sizes, cut and not, in the order that they were given."""
    pages = [
        random_page(128, (2, 1), seed=1),
        random_page(64, seed=2),
        random_page(192, (1, 3), tile_side=128, seed=3),
        random_page(128, seed=4),
    ]
    together = vision.embed(pages)
    for page, found in zip(pages, together, strict=True):
        (alone,) = vision.embed([page])
        assert (found - alone).abs().max() < 1e-4


def test_tiles_come_first_as_one_picture_with_closed_rows(vision, golden_weights) -> None:
    page = random_page(128, (2, 3), tile_side=128)
    (found,) = vision.embed([page])
    features = vision.features(torch.from_numpy(page.tiles))
    ends = golden_weights.vision
    # Tiles of 2 x 2 tokens: 3 * 2 rows of 2 * 2 and an end.
    rows = found[:30].view(6, 5, -1)
    assert torch.equal(rows[:, 4], ends.row_end.expand(6, -1))
    assert torch.allclose(rows[2, :4], features[2:4, :2].flatten(0, 1), atol=1e-4)
    assert torch.allclose(rows[5, 2], features[5, 2], atol=1e-4)
    # The page itself: 2 rows of 2 and an end, and the end of all.
    whole = found[30:36].view(2, 3, -1)
    assert torch.equal(whole[:, 2], ends.row_end.expand(2, -1))
    assert torch.equal(found[36], ends.view_end)
    assert len(found) == 37


@pytest.mark.parametrize(("side", "grid"), [(512, None), (640, None), (576, (2, 1))])
def test_there_are_as_many_as_the_prompt_has_places(vision, side, grid) -> None:
    page = random_page(side, grid, tile_side=640)
    expected = FAMILIES["deepseek-ocr"].image_tokens(side, grid)
    assert len(vision.embed([page])[0]) == expected


def test_no_pages_give_no_embeddings(vision) -> None:
    assert vision.embed([]) == []


@pytest.mark.parametrize("shape", [(3, 100, 100), (3, 64, 128)])
def test_views_that_cannot_be_cut_into_patches_are_refused(vision, shape) -> None:
    page = SimpleNamespace(global_view=np.zeros(shape, np.uint8), tiles=(), grid=None)
    with pytest.raises(ConfigurationError, match=f"{shape[1]} x {shape[2]}"):
        vision.embed([page])


class GraphOnCpu:
    """Computes again what a CUDA graph would replay, in buffers that keep what was in them."""

    def __init__(
        self, compute, *examples, beside=None, on_own_stream=False, rehearsed=False
    ) -> None:
        self.compute, self.buffers = compute, [example.clone() for example in examples]
        self.on_own_stream = on_own_stream

    def __call__(self, *given):
        for buffer, values in zip(self.buffers, given, strict=True):
            buffer[: len(values)] = values
        return self.compute(*self.buffers)[: len(given[0])].clone()

    def wait(self) -> None:
        pass


def test_nothing_of_an_earlier_call_is_seen_in_a_graph(
    monkeypatch, vision, golden_config, golden_weights
) -> None:
    """Many views, then few in the same graphs, then more again."""
    monkeypatch.setattr(graphs, "VisionGraph", GraphOnCpu)
    captured = Vision(golden_config, golden_weights.vision, capture=True)
    few, many = random_page(128, (2, 1), seed=1), random_page(192, (2, 2), tile_side=128, seed=3)
    for pages in ([many, few], [few], [few, many]):
        for found, expected in zip(captured.embed(pages), vision.embed(pages), strict=True):
            assert (found - expected).abs().max() < 1e-4


def test_a_whole_page_goes_through_the_first_tower_beside_its_tiles(
    monkeypatch, golden_config, golden_weights
) -> None:
    """What both made is used only once both have ended."""
    done: list[str] = []

    class Graph(GraphOnCpu):
        def __call__(self, *given):
            done.append(f"{len(given[0])} {'beside' if self.on_own_stream else 'here'}")
            return super().__call__(*given)

        def wait(self) -> None:
            done.append("wait")

    monkeypatch.setattr(graphs, "VisionGraph", Graph)
    monkeypatch.setattr(view_batches, "WHOLE_PAGE", 64)
    monkeypatch.setattr(view_batches, "MOST_BESIDE", 4 * 64)
    vision = Vision(golden_config, golden_weights.vision, capture=True)
    page = random_page(128, (2, 1), seed=1)
    vision.embed([page])
    assert done[:3] == ["1 beside", "2 here", "wait"]
    done.clear()
    vision.embed([page] * 6)
    assert done[0] == "6 here"
    done.clear()
    Vision(golden_config, golden_weights.vision, capture=True, side_by_side=False).embed([page])
    assert done[:2] == ["1 here", "2 here"]


def test_tiles_are_made_when_the_tower_has_begun_with_the_whole_page(
    monkeypatch, golden_config, golden_weights
) -> None:
    """A page alone would wait for them, half a millisecond."""
    vision = Vision(golden_config, golden_weights.vision)
    done: list[str] = []
    work = vision._sam

    def begin(views):
        done.append(f"tower {len(views)}")
        return work(views)

    class Page:
        global_view = torch.zeros(3, 64, 64, dtype=torch.uint8)
        grid = (2, 1)

        @property
        def tiles(self):
            done.append("tiles")
            return torch.zeros(2, 3, 64, 64, dtype=torch.uint8)

    monkeypatch.setattr(vision, "_sam", begin)
    vision.embed([Page()])
    assert done == ["tower 1", "tiles", "tower 2"]
