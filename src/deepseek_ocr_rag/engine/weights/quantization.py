"""Weights in eight bits: three quarters of the model's bytes are its experts."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal

import torch
from torch import Tensor

from .tensors import DecoderLayer, EngineWeights, ExpertWeights

__all__ = ["WeightType", "quantised", "rounded"]

WeightType = Literal["model", "int8"]
"""How weights are stored: as they are, or the experts' in eight bits."""

LARGEST: Final = 127


def quantised(weights: EngineWeights) -> EngineWeights:
    """The network with its experts in int8, each output channel scaled by its largest weight.

    Activations stay as they are, so that nothing has to be calibrated.
    """
    layers = tuple(_layer(layer) for layer in weights.decoder.layers)
    return replace(weights, decoder=replace(weights.decoder, layers=layers))


def _layer(layer: DecoderLayer) -> DecoderLayer:
    if not isinstance(layer.mlp, ExpertWeights):
        return layer
    gate_up, gate_up_scales = rounded(layer.mlp.gate_up)
    down, down_scales = rounded(layer.mlp.down)
    experts = ExpertWeights(layer.mlp.router, gate_up, down, gate_up_scales, down_scales)
    return replace(layer, mlp=experts)


def rounded(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Matrices in int8.

    Args:
        weight: Shape ``(experts, outputs, inputs)``.

    Returns:
        The rounded weights, and what their rows are multiplied by, ``(experts, outputs)``.
    """
    rounded = torch.empty(weight.shape, dtype=torch.int8, device=weight.device)
    scales = torch.empty(weight.shape[:2], dtype=torch.float32, device=weight.device)
    # One by one: in float32 a layer's experts take a gigabyte.
    for expert, matrix in enumerate(weight):
        scales[expert] = matrix.float().abs().amax(-1).clamp_min(1e-12) / LARGEST
        rounded[expert] = (matrix.float() / scales[expert, :, None]).round()
    return rounded, scales
