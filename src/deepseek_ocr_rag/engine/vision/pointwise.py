"""Computes norms and activations of the vision towers: by a kernel if possible, else by PyTorch.

Functions that get a layer in fp8 also round their results, which it will multiply.
"""

from __future__ import annotations

import importlib.util
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from ..weights.tensors import LayerNorm, Linear
from .fp8_products import RoundedRows, Values, product, rounded

__all__ = [
    "gelu_between",
    "has_kernels",
    "has_triton",
    "layer_norm",
    "norm_for",
    "quick_gelu",
]


def has_kernels(values: Tensor, dtype: torch.dtype | None = None) -> bool:
    """Return whether the Triton kernels can process this tensor, converted to ``dtype`` if given.

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
    """Return whether Triton is installed; it comes with the CUDA builds of PyTorch for Linux."""
    return importlib.util.find_spec("triton") is not None


def layer_norm(values: Tensor, norm: LayerNorm, lacking: Tensor | None = None) -> Tensor:
    """Apply the layer norm to the last dimension of ``values + lacking``.

    ``lacking`` is float32, ``(width,)``; ``values`` is contiguous.
    """
    if has_kernels(values):
        from ..kernels.norms import layer_norm as kernel

        return kernel(values, lacking, norm)
    if lacking is not None:
        values = (values + lacking).to(values.dtype)
    return functional.layer_norm(values, values.shape[-1:], norm.weight, norm.bias, norm.epsilon)


def norm_for(
    layer: Linear, values: Tensor, norm: LayerNorm, lacking: Tensor | None = None
) -> Values:
    """Apply the layer norm likewise; it is rounded if the layer that multiplies it is in fp8."""
    if layer.scales is None:
        return layer_norm(values, norm, lacking)
    if has_kernels(values):
        from ..kernels.norms import layer_norm_in_fp8 as kernel

        stored, scales = kernel(values, lacking, norm)
        return RoundedRows(stored, scales, values.dtype)
    return rounded(layer_norm(values, norm, lacking))


def gelu_between(values: Values, up: Linear, down: Linear) -> Values:
    """Apply a layer and ``x * Phi(x)``; the result is rounded if ``down``, which multiplies it, is in fp8.

    In 16 bits on a GPU the product applies the tanh approximation of it before its sum is rounded. That
    is nearer to the exact result than an exact function of the rounded sum.
    """
    if down.scales is None:
        if isinstance(values, Tensor) and has_kernels(values):
            rows = values.reshape(-1, values.shape[-1])
            found = torch._addmm_activation(up.bias, rows, up.weight.T, use_gelu=True)
            return found.view(*values.shape[:-1], -1)
        return functional.gelu(product(values, up))
    result = product(values, up)
    if has_kernels(result):
        from ..kernels.activations import gelu_in_fp8 as kernel

        stored, scales = kernel(result)
        return RoundedRows(stored, scales, result.dtype)
    return rounded(functional.gelu(result))


def quick_gelu(values: Tensor) -> Tensor:
    """Compute ``x * sigmoid(1.702 x)``, as CLIP was trained with; may overwrite the argument."""
    if has_kernels(values):
        from ..kernels.activations import quick_gelu as kernel

        return kernel(values)
    return values * torch.sigmoid(1.702 * values)
