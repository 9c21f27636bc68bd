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
    "QwenLayer",
    "QwenWeights",
    "SamLayer",
    "SamWeights",
    "VisionWeights",
]


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear layer.

    Attributes:
        weight: Shape ``(outputs, inputs)``.
        bias: Shape ``(outputs,)``.
    """

    weight: Tensor
    bias: Tensor

    def __call__(self, values: Tensor) -> Tensor:
        """Apply the layer to the last dimension."""
        return functional.linear(values, self.weight, self.bias)


@dataclass(frozen=True, slots=True)
class LayerNorm:
    """A layer norm over the last dimension.

    Attributes:
        weight: Shape ``(width,)``.
        bias: Shape ``(width,)``.
        epsilon: Added to the variance.
    """

    weight: Tensor
    bias: Tensor
    epsilon: float


@dataclass(frozen=True, slots=True)
class SamLayer:
    """A layer of the first tower.

    Attributes:
        attention_norm: Before the attention.
        qkv: Queries, keys and values.
        rows: Relative positions of rows, shape ``(2 * side - 1, head width)``, from
            the key farthest below to the key farthest above; ``side`` is the
            window's, or the trained grid's.
        columns: The same of columns.
        projection: Behind the attention.
        mlp_norm: Before the MLP.
        up: First half of the MLP.
        down: Second half.
    """

    attention_norm: LayerNorm
    qkv: Linear
    rows: Tensor
    columns: Tensor
    projection: Linear
    mlp_norm: LayerNorm
    up: Linear
    down: Linear


@dataclass(frozen=True, slots=True)
class SamWeights:
    """The first tower.

    Attributes:
        patches: From the pixels of a patch (channel, row, column) to its vector.
        positions: Added to the patches, shape ``(grid, grid, width)``.
        layers: The transformer.
        narrow: Shape ``(neck width, width)``, without bias.
        narrow_norm: Behind it.
        mix: 3 x 3 convolution, shape ``(neck width, 3 * 3 * neck width)``; the
            inputs are the channels of the nine places, row by row.
        mix_norm: Behind it.
        halve: The two 3 x 3 convolutions that halve the sides, in the same form.
    """

    patches: Linear
    positions: Tensor
    layers: tuple[SamLayer, ...]
    narrow: Tensor
    narrow_norm: LayerNorm
    mix: Tensor
    mix_norm: LayerNorm
    halve: tuple[Tensor, Tensor]


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
    """The second tower.

    Attributes:
        start: The class token, shape ``(width,)``.
        positions: Of the class token and the grid, shape ``(1 + grid * grid, width)``.
        input_norm: Before the first layer.
        layers: The transformer.
    """

    start: Tensor
    positions: Tensor
    input_norm: LayerNorm
    layers: tuple[ClipLayer, ...]


@dataclass(frozen=True, slots=True)
class QwenLayer:
    """A layer of the second model's second tower.

    Attributes:
        attention_norm: Root mean square norm before the attention, ``(width,)``.
        qkv: Queries, keys and values; heads share keys and values.
        projection: Behind the attention, shape ``(width, width)``.
        mlp_norm: Root mean square norm before the MLP, ``(width,)``.
        mlp: The MLP.
    """

    attention_norm: Tensor
    qkv: Linear
    projection: Tensor
    mlp_norm: Tensor
    mlp: DenseWeights


@dataclass(frozen=True, slots=True)
class QwenWeights:
    """The second model's second tower.

    Attributes:
        few_queries: Learned queries for views of up to 144 patches, ``(144, width)``.
        many_queries: Learned queries for larger views, ``(256, width)``.
        layers: The transformer.
        norm: Root mean square norm behind the last layer, ``(width,)``.
    """

    few_queries: Tensor
    many_queries: Tensor
    layers: tuple[QwenLayer, ...]
    norm: Tensor


@dataclass(frozen=True, slots=True)
class VisionWeights:
    """The vision towers and the projector.

    Attributes:
        sam: The first tower.
        second: The second tower.
        projector: From the towers' channels to the decoder's width.
        row_end: Embedding behind each row of a picture, shape ``(width,)``;
            the second model has none.
        view_end: Embedding behind the whole picture, shape ``(width,)``.
    """

    sam: SamWeights
    second: ClipWeights | QwenWeights
    projector: Linear
    row_end: Tensor | None
    view_end: Tensor


@dataclass(frozen=True, slots=True)
class DenseWeights:
    """A gated MLP.

    Attributes:
        gate_up: Shape ``(2 * inner, width)``.
        down: Shape ``(width, inner)``.
    """

    gate_up: Tensor
    down: Tensor


@dataclass(frozen=True, slots=True)
class ExpertWeights:
    """A mixture of gated MLPs.

    The shared MLP is published as one that is as wide as several experts. Split
    into experts, which computes the same, it follows the routed ones.

    Attributes:
        router: Shape ``(routed experts, width)``.
        gate_up: Shape ``(routed and shared experts, 2 * inner, width)``.
        down: Shape ``(routed and shared experts, width, inner)``.
        gate_up_scales: Scales of the rows of an int8 ``gate_up``, float32,
            ``(routed and shared experts, 2 * inner)``; None without quantization.
        down_scales: The same for ``down``.
    """

    router: Tensor
    gate_up: Tensor
    down: Tensor
    gate_up_scales: Tensor | None = None
    down_scales: Tensor | None = None


@dataclass(frozen=True, slots=True)
class DecoderLayer:
    """A layer of the decoder.

    Attributes:
        attention_norm: Root mean square norm before the attention, ``(width,)``.
        qkv: Shape ``(3 * width, width)``.
        projection: Behind the attention, shape ``(width, width)``.
        mlp_norm: Root mean square norm before the MLP, ``(width,)``.
        mlp: A dense MLP or a mixture of experts.
    """

    attention_norm: Tensor
    qkv: Tensor
    projection: Tensor
    mlp_norm: Tensor
    mlp: DenseWeights | ExpertWeights


@dataclass(frozen=True, slots=True)
class DecoderWeights:
    """The language model.

    Attributes:
        embeddings: Shape ``(vocabulary, width)``.
        layers: The transformer.
        norm: Root mean square norm behind the last layer, ``(width,)``.
        head: Shape ``(vocabulary, width)``.
    """

    embeddings: Tensor
    layers: tuple[DecoderLayer, ...]
    norm: Tensor
    head: Tensor


@dataclass(frozen=True, slots=True)
class EngineWeights:
    """The whole network."""

    vision: VisionWeights
    decoder: DecoderWeights
