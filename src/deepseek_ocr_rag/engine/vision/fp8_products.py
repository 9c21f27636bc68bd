"""Matrix products of the first tower: in the weights' type, or in fp8.

In fp8 both factors are rounded: weights once, with a scale for each output, and values while the
network runs, with a scale for each row. Norms and activations round their results as they write
them (:mod:`.pointwise`): a pass of its own would take most of the time that the product saves.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ..weights.tensors import Linear

__all__ = ["RoundedRows", "Values", "product", "rounded"]

LARGEST = torch.finfo(torch.float8_e4m3fn).max


@dataclass(frozen=True, slots=True)
class RoundedRows:
    """Rows of values, rounded to fp8."""

    stored: Tensor  # float8_e4m3fn, ``(..., width)``
    scales: Tensor  # of the rows, float32, ``(..., 1)``
    dtype: torch.dtype  # of the values that were rounded


Values = Tensor | RoundedRows
"""What a layer multiplies."""


def rounded(values: Tensor) -> RoundedRows:
    """Round ``(..., width)`` to fp8."""
    exact = values.float()
    scales = exact.abs().amax(-1, keepdim=True).clamp_min(1e-12) / LARGEST
    return RoundedRows((exact / scales).to(torch.float8_e4m3fn), scales, values.dtype)


def product(values: Values, layer: Linear, *, biased: bool = True) -> Tensor:
    """Apply a linear layer to the last dimension of values, which are rounded if the layer is in fp8.

    The result has the type that the values had before they were rounded.
    """
    bias = layer.bias if biased else None
    if isinstance(values, Tensor):
        return functional.linear(values, layer.weight, bias)
    if layer.scales is None:
        raise ValueError("only a layer in fp8 multiplies rounded values")
    stored, scales = values.stored.flatten(0, -2), values.scales.flatten(0, -2)
    # PyTorch's product with a scale for each row returns nothing but bfloat16.
    if stored.is_cuda and values.dtype == torch.bfloat16:
        result = torch._scaled_mm(
            stored,
            layer.weight.T,
            scales,
            layer.scales[None],
            bias,
            out_dtype=torch.bfloat16,
            use_fast_accum=True,
        )
    else:
        exact = functional.linear(stored.float(), layer.weight.float()) * scales * layer.scales
        result = (exact if bias is None else exact + bias).to(values.dtype)
    return result.view(*values.stored.shape[:-1], -1)
