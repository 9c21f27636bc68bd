"""Runs one of the engine's kernels, to learn whether Triton works with a card."""

from __future__ import annotations

import os
import sys
import tempfile

import torch

from ..vision.pointwise import has_triton
from ..vision.preprocessing import resized

__all__ = ["kernel_error", "triton_problem"]


def triton_problem() -> str | None:
    """Say why the engine cannot use Triton on this machine, whatever its card; None if it can."""
    if not has_triton():
        return "Triton is not installed"
    import triton

    if not hasattr(triton, "AsyncCompileMode"):
        return f"Triton {triton.__version__} is older than 3.5, which comes with torch 2.9"
    return None


def kernel_error(device: torch.device) -> str:
    """Compile one of the engine's kernels for the current card, and run it.

    Returns:
        Why that failed, with what compilers printed; "" if the result is right.
    """
    if problem := triton_problem():
        return problem
    # White stays white when it is enlarged.
    picture = torch.full((8, 8, 3), 255, dtype=torch.uint8, device=device)
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as printed:
        os.dup2(printed.fileno(), 2)
        try:
            right = bool((resized(picture, 16, 16) == 255).all())
        except Exception as error:  # noqa: BLE001 - compilers fail in many ways
            printed.seek(0)
            told = printed.read().decode("utf-8", "replace").strip()
            return f"{type(error).__name__}: {error}\n{told}".strip()
        finally:
            os.dup2(kept, 2)
            os.close(kept)
    return "" if right else "a kernel computed a wrong result"
