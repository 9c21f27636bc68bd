"""What eight bits cost the golden pages: tokens that the published code wrote, and the engine writes too.

    python benchmarks/engine/golden_tokens.py ../shared/golden/deepseek-ocr-tiny [--device cuda] [--type bfloat16]

For each setting of cache, weights and vision, each golden page is written once with 64 tokens. Counted are
pages of which all tokens are the published ones (up to the first that rounding may decide), and the
tokens before the first that differs. The golden network has random weights, whose best tokens lie close
together: where a setting writes another one here, it chose between near equals. What is not in eight
bits is float32, or of the type that is asked for.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from PIL import Image

from deepseek_ocr_rag.engine.engine import Engine
from deepseek_ocr_rag.engine.kv_cache import CacheType
from deepseek_ocr_rag.engine.ops import Ops
from deepseek_ocr_rag.engine.reference_ops import ReferenceOps
from deepseek_ocr_rag.engine.runner import Runner
from deepseek_ocr_rag.engine.scheduler import Scheduler
from deepseek_ocr_rag.engine.sequence import PageTask
from deepseek_ocr_rag.engine.weights.config import engine_config
from deepseek_ocr_rag.engine.weights.loading import load_weights
from deepseek_ocr_rag.engine.weights.quantization import WeightType, quantized
from deepseek_ocr_rag.model.families import FAMILIES
from deepseek_ocr_rag.model.ngrams import NoRepeat
from deepseek_ocr_rag.model.prompts import Mode
from deepseek_ocr_rag.model.views import page_views

TOKENS = 64
TIE = 1e-3
FAMILY = FAMILIES["deepseek-ocr"]


def tasks(golden: Path) -> list[tuple[PageTask, list[int]]]:
    """The golden pages, and the published tokens before the first tie."""
    found = []
    for facts in json.loads((golden / "cases.json").read_text()):
        folder = golden / facts["name"]
        arrays = np.load(folder / "expected.npz")
        close = np.flatnonzero(arrays["logits_top"][:, 0] - arrays["logits_top"][:, 1] < TIE)
        steps = int(close[0]) if len(close) else TOKENS
        side = facts["base_size"]
        mode = Mode("golden", side, facts["image_size"], crop=facts["crop_mode"], long_side=side)
        with Image.open(folder / "page.png") as image:
            views = page_views(image, mode, FAMILY)
        task = PageTask(
            arrays["input_ids"].ravel().tolist(),
            views,
            NoRepeat(facts["no_repeat_ngram_size"]),
            TOKENS,
            min_new_tokens=TOKENS,
        )
        found.append((task, arrays["greedy"].tolist()[:steps]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("golden", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--type", default="float32", choices=("float32", "bfloat16"))
    arguments = parser.parse_args()
    checkpoint = arguments.golden / "checkpoint"
    config = engine_config(json.loads((checkpoint / "config.json").read_text()))
    plain = load_weights(
        config,
        [checkpoint / "model.safetensors"],
        dtype=getattr(torch, arguments.type),
        device=arguments.device,
    )
    cases = tasks(arguments.golden)
    print(
        f"{len(cases)} pages in {arguments.type}, {sum(len(expected) for _, expected in cases)} tokens"
    )
    ops: Ops = ReferenceOps()
    if arguments.device != "cpu":
        from deepseek_ocr_rag.engine.kernels.kernel_ops import KernelOps

        ops = KernelOps()
    settings = [(cache, "model", "model") for cache in get_args(CacheType)]
    settings += [("model", kind, "model") for kind in get_args(WeightType)[1:]]
    settings += [("model", "model", "fp8"), ("fp8", "fp8", "fp8")]
    for cache, kind, vision in settings:
        weights = quantized(plain, kind, vision)
        runner = Runner(config, weights, ops, slots=4, blocks=80, cache=cache)
        engine = Engine(runner, Scheduler(slots=4, blocks=80), 8192)
        same, before = 0, 0
        for task, expected in cases:
            written = engine.submit(task).result(600).tokens[: len(expected)]
            differing = [
                n
                for n, pair in enumerate(zip(written, expected, strict=True))
                if len(set(pair)) > 1
            ]
            same += not differing
            before += differing[0] if differing else len(expected)
        engine.close()
        print(
            f"cache {cache}, weights {kind}, vision {vision}: {same} pages as published, "
            f"{before} tokens before another",
            flush=True,
        )


if __name__ == "__main__":
    with torch.inference_mode():
        main()
