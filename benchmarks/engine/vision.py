"""What seeing a page costs on a GPU, and where the time goes.

    python benchmarks/engine/vision.py [check] [pages] [parts] [matrices] [tilings] [pixels]
    python benchmarks/engine/vision.py check pages parts --vision fp8 [--model deepseek-ocr-2]

A page is a gundam view of 2 x 3 tiles: one picture of 1,024 and six of 640
pixels (768 for DeepSeek-OCR-2). The weights are random and of the published sizes. Times are
medians of many runs between CUDA events.
"""

from __future__ import annotations

import argparse
import time
import traceback
from collections import Counter
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import partial

import numpy as np
import torch
from gpu_time import milliseconds
from PIL import Image
from torch import Tensor

from deepseek_ocr_rag.engine.kernels.window_attention import WindowTuning, window_attention
from deepseek_ocr_rag.engine.vision import sam_attention
from deepseek_ocr_rag.engine.vision.preprocessing import page_tensors
from deepseek_ocr_rag.engine.vision.towers import Vision
from deepseek_ocr_rag.engine.vision.view_batches import usable_sizes
from deepseek_ocr_rag.engine.weights.config import PUBLISHED, EngineConfig, QwenConfig
from deepseek_ocr_rag.engine.weights.loading import random_weights
from deepseek_ocr_rag.engine.weights.quantization import quantized
from deepseek_ocr_rag.engine.weights.tensors import VisionWeights
from deepseek_ocr_rag.model.families import FAMILIES, Family
from deepseek_ocr_rag.model.prompts import MODES
from deepseek_ocr_rag.model.views import page_views

FLOPS_OF_A_PAGE = 3.47e12
"""Of DeepSeek-OCR."""

TILES = 6
CUDA = torch.device("cuda")
SECOND = replace(
    PUBLISHED, sam=replace(PUBLISHED.sam, widths=(512, 896)), second=QwenConfig(width=896)
)
"""DeepSeek-OCR-2, whose decoder is not used here."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page's views, ready."""

    global_view: Tensor
    tiles: Tensor
    grid: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Towers:
    """What is measured, and the same weights as they are published."""

    family: Family
    config: EngineConfig
    weights: VisionWeights
    plain: VisionWeights

    def vision(self, *, capture: bool | None = None) -> Vision:
        return Vision(self.config, self.weights, capture=capture)

    def page(self) -> Page:
        side = self.family.tile_side
        return Page(random_bytes(3, 1024, 1024), random_bytes(TILES, 3, side, side), (2, 3))


def random_bytes(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, device=CUDA)


def of_type(weights, dtype: torch.dtype):
    """The same numbers in another type."""
    if isinstance(weights, Tensor):
        return weights.to(dtype)
    if isinstance(weights, tuple):
        return tuple(of_type(part, dtype) for part in weights)
    if is_dataclass(weights):
        parts = {field.name: getattr(weights, field.name) for field in fields(weights)}
        return type(weights)(**{name: of_type(part, dtype) for name, part in parts.items()})
    return weights


def check(towers: Towers) -> None:
    """How far bfloat16 or fp8 with the kernels is from float32 without them."""
    exact = Vision(towers.config, of_type(towers.plain, torch.float32), capture=False)
    vision, direct = towers.vision(), towers.vision(capture=False)
    for side in (1024, 640, 512, 1280):
        views = random_bytes(1, 3, side, side)
        expected = exact.features(views)
        found = vision.features(views).float()
        error = float((found - expected).norm() / expected.norm())
        print(f"  side {side:5}: relative difference {error:.2e}")
    pages = [towers.page(), towers.page()]
    together = vision.embed(pages)
    alone = [direct.embed([one])[0] for one in pages]
    worst = max(float((a - b).norm() / b.norm()) for a, b in zip(together, alone, strict=True))
    print(f"  two pages replayed as a graph, against one by one: {worst:.2e}")


def pages(towers: Towers) -> None:
    """Whole pages, views in the GPU's memory."""
    vision, direct = towers.vision(), towers.vision(capture=False)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    print("  pages  graphs ms  a page  TFLOP/s  without graphs ms")
    for count in (1, 4, 16):
        batch = [towers.page() for _ in range(count)]
        begin = time.perf_counter()
        vision.embed(batch)
        torch.cuda.synchronize()
        first = time.perf_counter() - begin
        took = milliseconds(partial(vision.embed, batch))
        without = milliseconds(partial(direct.embed, batch), repeats=5)
        rate = FLOPS_OF_A_PAGE * count / took / 1e9
        told = f"{rate:8.0f}" if towers.config is PUBLISHED else f"{'-':>8}"
        print(
            f"  {count:5} {took:10.2f} {took / count:7.2f} {told} {without:12.2f}"
            f"   (first time {first:.2f} s)"
        )
    small = towers.family.tile_side
    most = {side: usable_sizes((side // 16) ** 2)[0] for side in (1024, small)}
    for side, count in (*most.items(), (1024, 1), (small, 6)):
        batch = random_bytes(count, 3, side, side)
        took = milliseconds(partial(vision.features, batch))
        print(f"  {count} views of {side}: {took:.2f} ms, {count / took * 1e3:.0f} a second")
    used = torch.cuda.max_memory_allocated() - before
    print(f"  memory besides the weights: {used / 2**30:.2f} GiB")


KINDS = (
    ("attention over pictures", ("_over_pictures",)),
    ("attention within windows", ("_within_windows",)),
    ("their relative positions", ("_terms",)),
    ("attention of the second tower", ("_attend_prompts", "flash", "fmha", "attention")),
    ("norms", ("layer_norm",)),
    ("activations", ("_quick_gelu", "_gelu_in_fp8")),
    ("convolutions", ("_convolved",)),
    ("matrix products", ("nvjet", "gemm", "cutlass", "cublas", "splitK")),
)


def parts(towers: Towers) -> None:
    """Where a page's time goes, over the kernels of four pages."""
    direct = towers.vision(capture=False)
    count = 4
    batch = [towers.page() for _ in range(count)]
    direct.embed(batch)
    only_gpu = [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=only_gpu, acc_events=True) as profile:
        direct.embed(batch)
        torch.cuda.synchronize()
    spent: Counter[str] = Counter()
    others: Counter[str] = Counter()
    for event in profile.key_averages():
        took = event.self_device_time_total / 1e3 / count
        kind = next((k for k, marks in KINDS if any(m in event.key for m in marks)), "the rest")
        spent[kind] += took
        if kind == "the rest":
            others[event.key[:90]] += took
    for kind, took in spent.most_common():
        print(f"  {kind:32} {took:6.3f} ms a page")
    for kind, took in others.most_common(8):
        print(f"    {took:6.3f} {kind}")
    print(f"  {'together':32} {sum(spent.values()):6.3f}")


def matrices(_: Towers) -> None:
    """What the matrix products alone reach."""
    shapes = ((768, 2304), (768, 768), (768, 3072), (3072, 768), (1024, 4096), (4096, 1024))
    for rows in (6 * 1600, 24 * 1600):
        for inputs, outputs in shapes:
            values = torch.randn(rows, inputs, device=CUDA, dtype=torch.bfloat16)
            matrix = torch.randn(outputs, inputs, device=CUDA, dtype=torch.bfloat16)
            bias = torch.randn(outputs, device=CUDA, dtype=torch.bfloat16)
            took = milliseconds(partial(torch.nn.functional.linear, values, matrix, bias))
            rate = 2 * rows * inputs * outputs / took / 1e9
            print(f"  {rows} x {inputs} -> {outputs}: {took:.3f} ms, {rate:.0f} TFLOP/s")


PICTURES = ((64, 4, 2), (64, 4, 3), (64, 4, 4), (128, 8, 3))
WINDOWS = ((64, 4, 1), (64, 8, 1), (128, 8, 1))
"""Queries, warps, stages."""


def tilings(_: Towers) -> None:
    """The square attention cut in other ways; relative positions included."""
    heads, width = PUBLISHED.sam.heads, PUBLISHED.sam.head_width
    for side, grid, pictures in ((64, 64, 4), (40, 40, 24), (14, 64, 4), (14, 40, 24)):
        qkv = torch.randn(pictures, grid, grid, 3 * heads * width, device=CUDA).bfloat16()
        bias = torch.randn(3 * heads * width, device=CUDA).bfloat16()
        tables = [torch.randn(2 * side - 1, width, device=CUDA).bfloat16() * 0.1 for _ in range(2)]
        squares = (grid / side) ** 2 * pictures
        flops = 4 * squares * side**4 * heads * width
        exact = sam_attention.window_attention(
            qkv[:1].float(), bias.float(), *(t.float() for t in tables), heads=heads
        )
        print(f"  squares of {side} in grids of {grid}")
        for cut in WINDOWS if side < grid else PICTURES:
            tuning = WindowTuning(*cut)
            run = partial(window_attention, qkv, bias, *tables, heads=heads, tuning=tuning)
            try:
                error = float((run()[:1].float() - exact).norm() / exact.norm())
                took = milliseconds(run)
            except Exception as failed:
                print(f"    {cut}: {type(failed).__name__}: {str(failed)[:80]}")
                continue
            rate = flops / took / 1e9
            print(f"    {cut!s:18} {took:7.3f} ms {rate:4.0f} TFLOP/s  error {error:.1e}")


def pixels(_: Towers) -> None:
    """From a page image of 200 dpi to its views."""
    mode, family = MODES["gundam"], FAMILIES["deepseek-ocr"]
    image = np.random.default_rng(0).integers(0, 256, (2200, 1700, 3), dtype=np.uint8)
    begin = time.perf_counter()
    expected = page_views(Image.fromarray(image), mode, family)
    by_pillow = (time.perf_counter() - begin) * 1e3
    host = torch.from_numpy(image).pin_memory()
    found = page_tensors(host.to(CUDA), mode, family)
    same = all(
        np.array_equal(getattr(expected, part), getattr(found, part).cpu().numpy())
        for part in ("global_view", "tiles")
    )
    took = milliseconds(lambda: page_tensors(host.to(CUDA, non_blocking=True), mode, family))
    print(f"  Pillow {by_pillow:.1f} ms, here {took:.2f} ms, the same bytes: {same}")


SECTIONS = {
    section.__name__: section for section in (check, pages, parts, matrices, tilings, pixels)
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", default=[*SECTIONS], metavar="SECTION")
    parser.add_argument("--vision", default="model", choices=("model", "fp8"))
    parser.add_argument(
        "--model", default="deepseek-ocr", choices=("deepseek-ocr", "deepseek-ocr-2")
    )
    options = parser.parse_args()
    begin = time.perf_counter()
    config = SECOND if options.model == "deepseek-ocr-2" else PUBLISHED
    weights = random_weights(config, device=CUDA)
    stored = quantized(weights, "model", options.vision)
    towers = Towers(FAMILIES[options.model], config, stored.vision, weights.vision)
    torch.cuda.synchronize()
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    print(f"{options.model}, vision {options.vision}")
    for name in options.sections:
        print(f"{name} ({time.perf_counter() - begin:.0f} s)")
        try:
            SECTIONS[name](towers)
        except Exception:
            # The others are still worth their time on the card.
            traceback.print_exc()


if __name__ == "__main__":
    main()
