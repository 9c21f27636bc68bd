"""Matrix products with float32 results from 16-bit factors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["float32_product"]


def float32_product(values: Tensor, weight: Tensor) -> Tensor:
    """Compute ``values @ weight.T`` in float32: in bfloat16, many different scores would tie.

    The shapes are ``(rows, inputs)`` and ``(outputs, inputs)``, of the same type; returns ``(rows,
    outputs)``.
    """
    if values.is_cuda and values.dtype != torch.float32:
        return torch.mm(values, weight.T, out_dtype=torch.float32)
    return functional.linear(values.float(), weight.float())
