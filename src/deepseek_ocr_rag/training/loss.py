"""Computes the training loss: the cross entropy of the answer's tokens and its end token only."""

from __future__ import annotations

from typing import Any, Final, cast

import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel

from ..model.tokenizer import IMAGE

__all__ = ["IGNORED", "answer_loss", "plain_features", "with_pictures"]

IGNORED: Final = -100
"""The label of a token that the loss leaves out: prompt, picture and padding."""


def plain_features(model: PreTrainedModel, pixels: Tensor) -> Tensor:
    """Embed pages of one size, without tiles, all at once.

    Source: ``get_image_features`` of transformers' class, which loops over the pages. ``pixels`` are
    normalised, ``(pages, 3, side, side)``; returns ``(pages, image tokens, width)``.
    """
    network = cast("Any", model).model
    encoded = network.multi_modal_projector(network.vision_tower(pixels).last_hidden_state)
    pages, tokens, width = encoded.shape
    side = round(tokens**0.5)
    newline = network.image_newline.to(encoded.dtype).expand(pages, side, 1, width)
    rows = torch.cat([encoded.view(pages, side, side, width), newline], dim=2).flatten(1, 2)
    end = network.view_separator.to(encoded.dtype).expand(pages, 1, width)
    return torch.cat([rows, end], dim=1)


def with_pictures(
    model: PreTrainedModel, ids: Tensor, features: Tensor, image: int = IMAGE
) -> Tensor:
    """Embed prompts and answers, with ``features`` in the place of the picture's tokens.

    ``ids`` are ``(pages, length)``, ``features`` ``(image tokens of all pages, width)`` in order;
    ``image`` is the id of a picture's token.
    """
    words: Tensor = model.get_input_embeddings()(ids)
    return words.masked_scatter((ids == image)[:, :, None], features.to(words.dtype))


def answer_loss(
    model: PreTrainedModel,
    embeddings: Tensor,
    labels: Tensor,
    *,
    first: int,
    attention: Any = None,  # noqa: ANN401 - as the class takes it
    bias: Tensor | None = None,
) -> Tensor:
    """Compute the mean cross entropy of all tokens that have a label.

    Only positions that predict a label go through the vocabulary layer, which with 129,280 tokens
    needs most of the memory.

    Args:
        model: The network.
        embeddings: Those of prompts and answers, padded on the right, ``(pages, length, width)``.
        labels: Ids, or :data:`IGNORED`, ``(pages, length)``.
        first: Smallest index of a label in any row; at least 1.
        attention: Masks of the decoder by kind of layer; None is causal. Padding on the right
            needs no mask, because no earlier token sees it.
        bias: A bias that is added to the scores, ``(vocabulary,)``.
    """
    decoder = cast("Any", model).model.language_model
    hidden = decoder(inputs_embeds=embeddings, attention_mask=attention, use_cache=False)[0]
    scores = cast("Any", model).lm_head(hidden[:, first - 1 : -1])
    scores = scores.float() if bias is None else scores.float() + bias
    return functional.cross_entropy(
        scores.flatten(0, 1), labels[:, first:].flatten(), ignore_index=IGNORED
    )
