"""The decoder's attention masks while it is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

__all__ = ["reference_window", "training_masks"]

REFERENCE = "reference_sliding_attention"


def reference_window(prompts: Sequence[int], length: int, window: int) -> Tensor:
    """The attention mask of a model with a reference window.

    A token sees the whole prompt with its picture, and the last ``window`` tokens of the answer,
    itself
    included: the same that is in the cache when the model writes.

    Args:
        prompts: Tokens of each page's prompt and picture, which the rows begin with.
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
    """The attention masks for the decoder; None is causal attention.

    Without them, transformers' class takes the whole sequence for a prompt, and trains a model with
    a reference window as if it had full attention.
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
