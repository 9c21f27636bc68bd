"""A small checkpoint of random weights in the published layout, in which every layer counts.

For comparing what engines compute: unlike the scripted one, its scores depend on the picture, and
its matrices are as large as their inputs are many, so that no layer is drowned by the others.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from scripted_checkpoint import FILES, PROCESSOR, VOCABULARY, published_config
from scripted_network import Array, Sizes, language_shapes, vision_shapes

__all__ = ["write_random_checkpoint"]

LOUDNESS = 3.0
"""Spread of the scores."""


def write_random_checkpoint(folder: Path, files: Path, sizes: Sizes) -> Path:
    """Write the model; ``files`` as for :func:`scripted_checkpoint.write_checkpoint`."""
    dice = np.random.default_rng(7)
    width = 4 * sizes.hidden
    shapes = vision_shapes(sizes) | language_shapes(sizes, width, VOCABULARY)
    tensors = {name: _tensor(name, shape, dice) for name, shape in shapes.items()}
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, str(folder / "model.safetensors"), {"format": "pt"})
    config = published_config(files, sizes, width)
    (folder / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
    for name in (*FILES, PROCESSOR):
        shutil.copyfile(files / name, folder / name)
    return folder


def _tensor(name: str, shape: tuple[int, ...], dice: np.random.Generator) -> Array:
    if len(shape) == 1:
        near = 1.0 if name.endswith("weight") else 0.0
        return (near + 0.1 * dice.standard_normal(shape)).astype(np.float16)
    inputs = 1 if "embed" in name or "rel_pos" in name else int(np.prod(shape[1:]))
    scale = LOUDNESS if name.startswith("lm_head") else 1.0
    if "rel_pos" in name:
        scale = 0.2
    return (scale / np.sqrt(inputs) * dice.standard_normal(shape, np.float32)).astype(np.float16)
