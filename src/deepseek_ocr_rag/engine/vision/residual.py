"""The residual stream of a tower, to which layers add their products without the biases.

A matrix product can add its result to the stream by itself, which saves a pass over it, but then it
cannot add a bias too. So the stream lacks the biases of all layers so far. Their sum is the same for
all rows: the next norm adds it to what it reads.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from ..weights.tensors import Linear
from .fp8_products import Values, product

__all__ = ["add_product", "lacking_biases"]


def add_product(stream: Tensor, values: Values, layer: Linear) -> None:
    """Add a layer's result, without its bias, to ``(..., outputs)`` in place."""
    if isinstance(values, Tensor):
        rows = values.reshape(-1, values.shape[-1])
        stream.view(-1, stream.shape[-1]).addmm_(rows, layer.weight.T)
    else:
        stream += product(values, layer, biased=False)


def lacking_biases(layers: Iterable[Linear]) -> tuple[Tensor, ...]:
    """Return what the stream lacks before and after each of the layers that add to it, in float32."""
    biases = torch.stack([layer.bias for layer in layers]).float()
    sums = torch.cat((torch.zeros_like(biases[:1]), biases.cumsum(0)))
    return sums.unbind()
