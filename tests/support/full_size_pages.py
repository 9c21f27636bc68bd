"""Test pages for a full-size model: as an image, a PDF and a prompt, with the first logits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw

from deepseek_ocr_rag.backends.transformers.generation import _embeddings, input_device
from deepseek_ocr_rag.model.checkpoint import find_checkpoint
from deepseek_ocr_rag.model.families import FAMILIES
from deepseek_ocr_rag.model.ngrams import NoRepeat
from deepseek_ocr_rag.model.page_prompt import PagePrompt
from deepseek_ocr_rag.model.prompts import MODES, TASKS
from deepseek_ocr_rag.model.tokenizer import ModelTokenizer, prompt_ids
from deepseek_ocr_rag.model.views import page_views


def page(number: int) -> Image.Image:
    image = Image.new("RGB", (1240, 1754), "white")
    draw = ImageDraw.Draw(image)
    for line in range(40):
        draw.text((100, 80 + 40 * line), f"page {number}, line {line} " * 4, fill="black")
    return image


def pdf(path: Path, pages: int) -> Path:
    first, *others = [page(number) for number in range(1, pages + 1)]
    first.save(path, save_all=True, append_images=others, resolution=150)
    return path


def prompt(checkpoint: Path, number: int, tokens: int = 16) -> PagePrompt:
    found = find_checkpoint(checkpoint)
    family = FAMILIES["deepseek-ocr"]
    views = page_views(page(number), MODES["gundam"], family)
    count = family.image_tokens(views.side, views.grid)
    text = family.prompt(TASKS["document"])
    ids = prompt_ids(ModelTokenizer.from_file(found.tokenizer), text, count)
    return PagePrompt(ids, views, NoRepeat(30, 90), tokens)


def first_logits(model: Any, request: PagePrompt) -> torch.Tensor:
    ids = torch.tensor([request.ids], device=input_device(model))
    with torch.no_grad():
        words = _embeddings(model, ids, [request.views])
        return model(inputs_embeds=words, logits_to_keep=1).logits[0, -1].double()
