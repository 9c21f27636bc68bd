"""The network's tensors in the engine's layout.

A linear layer's weight has the shape ``(outputs, inputs)``. Queries, keys and values
are one matrix, in this order; so are gate and up; a layer's experts are one tensor.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

__all__ = [
    "ClipLayer",
    "ClipWeights",
    "DecoderLayer",
    "DecoderWeights",
    "DenseWeights",
    "EngineWeights",
    "ExpertWeights",
    "LayerNorm",
    "Linear",
    "Matrix",
    "QwenLayer",
    "QwenWeights",
    "SamLayer",
    "SamWeights",
    "VisionWeights",
]


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear layer, as published or in fp8."""

    weight: Tensor  # ``(outputs, inputs)``
    bias: Tensor  # ``(outputs,)``
    scales: Tensor | None = None  # of rows in fp8, float32, ``(outputs,)``

    def __call__(self, values: Tensor) -> Tensor:
        """Apply the layer, which must be as published, to the last dimension."""
        return functional.linear(values, self.weight, self.bias)


@dataclass(frozen=True, slots=True)
class Matrix:
    """A linear layer without bias, as published or in eight bits."""

    weight: Tensor  # ``(outputs, inputs)``
    scales: Tensor | None = None  # of rows in int8 or fp8, float32, ``(outputs,)``


@dataclass(frozen=True, slots=True)
class LayerNorm:
    """A layer norm over the last dimension."""

    weight: Tensor  # ``(width,)``
    bias: Tensor  # ``(width,)``
    epsilon: float  # added to the variance


@dataclass(frozen=True, slots=True)
class SamLayer:
    """A layer of the first tower.

    ``rows`` are relative positions, from the key farthest below to the key farthest above; ``side``
    is that of the window, or of the trained grid.
    """

    attention_norm: LayerNorm
    qkv: Linear
    rows: Tensor  # ``(2 * side - 1, head width)``
    columns: Tensor  # the same of columns
    projection: Linear
    mlp_norm: LayerNorm
    up: Linear  # first half of the MLP
    down: Linear


@dataclass(frozen=True, slots=True)
class SamWeights:
    """The first tower."""

    patches: Linear  # from the pixels of a patch (channel, row, column) to its vector
    positions: Tensor  # added to the patches, ``(grid, grid, width)``
    layers: tuple[SamLayer, ...]
    narrow: Tensor  # ``(neck width, width)``, without bias
    narrow_norm: LayerNorm
    mix: Tensor  # 3 x 3 convolution, ``(neck width, 9 * neck width)``, inputs row by row
    mix_norm: LayerNorm
    halve: tuple[Tensor, Tensor]  # the 3 x 3 convolutions that halve the sides, in the same form


@dataclass(frozen=True, slots=True)
class ClipLayer:
    """A layer of the second tower."""

    attention_norm: LayerNorm
    qkv: Linear
    projection: Linear
    mlp_norm: LayerNorm
    up: Linear
    down: Linear


@dataclass(frozen=True, slots=True)
class ClipWeights:
    """The second tower."""

    start: Tensor  # the class token, ``(width,)``
    positions: Tensor  # of the class token and the grid, ``(1 + grid * grid, width)``
    input_norm: LayerNorm  # before the first layer
    layers: tuple[ClipLayer, ...]


@dataclass(frozen=True, slots=True)
class QwenLayer:
    """A layer of the second model's second tower; the norms are root mean square norms."""

    attention_norm: Tensor  # ``(width,)``
    qkv: Linear  # heads share keys and values
    projection: Tensor  # ``(width, width)``
    mlp_norm: Tensor  # ``(width,)``
    mlp: DenseWeights


@dataclass(frozen=True, slots=True)
class QwenWeights:
    """The second model's second tower."""

    few_queries: Tensor  # learned, for views of up to 144 patches, ``(144, width)``
    many_queries: Tensor  # for larger views, ``(256, width)``
    layers: tuple[QwenLayer, ...]
    norm: Tensor  # root mean square norm after the last layer, ``(width,)``


@dataclass(frozen=True, slots=True)
class VisionWeights:
    """The vision towers and the projector."""

    sam: SamWeights
    second: ClipWeights | QwenWeights
    projector: Linear  # from the towers' channels to the decoder's width
    row_end: Tensor | None  # after each row of a picture, ``(width,)``; not in the second model
    view_end: Tensor  # after the whole picture, ``(width,)``


@dataclass(frozen=True, slots=True)
class DenseWeights:
    """A gated MLP."""

    gate_up: Matrix  # ``(2 * inner, width)``
    down: Matrix  # ``(width, inner)``


@dataclass(frozen=True, slots=True)
class ExpertWeights:
    """A mixture of gated MLPs; ``experts`` in the shapes are routed and shared ones.

    The shared MLP is published as one that is as wide as several experts. Here it is split into
    experts, which compute the same and follow the routed ones. The scales are those of int8 or fp8
    rows; None without quantization.
    """

    router: Tensor  # ``(routed experts, width)``
    gate_up: Tensor  # ``(experts, 2 * inner, width)``
    down: Tensor  # ``(experts, width, inner)``
    gate_up_scales: Tensor | None = None  # float32, ``(experts, 2 * inner)``
    down_scales: Tensor | None = None  # float32, ``(experts, width)``


@dataclass(frozen=True, slots=True)
class DecoderLayer:
    """A layer of the decoder; the norms are root mean square norms."""

    attention_norm: Tensor  # ``(width,)``
    qkv: Matrix  # ``(3 * width, width)``
    projection: Matrix  # ``(width, width)``
    mlp_norm: Tensor  # ``(width,)``
    mlp: DenseWeights | ExpertWeights


@dataclass(frozen=True, slots=True)
class DecoderWeights:
    """The language model."""

    embeddings: Tensor  # ``(vocabulary, width)``
    layers: tuple[DecoderLayer, ...]
    norm: Tensor  # root mean square norm after the last layer, ``(width,)``
    head: Tensor  # ``(vocabulary, width)``


@dataclass(frozen=True, slots=True)
class EngineWeights:
    """The whole network."""

    vision: VisionWeights
    decoder: DecoderWeights
