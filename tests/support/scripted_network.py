"""Sizes of the scripted network, and its picture encoder, whose output is always zeros."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "PUBLISHED",
    "SMALL",
    "Array",
    "Sizes",
    "global_layers",
    "language_shapes",
    "vision_shapes",
    "vision_tensors",
]

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes of the network.

    Attributes:
        seen: Tokens of context that decide on the next one.
        code: Numbers of a token's code.
        head: Numbers of an attention head of the language model.
        heads: Its heads; at least ``seen - 1``.
        sam: Width of the first tower; its MLP has four times as many.
        sam_heads: Its heads.
        sam_layers: Its layers. llama.cpp knows no other global ones than 2, 5, 8 and 11.
        neck: Channels behind it.
        downsampled: Channels behind its two strided convolutions; the second is the width of
            the second tower.
        clip_heads: Heads of the second tower.
        clip_layers: Its layers.
        experts: Experts of layer 1.
        expert: Width of one; two more are shared.
        positions: Longest sequence in tokens.
        random_vision: Whether the towers' weights are drawn; zeros are written faster.
    """

    seen: int = 8
    code: int = 14
    head: int = 16
    heads: int = 8
    sam: int = 16
    sam_heads: int = 1
    sam_layers: int = 3
    neck: int = 16
    downsampled: tuple[int, int] = (24, 32)
    clip_heads: int = 2
    clip_layers: int = 1
    experts: int = 4
    expert: int = 32
    positions: int = 8192
    random_vision: bool = True

    @property
    def hidden(self) -> int:
        """Width of the language model."""
        return self.head * self.heads

    @property
    def constant(self) -> int:
        """Where the state holds 1 for every token of text; a picture's tokens are zeros."""
        return self.seen * self.code

    @property
    def written(self) -> slice:
        """Where the state holds the code of the next token."""
        return slice(self.constant + 1, self.constant + 1 + self.code)


SMALL = Sizes()

PUBLISHED = Sizes(
    code=64,
    head=64,
    heads=20,
    sam=768,
    sam_heads=12,
    sam_layers=12,
    neck=256,
    downsampled=(512, 1024),
    clip_heads=16,
    clip_layers=24,
    experts=8,
    expert=64,
    random_vision=False,
)


def vision_tensors(sizes: Sizes, dice: np.random.Generator) -> dict[str, Array]:
    """The picture encoder's tensors, and a projector that makes zeros of what it sees."""

    def tensor(name: str, shape: tuple[int, ...]) -> Array:
        if len(shape) == 1 and name.endswith("weight"):
            return np.ones(shape, np.float16)
        if not sizes.random_vision or name.startswith("model.projector"):
            return np.zeros(shape, np.float16)
        return 0.02 * dice.standard_normal(shape)

    return {name: tensor(name, shape) for name, shape in vision_shapes(sizes).items()}


def vision_shapes(sizes: Sizes) -> dict[str, tuple[int, ...]]:
    """Names and shapes as the published index lists them."""
    sam, neck, (first, clip) = sizes.sam, sizes.neck, sizes.downsampled
    both, hidden = 2 * clip, sizes.hidden
    shapes: dict[str, tuple[int, ...]] = {
        "model.image_newline": (hidden,),
        "model.view_seperator": (hidden,),
        "model.projector.layers.weight": (hidden, both),
        "model.projector.layers.bias": (hidden,),
        "model.sam_model.pos_embed": (1, 64, 64, sam),
        "model.sam_model.patch_embed.proj.weight": (sam, 3, 16, 16),
        "model.sam_model.patch_embed.proj.bias": (sam,),
        "model.sam_model.neck.0.weight": (neck, sam, 1, 1),
        "model.sam_model.neck.1.weight": (neck,),
        "model.sam_model.neck.1.bias": (neck,),
        "model.sam_model.neck.2.weight": (neck, neck, 3, 3),
        "model.sam_model.neck.3.weight": (neck,),
        "model.sam_model.neck.3.bias": (neck,),
        "model.sam_model.net_2.weight": (first, neck, 3, 3),
        "model.sam_model.net_3.weight": (clip, first, 3, 3),
        "model.vision_model.embeddings.class_embedding": (clip,),
        "model.vision_model.embeddings.patch_embedding.weight": (clip, 3, 14, 14),
        "model.vision_model.embeddings.position_embedding.weight": (257, clip),
        "model.vision_model.pre_layrnorm.weight": (clip,),
        "model.vision_model.pre_layrnorm.bias": (clip,),
    }
    for layer in range(sizes.sam_layers):
        name = f"model.sam_model.blocks.{layer}"
        reach = 2 * (64 if layer in global_layers(sizes) else 14) - 1
        relative = (reach, sam // sizes.sam_heads)
        shapes |= {f"{name}.attn.rel_pos_h": relative, f"{name}.attn.rel_pos_w": relative}
        shapes |= _layer_shapes(name, sam, ("norm1", "norm2"), ("attn.qkv", "attn.proj"))
        shapes |= _linear_shapes(f"{name}.mlp.lin1", 4 * sam, sam)
        shapes |= _linear_shapes(f"{name}.mlp.lin2", sam, 4 * sam)
    for layer in range(sizes.clip_layers):
        name = f"model.vision_model.transformer.layers.{layer}"
        parts = ("self_attn.qkv_proj", "self_attn.out_proj")
        shapes |= _layer_shapes(name, clip, ("layer_norm1", "layer_norm2"), parts)
        shapes |= _linear_shapes(f"{name}.mlp.fc1", 4 * clip, clip)
        shapes |= _linear_shapes(f"{name}.mlp.fc2", clip, 4 * clip)
    return shapes


def _layer_shapes(
    name: str, width: int, norms: tuple[str, str], attention: tuple[str, str]
) -> dict[str, tuple[int, ...]]:
    """Norms and attention of a layer of either tower."""
    shapes: dict[str, tuple[int, ...]] = {}
    for norm in norms:
        shapes |= {f"{name}.{norm}.weight": (width,), f"{name}.{norm}.bias": (width,)}
    inputs, outputs = attention
    return (
        shapes
        | _linear_shapes(f"{name}.{inputs}", 3 * width, width)
        | _linear_shapes(f"{name}.{outputs}", width, width)
    )


def _linear_shapes(name: str, outputs: int, inputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def global_layers(sizes: Sizes) -> list[int]:
    return [layer for layer in (2, 5, 8, 11) if layer < sizes.sam_layers]


def language_shapes(sizes: Sizes, width: int, vocabulary: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a language model of two layers, the second with experts."""
    hidden = sizes.hidden
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (vocabulary, hidden),
        "lm_head.weight": (vocabulary, hidden),
        "model.norm.weight": (hidden,),
    }
    for layer in range(2):
        name = f"model.layers.{layer}"
        for norm in ("input_layernorm", "post_attention_layernorm"):
            shapes[f"{name}.{norm}.weight"] = (hidden,)
        for letter in "qkvo":
            shapes[f"{name}.self_attn.{letter}_proj.weight"] = (hidden, hidden)
    wide = [("model.layers.0.mlp", width), ("model.layers.1.mlp.shared_experts", 2 * sizes.expert)]
    wide += [(f"model.layers.1.mlp.experts.{n}", sizes.expert) for n in range(sizes.experts)]
    for name, inner in wide:
        for letter in ("gate", "up"):
            shapes[f"{name}.{letter}_proj.weight"] = (inner, hidden)
        shapes[f"{name}.down_proj.weight"] = (hidden, inner)
    return shapes | {"model.layers.1.mlp.gate.weight": (sizes.experts, hidden)}
