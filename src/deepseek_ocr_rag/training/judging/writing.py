"""Lets a model write pages during training, to judge it by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from transformers import PreTrainedModel

from ...backends.page_text import LoopWatch
from ...backends.transformers.generation import generate
from ...model.ngrams import NoRepeat
from ...model.page_prompt import PagePrompt
from ...model.tokenizer import ModelTokenizer
from ..targets import EncodedPage
from .scores import PageScore, score_page

__all__ = ["WrittenPage", "write_pages"]

ROOM = 1.5
"""A text may become this many times as long as the right one before it is cut off."""


@dataclass(frozen=True, slots=True)
class WrittenPage:
    """What a model wrote for a sample, and its score."""

    page: EncodedPage
    text: str
    score: PageScore


def write_pages(
    model: PreTrainedModel,
    tokenizer: ModelTokenizer,
    pages: Sequence[EncodedPage],
    *,
    rule: NoRepeat,
    batch: int = 1,
) -> list[WrittenPage]:
    """Write pages with greedy decoding, under the same n-gram rule as when reading."""
    training = model.training
    model.train(mode=False)
    found: list[WrittenPage] = []
    for start in range(0, len(pages), batch):
        group = pages[start : start + batch]
        watches = [LoopWatch(tokenizer) for _ in group]
        prompts = [
            PagePrompt(page.ids[: page.prompt], page.views, rule, int(page.answer * ROOM) + 32)
            for page in group
        ]
        with torch.no_grad():
            generated = generate(model, prompts, at_end=partial(_watch, watches))
        for page, watch, one in zip(group, watches, generated, strict=True):
            text = watch.finish(one).text
            ended = one.end.reason == "stop"
            score = score_page(page.sample.id, page.sample.answer.strip(), text, ended=ended)
            found.append(WrittenPage(page, text, score))
    model.train(training)
    return found


def _watch(watches: Sequence[LoopWatch], row: int, new: Sequence[int]) -> bool:
    return watches[row](new)
