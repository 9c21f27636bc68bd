"""Maps published tensor names to the engine's layout."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from .config import ClipConfig, DecoderConfig, EngineConfig, QwenConfig, SamConfig
from .tensors import (
    ClipLayer,
    ClipWeights,
    DecoderLayer,
    DecoderWeights,
    DenseWeights,
    EngineWeights,
    ExpertWeights,
    LayerNorm,
    Linear,
    Matrix,
    QwenLayer,
    QwenWeights,
    SamLayer,
    SamWeights,
    VisionWeights,
)

__all__ = ["Each", "Take", "assemble"]

Take = Callable[[str, tuple[int, ...]], Tensor]
"""Returns the tensor of a published name and shape."""

Each = Callable[[Callable[[int], Any], Iterable[int]], Iterable[Any]]
"""Applies a function to the number of each layer, as ``map`` does."""


def assemble(config: EngineConfig, take: Take, each: Each = map) -> EngineWeights:
    """Take every tensor once by its published name, and lay it out.

    Args:
        config: The network.
        take: Takes a tensor.
        each: Lays out the layers; if it does so in several threads, ``take`` is called in them.
    """
    sam, second, width = config.sam, config.second, config.decoder.width
    is_first_model = isinstance(second, ClipConfig)
    seen = sam.widths[1] + second.width if is_first_model else second.width
    vision = VisionWeights(
        sam=_sam(sam, take, each),
        second=(
            _clip(second, take, each)
            if isinstance(second, ClipConfig)
            else _qwen(second, take, each)
        ),
        projector=_linear(take, "model.projector.layers", width, seen),
        row_end=take("model.image_newline", (width,)) if is_first_model else None,
        view_end=take("model.view_seperator", (width,)),
    )
    return EngineWeights(vision, _decoder(config.decoder, take, each))


def _linear(take: Take, name: str, outputs: int, inputs: int) -> Linear:
    return Linear(take(f"{name}.weight", (outputs, inputs)), take(f"{name}.bias", (outputs,)))


def _norm(take: Take, name: str, width: int, epsilon: float) -> LayerNorm:
    return LayerNorm(take(f"{name}.weight", (width,)), take(f"{name}.bias", (width,)), epsilon)


def _convolution(take: Take, name: str, outputs: int, inputs: int) -> Tensor:
    return take(f"{name}.weight", (outputs, inputs, 3, 3)).permute(0, 2, 3, 1).flatten(1)


def _sam(sam: SamConfig, take: Take, each: Each) -> SamWeights:
    root = "model.sam_model"
    width, neck, patch = sam.width, sam.neck_width, sam.patch
    first, second = sam.widths
    pixels = take(f"{root}.patch_embed.proj.weight", (width, 3, patch, patch))
    grid = sam.trained_grid
    return SamWeights(
        patches=Linear(pixels.flatten(1), take(f"{root}.patch_embed.proj.bias", (width,))),
        positions=take(f"{root}.pos_embed", (1, grid, grid, width))[0],
        layers=tuple(each(lambda layer: _sam_layer(sam, layer, take), range(sam.layers))),
        narrow=take(f"{root}.neck.0.weight", (neck, width, 1, 1)).flatten(1),
        narrow_norm=_norm(take, f"{root}.neck.1", neck, sam.epsilon),
        mix=_convolution(take, f"{root}.neck.2", neck, neck),
        mix_norm=_norm(take, f"{root}.neck.3", neck, sam.epsilon),
        halve=(
            _convolution(take, f"{root}.net_2", first, neck),
            _convolution(take, f"{root}.net_3", second, first),
        ),
    )


def _sam_layer(sam: SamConfig, layer: int, take: Take) -> SamLayer:
    root = f"model.sam_model.blocks.{layer}"
    width = sam.width
    side = sam.trained_grid if layer in sam.global_layers else sam.window
    table = (2 * side - 1, sam.head_width)
    return SamLayer(
        attention_norm=_norm(take, f"{root}.norm1", width, sam.epsilon),
        qkv=_linear(take, f"{root}.attn.qkv", 3 * width, width),
        rows=take(f"{root}.attn.rel_pos_h", table),
        columns=take(f"{root}.attn.rel_pos_w", table),
        projection=_linear(take, f"{root}.attn.proj", width, width),
        mlp_norm=_norm(take, f"{root}.norm2", width, sam.epsilon),
        up=_linear(take, f"{root}.mlp.lin1", sam.mlp_width, width),
        down=_linear(take, f"{root}.mlp.lin2", width, sam.mlp_width),
    )


def _clip(clip: ClipConfig, take: Take, each: Each) -> ClipWeights:
    root = "model.vision_model"
    width = clip.width
    return ClipWeights(
        start=take(f"{root}.embeddings.class_embedding", (width,)),
        positions=take(
            f"{root}.embeddings.position_embedding.weight", (1 + clip.trained_grid**2, width)
        ),
        input_norm=_norm(take, f"{root}.pre_layrnorm", width, clip.epsilon),
        layers=tuple(
            each(
                lambda layer: _clip_layer(clip, f"{root}.transformer.layers.{layer}", take),
                range(clip.layers),
            )
        ),
    )


def _clip_layer(clip: ClipConfig, root: str, take: Take) -> ClipLayer:
    width = clip.width
    return ClipLayer(
        attention_norm=_norm(take, f"{root}.layer_norm1", width, clip.epsilon),
        qkv=_linear(take, f"{root}.self_attn.qkv_proj", 3 * width, width),
        projection=_linear(take, f"{root}.self_attn.out_proj", width, width),
        mlp_norm=_norm(take, f"{root}.layer_norm2", width, clip.epsilon),
        up=_linear(take, f"{root}.mlp.fc1", clip.mlp_width, width),
        down=_linear(take, f"{root}.mlp.fc2", width, clip.mlp_width),
    )


def _qwen(qwen: QwenConfig, take: Take, each: Each) -> QwenWeights:
    root = "model.qwen2_model"
    width = qwen.width
    return QwenWeights(
        few_queries=take(f"{root}.query_768.weight", (qwen.few_queries, width)),
        many_queries=take(f"{root}.query_1024.weight", (qwen.many_queries, width)),
        layers=tuple(
            each(
                lambda layer: _qwen_layer(qwen, f"{root}.model.model.layers.{layer}", take),
                range(qwen.layers),
            )
        ),
        norm=take(f"{root}.model.model.norm.weight", (width,)),
    )


def _qwen_layer(qwen: QwenConfig, root: str, take: Take) -> QwenLayer:
    width, keys = qwen.width, qwen.key_heads * qwen.head_width
    attention = f"{root}.self_attn"
    sizes = (("q", width), ("k", keys), ("v", keys))
    return QwenLayer(
        attention_norm=take(f"{root}.input_layernorm.weight", (width,)),
        qkv=Linear(
            torch.cat([take(f"{attention}.{n}_proj.weight", (size, width)) for n, size in sizes]),
            torch.cat([take(f"{attention}.{n}_proj.bias", (size,)) for n, size in sizes]),
        ),
        projection=take(f"{attention}.o_proj.weight", (width, width)),
        mlp_norm=take(f"{root}.post_attention_layernorm.weight", (width,)),
        mlp=_dense(take, f"{root}.mlp", width, qwen.mlp_width),
    )


def _decoder(decoder: DecoderConfig, take: Take, each: Each) -> DecoderWeights:
    table = (decoder.vocabulary, decoder.width)
    return DecoderWeights(
        embeddings=take("model.embed_tokens.weight", table),
        layers=tuple(
            each(lambda layer: _decoder_layer(decoder, layer, take), range(decoder.layers))
        ),
        norm=take("model.norm.weight", (decoder.width,)),
        head=take("lm_head.weight", table),
    )


def _decoder_layer(decoder: DecoderConfig, layer: int, take: Take) -> DecoderLayer:
    root = f"model.layers.{layer}"
    width = decoder.width
    mlp = (
        _dense(take, f"{root}.mlp", width, decoder.dense_width)
        if layer < decoder.dense_layers
        else _experts(decoder, f"{root}.mlp", take)
    )
    parts = [(f"{root}.self_attn.{part}_proj.weight", (width, width)) for part in "qkv"]
    return DecoderLayer(
        attention_norm=take(f"{root}.input_layernorm.weight", (width,)),
        qkv=_joined(take, parts),
        projection=Matrix(take(f"{root}.self_attn.o_proj.weight", (width, width))),
        mlp_norm=take(f"{root}.post_attention_layernorm.weight", (width,)),
        mlp=mlp,
    )


def _dense(take: Take, root: str, width: int, inner: int) -> DenseWeights:
    halves = [(f"{root}.{half}_proj.weight", (inner, width)) for half in ("gate", "up")]
    gate_up = _joined(take, halves)
    return DenseWeights(gate_up, Matrix(take(f"{root}.down_proj.weight", (width, inner))))


def _experts(decoder: DecoderConfig, root: str, take: Take) -> ExpertWeights:
    width, inner, routed = decoder.width, decoder.expert_width, decoder.experts
    router = take(f"{root}.gate.weight", (routed, width))
    # Filled one by one: a list of all experts would hold the weights twice.
    gate_up = router.new_empty(routed + decoder.shared_experts, 2 * inner, width)
    down = router.new_empty(routed + decoder.shared_experts, width, inner)
    for expert in range(routed):
        name = f"{root}.experts.{expert}"
        gate_up[expert, :inner] = take(f"{name}.gate_proj.weight", (inner, width))
        gate_up[expert, inner:] = take(f"{name}.up_proj.weight", (inner, width))
        down[expert] = take(f"{name}.down_proj.weight", (width, inner))
    shared = _dense(take, f"{root}.shared_experts", width, decoder.shared_experts * inner)
    halves = shared.gate_up.weight.view(2, decoder.shared_experts, inner, width)
    gate_up[routed:] = halves.transpose(0, 1).flatten(1, 2)
    down[routed:] = shared.down.weight.view(width, decoder.shared_experts, inner).transpose(0, 1)
    return ExpertWeights(router, gate_up, down)


def _joined(take: Take, parts: Sequence[tuple[str, tuple[int, int]]]) -> Matrix:
    return Matrix(torch.cat([take(name, shape) for name, shape in parts]))
