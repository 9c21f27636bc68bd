"""Turns pages into tensors, padded on the right, and computes the loss of a batch."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import nullcontext

import torch
from torch import Tensor
from transformers import PreTrainedModel

from ..backends.transformers.generation import image_features
from ..model.tokenizer import PAD
from .loss import IGNORED, answer_loss, with_pictures
from .targets import EncodedPage
from .window import training_masks

__all__ = ["FrozenVision", "batch_loss", "batches"]


def batches(count: int, size: int, *, seed: int, first: int = 0) -> Iterator[list[int]]:
    """Yield the indices of batches for ever: each epoch has every page once, in a new order.

    ``first`` is the number of batches to skip after a resume.
    """
    order: list[int] = []
    epoch = number = 0
    while True:
        if len(order) < size:
            more = list(range(count))
            random.Random(f"{seed} {epoch}").shuffle(more)  # noqa: S311 - an order, no secret
            order += more
            epoch += 1
            continue
        batch, order = order[:size], order[size:]
        number += 1
        if number > first:
            yield batch


class FrozenVision:
    """Computes each page's picture embeddings once, since towers and projector are not trained.

    They are kept in main memory, where they take less than the page's pixels.
    """

    def __init__(self, model: PreTrainedModel, pages: Sequence[EncodedPage]) -> None:
        self._model, self._pages = model, pages
        self._features: dict[int, Tensor] = {}

    def features(self, index: int) -> Tensor:
        """Return the embeddings of a page, ``(image tokens, width)``."""
        if index not in self._features:
            with torch.no_grad():
                (found,) = image_features(self._model, [self._pages[index].views])
            self._features[index] = found.cpu()
        return self._features[index]


def batch_loss(
    model: PreTrainedModel,
    pages: Sequence[EncodedPage],
    features: Sequence[Tensor] | None = None,
    *,
    vision: bool = False,
) -> Tensor:
    """Compute the loss of pages: the mean over all tokens of their answers, end tokens included.

    Args:
        model: The model.
        pages: The pages.
        features: Each page's embeddings, as :class:`FrozenVision` returns them; None computes them.
        vision: Whether the towers or the projector are trained; otherwise no gradients are kept for
            them.
    """
    length = max(len(page.ids) for page in pages)
    ids = torch.full((len(pages), length), PAD)
    labels = torch.full((len(pages), length), IGNORED)
    for row, page in enumerate(pages):
        tokens = torch.tensor(page.ids)
        ids[row, : len(tokens)] = tokens
        labels[row, page.prompt : len(tokens)] = tokens[page.prompt :]
    device = next(model.get_input_embeddings().parameters()).device
    ids, labels = ids.to(device), labels.to(device)
    if features is None:
        with nullcontext() if vision else torch.no_grad():
            features = image_features(model, [page.views for page in pages])
    return answer_loss(
        model,
        with_pictures(model, ids, torch.cat([each.to(device) for each in features])),
        labels,
        first=min(page.prompt for page in pages),
        attention=training_masks(model, [page.prompt for page in pages], length),
    )
