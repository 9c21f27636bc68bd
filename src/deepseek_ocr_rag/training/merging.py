"""Writes a model with an adapter in its weights."""

from __future__ import annotations

from pathlib import Path

from ..backends.transformers.adapter import adapter_files, write_merged
from ..model.checkpoint import find_checkpoint

__all__ = ["merge"]


def merge(
    base: str | Path, adapter: str | Path, output: str | Path, *, revision: str | None = None
) -> Path:
    """Write a checkpoint with an adapter in its weights, in the layout of the original.

    Every program that reads the original can read the result. The sums are made in float32 and
    rounded once to the number format of the original.

    Args:
        base: The model that the adapter was trained on.
        adapter: The adapter's folder.
        output: A new folder.
        revision: Commit of a hub id.

    Returns:
        The folder.

    Raises:
        ConfigurationError: If there is no adapter.
        BackendError: If the model cannot be loaded, or the adapter does not fit it.
        OutputError: If it cannot be written.
    """
    return write_merged(
        find_checkpoint(base, revision=revision), adapter_files(adapter), Path(output)
    )
