"""Int8 quantization of the experts, which hold three quarters of the model's bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal

import torch
from torch import Tensor

from .tensors import DecoderLayer, EngineWeights, ExpertWeights

__all__ = ["WeightType", "quantize_experts", "quantize_int8"]

WeightType = Literal["model", "int8"]
"""How weights are stored: as published, or the experts' in eight bits."""

LARGEST: Final = 127


def quantize_experts(weights: EngineWeights) -> EngineWeights:
    """The network with its experts in int8, scaled for each output channel.

    Activations keep their type, so that no calibration is needed.
    """
    layers = tuple(_layer(layer) for layer in weights.decoder.layers)
    return replace(weights, decoder=replace(weights.decoder, layers=layers))


def _layer(layer: DecoderLayer) -> DecoderLayer:
    if not isinstance(layer.mlp, ExpertWeights):
        return layer
    gate_up, gate_up_scales = quantize_int8(layer.mlp.gate_up)
    down, down_scales = quantize_int8(layer.mlp.down)
    experts = ExpertWeights(layer.mlp.router, gate_up, down, gate_up_scales, down_scales)
    return replace(layer, mlp=experts)


def quantize_int8(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Round ``(experts, outputs, inputs)`` to int8; with the scales, ``(experts, outputs)``."""
    stored = torch.empty(weight.shape, dtype=torch.int8, device=weight.device)
    scales = torch.empty(weight.shape[:2], dtype=torch.float32, device=weight.device)
    # One by one: in float32, a layer's experts take a gigabyte.
    for expert, matrix in enumerate(weight):
        scales[expert] = matrix.float().abs().amax(-1).clamp_min(1e-12) / LARGEST
        stored[expert] = (matrix.float() / scales[expert, :, None]).round()
    return stored, scales
