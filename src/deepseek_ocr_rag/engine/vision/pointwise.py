"""Computes norms and activations of the vision towers: by a kernel if possible, else by PyTorch.

What a layer in fp8 multiplies is rounded here, as it is made: functions that are given the layer
that follows return what that layer multiplies.
"""

from __future__ import annotations

import importlib.util
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from ..weights.tensors import LayerNorm, Linear, Matrix
from .products import RoundedRows, Values, rounded

__all__ = [
    "add_norm",
    "gated",
    "gelu",
    "has_kernels",
    "has_triton",
    "layer_norm",
    "quick_gelu",
    "rows_for",
]


def has_kernels(values: Tensor, dtype: torch.dtype | None = None) -> bool:
    """Whether the Triton kernels can process this tensor, converted to ``dtype`` if given.

    They need 16-bit numbers on a CUDA device of compute capability 8.0 or newer.
    """
    return (
        values.is_cuda
        and (dtype or values.dtype) in (torch.bfloat16, torch.float16)
        and has_triton()
        and torch.cuda.get_device_capability(values.device) >= (8, 0)
    )


@cache
def has_triton() -> bool:
    """Whether Triton is installed; it comes with the CUDA builds of PyTorch for Linux."""
    return importlib.util.find_spec("triton") is not None


def layer_norm(values: Tensor, norm: LayerNorm) -> Tensor:
    """Apply the layer norm to the last dimension."""
    return functional.layer_norm(values, values.shape[-1:], norm.weight, norm.bias, norm.epsilon)


def add_norm(
    values: Tensor, change: Tensor | None, norm: LayerNorm, layer: Linear
) -> tuple[Tensor, Values]:
    """Add a layer's output to the residual stream; return the sum and its layer norm for a layer.

    ``values`` has the shape ``(..., width)`` and may be overwritten; ``change`` is None before the
    first layer.
    """
    if change is None:
        return values, rows_for(layer, layer_norm(values, norm))
    if has_kernels(values):
        from ..kernels.norms import add_layer_norm, add_layer_norm_in_fp8

        if layer.scales is None:
            return add_layer_norm(values, change, norm)
        total, stored, scales = add_layer_norm_in_fp8(values, change, norm)
        return total, RoundedRows(stored, scales, values.dtype)
    total = values + change
    return total, rows_for(layer, layer_norm(total, norm))


def rows_for(layer: Linear | Matrix, values: Tensor) -> Values:
    """Round values if the layer that multiplies them is in fp8."""
    if layer.scales is None:
        return values
    return _in_fp8(values, "none") if has_kernels(values) else rounded(values)


def gelu(values: Tensor, layer: Linear) -> Values:
    """Compute ``x * Phi(x)``, not the tanh approximation, for a layer; may overwrite the argument."""
    if has_kernels(values):
        from ..kernels.activations import gelu as kernel

        return kernel(values) if layer.scales is None else _in_fp8(values, "gelu")
    return rows_for(layer, functional.gelu(values))


def quick_gelu(values: Tensor, layer: Linear) -> Values:
    """Compute ``x * sigmoid(1.702 x)``, as CLIP was trained with; may overwrite the argument."""
    if has_kernels(values):
        from ..kernels.activations import quick_gelu as kernel

        return kernel(values) if layer.scales is None else _in_fp8(values, "quick_gelu")
    return rows_for(layer, values * torch.sigmoid(1.702 * values))


def gated(values: Tensor, layer: Matrix) -> Values:
    """Multiply the second half of the last dimension by the SiLU of the first, for a layer."""
    if layer.scales is not None and has_kernels(values):
        return _in_fp8(values, "gated")
    gate, up = values.chunk(2, -1)
    return rows_for(layer, functional.silu(gate) * up)


def _in_fp8(values: Tensor, activation: str) -> RoundedRows:
    from ..kernels.activations import activate_in_fp8

    stored, scales = activate_in_fp8(values, activation)
    return RoundedRows(stored, scales, values.dtype)
