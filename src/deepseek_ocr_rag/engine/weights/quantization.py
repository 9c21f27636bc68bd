"""Quantizes the experts, which hold three quarters of the model's bytes, to eight bits."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal

import torch
from torch import Tensor

from .tensors import DecoderLayer, EngineWeights, ExpertWeights

__all__ = ["EightBits", "WeightType", "quantize", "quantize_experts"]

WeightType = Literal["model", "int8", "fp8"]
"""How weights are stored: as published, or with the experts in eight bits."""

EightBits = Literal["int8", "fp8"]

STORED: Final = {"int8": torch.int8, "fp8": torch.float8_e4m3fn}
LARGEST: Final = {"int8": 127.0, "fp8": torch.finfo(torch.float8_e4m3fn).max}


def quantize_experts(weights: EngineWeights, kind: EightBits) -> EngineWeights:
    """Store the experts of a network in eight bits, with a scale for each output channel.

    No calibration is needed: with int8, activations keep their type; with fp8, they get their
    scales while the network runs (:mod:`..kernels.moe`).
    """
    layers = tuple(_layer(layer, kind) for layer in weights.decoder.layers)
    return replace(weights, decoder=replace(weights.decoder, layers=layers))


def _layer(layer: DecoderLayer, kind: EightBits) -> DecoderLayer:
    if not isinstance(layer.mlp, ExpertWeights):
        return layer
    gate_up, gate_up_scales = quantize(layer.mlp.gate_up, kind)
    down, down_scales = quantize(layer.mlp.down, kind)
    experts = ExpertWeights(layer.mlp.router, gate_up, down, gate_up_scales, down_scales)
    return replace(layer, mlp=experts)


def quantize(weight: Tensor, kind: EightBits) -> tuple[Tensor, Tensor]:
    """Round ``(experts, outputs, inputs)`` to eight bits, with scales ``(experts, outputs)``."""
    stored = torch.empty(weight.shape, dtype=STORED[kind], device=weight.device)
    scales = torch.empty(weight.shape[:2], dtype=torch.float32, device=weight.device)
    # One by one: in float32, a layer's experts take a gigabyte.
    for expert, matrix in enumerate(weight):
        scales[expert] = matrix.float().abs().amax(-1).clamp_min(1e-12) / LARGEST[kind]
        scaled = matrix.float() / scales[expert, :, None]
        stored[expert] = scaled.round() if kind == "int8" else scaled
    return stored, scales
