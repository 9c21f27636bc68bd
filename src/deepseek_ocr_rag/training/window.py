"""Makes the decoder's attention masks for training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

__all__ = ["reference_window", "training_masks"]

REFERENCE = "reference_sliding_attention"


def reference_window(prompts: Sequence[int], length: int, window: int) -> Tensor:
    """Make the attention mask of a model with a reference window.

    A token sees the whole prompt with its picture, and the last ``window`` tokens of the answer,
    including itself, just as when the model writes.

    Args:
        prompts: Number of tokens of each page's prompt and picture, with which the rows begin.
        length: Tokens of a row.
        window: The configuration's ``sliding_window``.

    Returns:
        Booleans, ``(pages, 1, length, length)``: query, key.
    """
    key, query = torch.arange(length)[None, :], torch.arange(length)[:, None]
    near = (key <= query) & (key > query - window)
    start = torch.tensor(prompts)[:, None, None]
    return (near | ((key < start) & (key <= query)))[:, None]


def training_masks(model: PreTrainedModel, prompts: Sequence[int], length: int) -> Any:  # noqa: ANN401 - as the class takes it
    """Make the decoder's attention masks; None is causal attention.

    Without masks, transformers' class would take the whole sequence for a prompt, and train a model
    with a reference window as if it had full attention.
    """
    kinds = set(getattr(model.config.get_text_config(), "layer_types", None) or ())
    if REFERENCE not in kinds:
        return None
    seen = reference_window(prompts, length, int(model.config.get_text_config().sliding_window))
    weight = next(model.get_input_embeddings().parameters())
    mask = torch.zeros(seen.shape, dtype=weight.dtype, device=weight.device)
    mask.masked_fill_(~seen.to(weight.device), torch.finfo(weight.dtype).min)
    causal = torch.full(
        (length, length), torch.finfo(weight.dtype).min, dtype=weight.dtype, device=weight.device
    ).triu(1)
    return {REFERENCE: mask, "full_attention": causal[None, None]}
