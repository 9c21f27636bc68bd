"""Reads weights that are stored in eight bits, in the layout of compressed-tensors.

llm-compressor writes it and vLLM reads it: ``NAME.weight``, in fp8 or int8, comes with
``NAME.weight_scale``, and ``quantization_config`` in ``config.json`` says what one scale covers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from ...errors import EngineUnsupportedError

__all__ = ["EIGHT_BITS", "ScaleBlock", "scale_blocks", "scaled"]

EIGHT_BITS: Final = (torch.float8_e4m3fn, torch.int8)

FORMATS: Final = ("float-quantized", "int-quantized", "naive-quantized")
"""Formats that store one number in one byte; the others pack several."""


@dataclass(frozen=True, slots=True)
class ScaleBlock:
    """The part of a matrix that one scale covers."""

    outputs: int
    inputs: int


def scale_blocks(config: Mapping[str, Any]) -> tuple[ScaleBlock, ...]:
    """Return the blocks that ``config.json`` names; those of whole rows and matrices need no name.

    Raises:
        EngineUnsupportedError: If the weights are stored in a way that is not read here.
    """
    found = config.get("quantization_config")
    if not found:
        return ()
    method = found.get("quant_method")
    if method != "compressed-tensors":
        raise _unsupported(f"weights quantized by {method!r}")
    blocks: list[ScaleBlock] = []
    for group in (found.get("config_groups") or {}).values():
        weights = group.get("weights")
        if not weights:
            continue
        form = group.get("format") or found.get("format")
        if form not in FORMATS or weights.get("num_bits") != 8:
            raise _unsupported(f"weights in the format {form!r}")
        if not weights.get("symmetric", True):
            raise _unsupported("eight-bit weights with zero points")
        blocks += _blocks_of(weights)
    return tuple(blocks)


def _blocks_of(weights: Mapping[str, Any]) -> Iterable[ScaleBlock]:
    strategy = weights.get("strategy")
    if strategy == "block":
        outputs, inputs = weights["block_structure"]
        yield ScaleBlock(int(outputs), int(inputs))
    elif strategy == "group":
        yield ScaleBlock(1, int(weights["group_size"]))
    elif strategy not in ("tensor", "channel"):
        raise _unsupported(f"weights with scales for each {strategy!r}")


def scaled(weight: Tensor, scale: Tensor, blocks: Iterable[ScaleBlock]) -> Tensor | None:
    """Multiply a matrix in eight bits by its scales; None if no block fits their shape.

    Returns float32, ``(outputs, inputs)``.
    """
    outputs, inputs = weight.shape
    scale = scale.float()
    if scale.numel() == 1:
        return weight.float() * scale.view(1, 1)
    if scale.ndim == 1:
        scale = scale[:, None]
    whole_rows = ScaleBlock(1, inputs)
    for block in (whole_rows, *blocks):
        wanted = (-(-outputs // block.outputs), -(-inputs // block.inputs))
        if tuple(scale.shape) == wanted:
            each = scale.repeat_interleave(block.outputs, 0)[:outputs]
            if block != whole_rows:
                each = each.repeat_interleave(block.inputs, 1)[:, :inputs]
            return weight.float() * each
    return None


def _unsupported(what: str) -> EngineUnsupportedError:
    return EngineUnsupportedError(
        f"the local engine does not read {what}",
        remedy="Use the published weights in 16 bits, or compressed-tensors with eight bits and "
        "symmetric scales (FP8 or W8A8 of llm-compressor), or serve these with vLLM.",
    )
