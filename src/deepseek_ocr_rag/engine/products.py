"""Matrix products whose sums are not rounded to the type of their factors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["float32_product"]


def float32_product(values: Tensor, weight: Tensor) -> Tensor:
    """``values`` times the transposed ``weight``, in float32.

    Among bfloat16 numbers many that differ would be equal.

    Args:
        values: Shape ``(rows, inputs)``.
        weight: Shape ``(outputs, inputs)``, of the same type.

    Returns:
        Shape ``(rows, outputs)``.
    """
    if values.is_cuda and values.dtype != torch.float32:
        return torch.mm(values, weight.T, out_dtype=torch.float32)
    return functional.linear(values.float(), weight.float())
