"""What the model is called in Ollama."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

__all__ = ["LAYOUT_MODEL", "MODEL", "meant_model"]

MODEL: Final = "deepseek-ocr"
"""The model's name in Ollama's library."""

LAYOUT_MODEL: Final = "deepseek-ocr-layout"
"""The name of the model that ``dsocr ollama-model`` makes."""


def meant_model(names: Sequence[str], wanted: str | None = None) -> str | None:
    """Choose the installed model that the user means; None if it is not installed.

    A model that ``dsocr ollama-model`` made goes before the published one, and the published one
    before copies under other names; of equals, Ollama's newest goes first.

    Args:
        names: The installed models, newest first.
        wanted: A name; without a tag it means any tag, ``latest`` first. None means the best
            deepseek-ocr.

    Example:
        >>> meant_model(["deepseek-ocr:3b"], "deepseek-ocr")
        'deepseek-ocr:3b'
        >>> meant_model(["deepseek-ocr:3b", "deepseek-ocr-layout:latest"])
        'deepseek-ocr-layout:latest'
    """
    if wanted is not None:
        if wanted in names or f"{wanted}:latest" in names:
            return wanted
        tagless = ":" not in wanted.rpartition("/")[2]
        return next((n for n in names if tagless and n.startswith(f"{wanted}:")), None)
    ranks = {
        name: (not name.startswith(LAYOUT_MODEL), not name.startswith(MODEL))
        for name in names
        if MODEL in name.lower()
    }
    return min(ranks, key=ranks.__getitem__, default=None)
