"""Compares what the real llama.cpp server computes from a picture with transformers in float32.

Scores of the first token are compared, on random weights in 32 bits. Whole texts would depend on how
two almost equal scores are rounded; these scores do not. docs/guides/engines.md has the figures for
12 SAM and 12 CLIP layers and four pages, which ``DSOCR_TOWER_LAYERS=12 pytest -s`` on this file
prints, in minutes.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from gguf_files import write_language_model, write_projector
from llama_server import FIRST_BUILD, LlamaServer, llama_build
from PIL import Image, ImageDraw
from random_network import write_random_checkpoint
from scripted_checkpoint import SMALL, published_files

torch = pytest.importorskip("torch")
pytest.importorskip("transformers", minversion="5.20")

from full_size_pages import first_logits  # noqa: E402 - needs torch

from deepseek_ocr_rag.backends.transformers.model_loading import load_model  # noqa: E402
from deepseek_ocr_rag.model.checkpoint import find_checkpoint  # noqa: E402
from deepseek_ocr_rag.model.families import FAMILIES  # noqa: E402
from deepseek_ocr_rag.model.ngrams import NoRepeat  # noqa: E402
from deepseek_ocr_rag.model.page_prompt import PagePrompt  # noqa: E402
from deepseek_ocr_rag.model.prompts import MODES, TASKS  # noqa: E402
from deepseek_ocr_rag.model.tokenizer import ModelTokenizer, prompt_ids  # noqa: E402
from deepseek_ocr_rag.model.views import page_views  # noqa: E402

# A server and a network of its own, for a figure that changes when llama.cpp does.
pytestmark = pytest.mark.long

PROMPT = TASKS["document"].prompt

LAYERS = int(os.environ.get("DSOCR_TOWER_LAYERS", "3"))

PAGES = 4 if LAYERS > 3 else 1

TOP = 20
"""Scores that are compared, of the tokens that the server likes best."""


@dataclass(frozen=True, slots=True)
class Engines:
    url: str
    model: Any
    checkpoint: Path

    def server_scores(self, page: Image.Image) -> tuple[dict[int, float], int]:
        """Return the log-probabilities of the likeliest first tokens, and the prompt's length."""
        file = io.BytesIO()
        page.save(file, "PNG")
        picture = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
        content = [
            {"type": "image_url", "image_url": {"url": picture}},
            {"type": "text", "text": PROMPT},
        ]
        body = {
            "messages": [{"role": "user", "content": content}],
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": True,
            "top_logprobs": TOP,
            "cache_prompt": False,
        }
        answer = httpx.post(f"{self.url}/v1/chat/completions", json=body, timeout=120).json()
        [first] = answer["choices"][0]["logprobs"]["content"]
        scores = {token["id"]: token["logprob"] for token in first["top_logprobs"]}
        return scores, answer["usage"]["prompt_tokens"]

    def exact_scores(self, page: Image.Image, mode: str) -> Any:
        """Compute the log-probabilities of all first tokens, as the published code sees the page."""
        family = FAMILIES["deepseek-ocr"]
        views = page_views(page, MODES[mode], family)
        count = family.image_tokens(views.side, views.grid)
        tokenizer = ModelTokenizer.from_file(find_checkpoint(self.checkpoint).tokenizer)
        ids = prompt_ids(tokenizer, family.prompt(TASKS["document"]), count)
        logits = first_logits(self.model, PagePrompt(ids, views, NoRepeat(0), 1))
        return torch.log_softmax(logits, -1)


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    published = published_files()
    if published is None:
        pytest.skip("no ../shared/deepseek-ocr-files: the published tokenizer is not here")
    if llama_build() < FIRST_BUILD:
        pytest.skip(f"no llama.cpp of build {FIRST_BUILD} or newer: pip install -U xllamacpp")
    sizes = replace(SMALL, sam_layers=LAYERS, clip_layers=LAYERS, positions=2048)
    folder = write_random_checkpoint(tmp_path_factory.mktemp("random") / "model", published, sizes)
    files = (
        write_language_model(folder, folder.parent / "model.gguf", exact=True),
        write_projector(folder, folder.parent / "mmproj.gguf", exact=True),
    )
    model = load_model(find_checkpoint(folder), dtype=torch.float32, device_map={"": "cpu"})
    with LlamaServer(*files, context=2048) as server:
        yield Engines(server.url, model, folder)


def page(number: int, long_side: int) -> Image.Image:
    """A page of text lines, with the proportions of A4."""
    image = Image.new("RGB", (round(long_side / 2**0.5), long_side), "white")
    draw = ImageDraw.Draw(image)
    for line in range(3 + 5 * number):
        draw.text((20, 20 + 16 * line), f"page {number}, line {line * number} " * 3, fill="black")
    return image


def differences(engines: Engines, long_side: int, mode: str, tokens: int) -> list[float]:
    """The largest difference between the scores of each page."""
    found = []
    for number in range(PAGES):
        scores, prompt = engines.server_scores(page(number, long_side))
        assert prompt == tokens + 10  # and the newline that llama.cpp adds
        exact = engines.exact_scores(page(number, long_side), mode)
        found.append(max(abs(score - float(exact[token])) for token, score in scores.items()))
    return found


def test_a_page_that_is_not_cut_into_tiles_is_computed_exactly(engines: Engines) -> None:
    apart = differences(engines, 640, "base", 273)
    print(f"\n{LAYERS} layers, not cut: {apart}")
    assert max(apart) < 0.02


def test_a_page_that_is_cut_into_tiles_is_not_computed_exactly(engines: Engines) -> None:
    """If this fails, llama.cpp was fixed: say so in docs/guides/engines.md."""
    apart = differences(engines, 1024, "gundam", 903)
    print(f"\n{LAYERS} layers, cut: {apart}")
    assert min(apart) > 0.1
