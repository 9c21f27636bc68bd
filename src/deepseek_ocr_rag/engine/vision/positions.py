"""Interpolates learned positions for pictures of another size than the training's.

Source: the published modeling code of DeepSeek-OCR (``deepencoder``).
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

__all__ = ["fitted_grid", "fitted_table"]


def fitted_grid(positions: Tensor, grid: int) -> Tensor:
    """Interpolate ``(trained, trained, width)`` to ``(grid, grid, width)``, bicubically."""
    if positions.shape[0] == grid:
        return positions
    fitted = functional.interpolate(
        positions.float().permute(2, 0, 1)[None], size=(grid, grid), mode="bicubic", antialias=True
    )
    return fitted[0].permute(1, 2, 0).to(positions.dtype).contiguous()


def fitted_table(table: Tensor, side: int) -> Tensor:
    """Interpolate relative positions linearly to windows of ``side`` patches.

    From ``(2 * trained side - 1, head width)`` to ``(2 * side - 1, head width)``.
    """
    wanted = 2 * side - 1
    if table.shape[0] == wanted:
        return table
    fitted = functional.interpolate(table.float().T[None], size=wanted, mode="linear")
    return fitted[0].T.to(table.dtype).contiguous()
