"""Computes norms and activations of the vision towers: by a kernel if possible, else by PyTorch.

What a layer in fp8 multiplies is rounded as it is made, by the functions that are given the layer.
"""

from __future__ import annotations

import importlib.util
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from ..weights.tensors import LayerNorm, Linear
from .fp8_products import RoundedRows, Values, rounded

__all__ = [
    "add_norm",
    "add_norm_for",
    "gelu_for",
    "has_kernels",
    "has_triton",
    "layer_norm",
    "quick_gelu",
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


def add_norm(values: Tensor, change: Tensor | None, norm: LayerNorm) -> tuple[Tensor, Tensor]:
    """Add a layer's output to the residual stream; return the sum and its layer norm.

    ``values`` has the shape ``(..., width)`` and may be overwritten; ``change`` is None before the
    first layer.
    """
    if change is None:
        return values, layer_norm(values, norm)
    if has_kernels(values):
        from ..kernels.norms import add_layer_norm as kernel

        return kernel(values, change, norm)
    total = values + change
    return total, layer_norm(total, norm)


def add_norm_for(
    layer: Linear, values: Tensor, change: Tensor | None, norm: LayerNorm
) -> tuple[Tensor, Values]:
    """Add and norm likewise; the norm is rounded if the layer that multiplies it is in fp8."""
    if layer.scales is None:
        return add_norm(values, change, norm)
    if change is not None and has_kernels(values):
        from ..kernels.norms import add_layer_norm_in_fp8 as kernel

        total, stored, scales = kernel(values, change, norm)
        return total, RoundedRows(stored, scales, values.dtype)
    total, normed = add_norm(values, change, norm)
    return total, rounded(normed)


def gelu_for(layer: Linear, values: Tensor) -> Values:
    """Compute ``x * Phi(x)``, not the tanh approximation; may overwrite the argument.

    The result is rounded if the layer that multiplies it is in fp8.
    """
    if has_kernels(values):
        from ..kernels import activations

        if layer.scales is None:
            return activations.gelu(values)
        stored, scales = activations.gelu_in_fp8(values)
        return RoundedRows(stored, scales, values.dtype)
    result = functional.gelu(values)
    return result if layer.scales is None else rounded(result)


def quick_gelu(values: Tensor) -> Tensor:
    """Compute ``x * sigmoid(1.702 x)``, as CLIP was trained with; may overwrite the argument."""
    if has_kernels(values):
        from ..kernels.activations import quick_gelu as kernel

        return kernel(values)
    return values * torch.sigmoid(1.702 * values)
