"""The tiny random model of the golden data, on the CPU in float32."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from deepseek_ocr_rag.engine.weights.config import EngineConfig, engine_config
from deepseek_ocr_rag.engine.weights.loading import load_weights
from deepseek_ocr_rag.engine.weights.tensors import EngineWeights


@pytest.fixture(autouse=True)
def own_seed(request: pytest.FixtureRequest) -> int:
    """Gives each test its own random numbers, the same in every run."""
    seed = zlib.crc32(request.node.nodeid.encode())
    torch.manual_seed(seed)
    return seed


@pytest.fixture(scope="session")
def golden_config(golden_checkpoint: Path) -> EngineConfig:
    return engine_config(json.loads((golden_checkpoint / "config.json").read_text()))


@pytest.fixture(scope="session")
def golden_weights(golden_checkpoint: Path, golden_config: EngineConfig) -> EngineWeights:
    files = [golden_checkpoint / "model.safetensors"]
    return load_weights(golden_config, files, dtype=torch.float32)


@pytest.fixture(scope="session")
def golden_picture(golden_weights: EngineWeights) -> Callable[..., torch.Tensor]:
    """The embeddings of a case's picture tokens, from the projected features in the data."""
    row_end = golden_weights.vision.row_end
    view_end = golden_weights.vision.view_end

    def rows(grid: torch.Tensor) -> torch.Tensor:
        """Close every row of ``(rows, columns, width)``."""
        ends = row_end.expand(len(grid), 1, -1)
        return torch.cat([grid, ends], 1).flatten(0, 1)

    def picture(case) -> torch.Tensor:
        expected = case.arrays("expected")
        parts = []
        if case.facts["tiles"]:
            columns, height = case.facts["crop_grid"]
            tiles = torch.from_numpy(expected["projected_local"])
            side = round(tiles.shape[1] ** 0.5)
            tiles = tiles.view(height, columns, side, side, -1).transpose(1, 2)
            parts.append(rows(tiles.reshape(height * side, columns * side, -1)))
        view = torch.from_numpy(expected["projected_global"]).flatten(0, -2)
        side = round(len(view) ** 0.5)
        parts.append(rows(view.view(side, side, -1)))
        return torch.cat([*parts, view_end[None]])

    return picture
