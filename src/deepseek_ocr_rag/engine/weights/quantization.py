"""Quantizes the experts, three quarters of the model's bytes, or all layers to eight bits.

What stays in 16 bits is what the public eight-bit checkpoints of this family leave so: the
projector, embeddings and the head, routers and norms, and the towers; the first of these is
quantized only on request.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal

import torch
from torch import Tensor

from .tensors import DecoderLayer, DenseWeights, EngineWeights, ExpertWeights, Linear, Matrix

__all__ = [
    "EightBits",
    "VisionType",
    "WeightType",
    "quantize",
    "quantize_decoder",
    "quantize_first_tower",
    "quantized",
]

WeightType = Literal["model", "int8", "fp8", "int8-all", "fp8-all"]
"""How weights are stored: as published, with the experts in eight bits, or with the decoder's dense
layers in eight bits too."""

VisionType = Literal["model", "fp8"]
"""How the first vision tower multiplies: in the weights' type, or mostly in fp8."""

EightBits = Literal["int8", "fp8"]

STORED: Final = {"int8": torch.int8, "fp8": torch.float8_e4m3fn}
LARGEST: Final = {"int8": 127.0, "fp8": torch.finfo(torch.float8_e4m3fn).max}


def quantized(weights: EngineWeights, stored: WeightType, vision: VisionType) -> EngineWeights:
    """Store weights as the settings say."""
    if stored != "model":
        weights = quantize_decoder(weights, stored)
    return weights if vision == "model" else quantize_first_tower(weights)


def quantize_decoder(weights: EngineWeights, stored: WeightType) -> EngineWeights:
    """Store the experts, or all layers, in eight bits, with a scale for each output channel.

    No calibration is needed: activations keep their type, but for those of experts in fp8, which
    get their scales while the network runs (:mod:`..kernels.experts.moe`).
    """
    kind: EightBits = "int8" if stored.startswith("int8") else "fp8"
    layers = tuple(_experts(layer, kind) for layer in weights.decoder.layers)
    if stored.endswith("-all"):
        layers = tuple(_dense(layer, kind) for layer in layers)
    return replace(weights, decoder=replace(weights.decoder, layers=layers))


def quantize_first_tower(weights: EngineWeights) -> EngineWeights:
    """Store the first tower's large matrices in fp8, with a scale for each output channel.

    What they multiply gets its scales while the network runs (:mod:`..vision.fp8_products`). Those
    after attention stay in 16 bits, because rounding its result would take as long as the product
    saves. So does the second tower: it would add a tenth to the time saved, and two fifths to the
    error's square.
    """
    sam = weights.vision.sam
    layers = tuple(
        replace(layer, qkv=_linear(layer.qkv), up=_linear(layer.up), down=_linear(layer.down))
        for layer in sam.layers
    )
    return replace(weights, vision=replace(weights.vision, sam=replace(sam, layers=layers)))


def _linear(layer: Linear) -> Linear:
    stored, scales = quantize(layer.weight[None], "fp8")
    return Linear(stored[0], layer.bias, scales[0])


def _experts(layer: DecoderLayer, kind: EightBits) -> DecoderLayer:
    if not isinstance(layer.mlp, ExpertWeights):
        return layer
    gate_up, gate_up_scales = quantize(layer.mlp.gate_up, kind)
    down, down_scales = quantize(layer.mlp.down, kind)
    experts = ExpertWeights(layer.mlp.router, gate_up, down, gate_up_scales, down_scales)
    return replace(layer, mlp=experts)


def _dense(layer: DecoderLayer, kind: EightBits) -> DecoderLayer:
    mlp = layer.mlp
    if isinstance(mlp, DenseWeights):
        mlp = DenseWeights(_matrix(mlp.gate_up, kind), _matrix(mlp.down, kind))
    qkv, projection = _matrix(layer.qkv, kind), _matrix(layer.projection, kind)
    return replace(layer, qkv=qkv, projection=projection, mlp=mlp)


def _matrix(matrix: Matrix, kind: EightBits) -> Matrix:
    stored, scales = quantize(matrix.weight[None], kind)
    return Matrix(stored[0], scales[0])


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
