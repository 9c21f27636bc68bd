"""Generates the tokens of a batch of pages: vision features, one prefill, then token by token."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import torch
from transformers import GenerationConfig, LogitsProcessorList, PreTrainedModel
from transformers import StoppingCriteriaList as StoppingCriteria

from ...model.page_prompt import GeneratedPage, PagePrompt
from ...model.tokenizer import BOS, EOS, IMAGE, PAD
from ...model.views import PageViews
from .logits_rules import EndCheck, EndRows, KeepScores, NoRepeatNGrams, Steps, Temperatures

__all__ = ["generate", "image_features", "normalised"]

VIEW_PIXELS = 8 * 1024 * 1024
"""Most pixels that go through the vision tower at once. Its global attention
needs a bias of 400 MB in bfloat16 for every view of 1024."""


def normalised(pixels: torch.Tensor) -> torch.Tensor:
    """Normalise uint8 pixels to -1..1, in bfloat16 as in the published code."""
    return pixels.float().div(255).sub(0.5).div(0.5).to(torch.bfloat16)


@torch.no_grad()
def generate(
    model: PreTrainedModel,
    pages: Sequence[PagePrompt],
    *,
    at_end: EndCheck = lambda row, tokens: False,
    interval: int = 32,
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[GeneratedPage, ...]:
    """Generate the tokens of a batch of pages, each with its own settings.

    Args:
        model: A model in evaluation mode.
        pages: Their prompts, one row each.
        at_end: Called with a row's number and its newest tokens; True ends the row.
        interval: Tokens between two calls of ``at_end``; 1 streams.
        cancelled: Called after every token; True ends all rows.

    Raises:
        torch.OutOfMemoryError: If the batch is too large for the device.
    """
    ids, attention = _padded([page.ids for page in pages], model)
    steps = Steps(
        [page.max_new_tokens for page in pages], at_end, interval=interval, cancelled=cancelled
    )
    vocabulary = model.config.get_text_config().vocab_size
    processors = [
        KeepScores(steps),
        NoRepeatNGrams([page.rule for page in pages], vocabulary),
        Temperatures([page.temperature for page in pages]),
    ]
    # A cast, because mypy does not find GenerationMixin's method in the classes.
    sequences = cast("Any", model).generate(
        input_ids=ids,
        inputs_embeds=_embeddings(model, ids, [page.views for page in pages]),
        attention_mask=attention,
        generation_config=cast("Any", GenerationConfig)(
            max_new_tokens=max(page.max_new_tokens for page in pages),
            do_sample=False,
            bos_token_id=BOS,
            eos_token_id=EOS,
            pad_token_id=PAD,
        ),
        logits_processor=LogitsProcessorList(processors),
        stopping_criteria=StoppingCriteria([EndRows(steps)]),
    )
    new = sequences[:, ids.shape[1] :].tolist()
    return tuple(
        GeneratedPage(tuple(tokens[: end.tokens]), logprobs, end)
        for tokens, (end, logprobs) in zip(new, steps.finish(sequences), strict=True)
    )


def _padded(
    prompts: Sequence[Sequence[int]], model: PreTrainedModel
) -> tuple[torch.Tensor, torch.Tensor]:
    """Pad prompts on the left; return them and their attention mask, both ``(rows, length)``."""
    length = max(map(len, prompts))
    ids = torch.full((len(prompts), length), PAD)
    attention = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, length - len(prompt) :] = torch.tensor(prompt)
        attention[row, length - len(prompt) :] = 1
    device = input_device(model)
    return ids.to(device), attention.to(device)


def _embeddings(
    model: PreTrainedModel, ids: torch.Tensor, views: Sequence[PageViews]
) -> torch.Tensor:
    words: torch.Tensor = model.get_input_embeddings()(ids)
    features = torch.cat(image_features(model, views)).to(words.device, words.dtype)
    return words.masked_scatter((ids == IMAGE)[:, :, None], features)


def input_device(model: PreTrainedModel) -> torch.device:
    """Return the device for token ids and pixels: that of the embeddings, if there are several."""
    device: torch.device = next(model.get_input_embeddings().parameters()).device
    return device


def image_features(model: PreTrainedModel, views: Sequence[PageViews]) -> list[torch.Tensor]:
    """Compute the embeddings of the image tokens: one tensor ``(tokens, width)`` per page."""
    features: list[torch.Tensor] = []
    device = input_device(model)
    # A CPU gains nothing from several pages at once, and its caches suffer.
    for batch in _vision_batches(views, 0 if device.type == "cpu" else VIEW_PIXELS):
        pixels = torch.stack([torch.from_numpy(page.global_view) for page in batch])
        inputs = {"pixel_values": normalised(pixels.to(device)).to(model.dtype)}
        extra: dict[str, object] = {}
        if any(page.grid for page in batch):
            tiles = torch.cat([torch.from_numpy(page.tiles) for page in batch if page.grid])
            inputs["pixel_values_local"] = normalised(tiles.to(device)).to(model.dtype)
            extra["num_local_patches"] = [len(page.tiles) for page in batch]
            if model.config.model_type == "unlimited_ocr":
                extra["patches_grid"] = [list(page.grid or (1, 1)) for page in batch]
        outputs = cast("Any", model).get_image_features(**inputs, **extra, return_dict=True)
        features += outputs.pooler_output
    return features


def _vision_batches(views: Sequence[PageViews], most: int) -> Iterator[list[PageViews]]:
    """Yield batches of one view size and at most ``most`` pixels, or of one page, in order."""
    batch: list[PageViews] = []
    pixels = 0
    for page in views:
        size = (page.global_view.size + page.tiles.size) // 3
        if batch and (page.side != batch[0].side or pixels + size > most):
            yield batch
            batch, pixels = [], 0
        batch.append(page)
        pixels += size
    if batch:
        yield batch
