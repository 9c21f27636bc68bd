"""What the local engine does on a GPU: steps, single pages, throughput, start, memory.

    python benchmarks/engine/engine.py FOLDER TOKENIZER.JSON [--only steps,single,...]

FOLDER gets a checkpoint of DeepSeek-OCR's published sizes with random weights
(6.67 GB) if it has none. A page is mode gundam with 2 x 3 tiles (912 prompt
tokens) and 1,000 tokens of text; random weights find no end, so that every page
is as long. The rule against repeats is on.
"""

from __future__ import annotations

import argparse
import gc
import random
import statistics
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from gpu_time import milliseconds
from host_memory import HostMemory, host_memory
from PIL import Image, ImageDraw
from random_checkpoint import write
from rendering import make_pdf
from torch import Tensor

from deepseek_ocr_rag import Reader
from deepseek_ocr_rag.backends.attempts import AttemptSettings
from deepseek_ocr_rag.backends.base import PageRequest, Reply
from deepseek_ocr_rag.backends.local.backend import LocalBackend
from deepseek_ocr_rag.backends.model_settings import ModelSettings
from deepseek_ocr_rag.engine.block_pool import BLOCK_SIZE
from deepseek_ocr_rag.engine.decoder import Decoder
from deepseek_ocr_rag.engine.engine import Engine
from deepseek_ocr_rag.engine.kernels.kernel_ops import KernelOps
from deepseek_ocr_rag.engine.kv_cache import KVCache
from deepseek_ocr_rag.engine.ops import StepRows
from deepseek_ocr_rag.engine.prefill import PrefillRequest
from deepseek_ocr_rag.engine.runner import PageImage, Runner
from deepseek_ocr_rag.engine.scheduler import Scheduler
from deepseek_ocr_rag.engine.sequence import PageTask
from deepseek_ocr_rag.engine.slots import Slots
from deepseek_ocr_rag.engine.startup import EngineSettings, start_engine
from deepseek_ocr_rag.engine.weights.config import PUBLISHED
from deepseek_ocr_rag.engine.weights.loading import random_weights
from deepseek_ocr_rag.engine.weights.quantization import quantize_decoder
from deepseek_ocr_rag.engine.weights.tensors import EngineWeights
from deepseek_ocr_rag.model.checkpoint import find_checkpoint
from deepseek_ocr_rag.model.families import FAMILIES
from deepseek_ocr_rag.model.ngrams import NoRepeat
from deepseek_ocr_rag.model.prompts import MODES
from deepseek_ocr_rag.model.tokenizer import IMAGE

FAMILY = FAMILIES["deepseek-ocr"]
RULE = NoRepeat(30, 90, frozenset({128821, 128822}))
TOKENS = 1000
PICTURE = 903
PROMPT = [0, *[IMAGE] * PICTURE, *range(100, 108)]
SIZES = PUBLISHED.decoder
CUDA = torch.device("cuda")

Row = tuple[str, str, str]
"""What was measured, the figure, and the target."""


class Bench:
    """A decoder whose sequences have a past of random numbers."""

    def __init__(self, weights: EngineWeights, rows: int, context: int, kind: str) -> None:
        self.rows, self.context = rows, context
        self.slots = Slots.empty(rows, positions=SIZES.max_positions, device=CUDA)
        pages = -(-(context + 2 * BLOCK_SIZE) // BLOCK_SIZE)
        cache = KVCache.empty(SIZES, 1 + rows * pages, device=CUDA, kind=kind)
        for stored in (cache.keys, cache.values):
            for layer in stored:
                layer.copy_(torch.randn(layer.shape, dtype=torch.bfloat16, device=CUDA))
        for scales in (cache.key_scales, cache.value_scales):
            if scales is not None:
                scales.fill_(0.02)
        order = torch.randperm(rows * pages, device=CUDA).int() + 1
        self.slots.block_table[:rows, :pages] = order.view(rows, pages)
        self.slots.history.random_(3, 120_000)
        self.slots.sizes[:rows] = RULE.size
        self.slots.windows[:rows] = RULE.window
        self.decoder = Decoder(SIZES, weights.decoder, KernelOps(), cache, self.slots)
        self.rewind()

    def rewind(self) -> None:
        self.slots.lengths[: self.rows] = self.context
        self.slots.prompts[: self.rows] = min(912, self.context)

    def step(self, queries: int = 1) -> torch.cuda.CUDAGraph:
        """A recorded step."""
        slots = torch.arange(self.rows, dtype=torch.int32, device=CUDA)
        rows = StepRows(slots, torch.full_like(slots, queries - 1), queries)
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            self.decoder.step(rows)
        stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.decoder.step(rows)
        self.rewind()
        return graph


def profiled(graph: torch.cuda.CUDAGraph, title: str) -> None:
    """Print where a step's time goes."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        for _ in range(4):
            graph.replay()
        torch.cuda.synchronize()
    events = sorted(seen.key_averages(), key=lambda event: -event.device_time_total)
    total = sum(event.device_time_total for event in events) / 4
    print(f"\n{title}: {total:.0f} us in kernels")
    for event in events[:14]:
        share = event.device_time_total / 4
        print(f"  {share:8.1f} us {event.count // 4:4d} x {event.key[:60]}")


def steps() -> list[Row]:
    """The decode step by itself, and the prefill."""
    weights = random_weights(PUBLISHED, device=CUDA, deviation=0.02)
    stored_weights: dict[str, EngineWeights] = {"model": weights}
    found: list[Row] = []
    cases = [
        (1, 1, "model", "model", "2.0"),
        (1, 4, "model", "model", ""),
        (1, 8, "model", "model", ""),
        (1, 16, "model", "model", ""),
        (4, 1, "model", "model", ""),
        (16, 1, "model", "model", ""),
        (64, 1, "model", "model", ""),
        (256, 1, "model", "model", "7.5"),
        (256, 1, "fp8", "model", "5.0"),
        (512, 1, "model", "model", ""),
        (512, 1, "fp8", "model", ""),
        (1, 1, "model", "int8", ""),
        (256, 1, "fp8", "int8", ""),
        (1, 1, "model", "fp8", ""),
        (8, 1, "model", "model", ""),
        (8, 1, "fp8", "model", ""),
        (8, 1, "model", "fp8", ""),
        (32, 1, "model", "model", ""),
        (32, 1, "fp8", "model", ""),
        (32, 1, "model", "fp8", ""),
        (256, 1, "model", "fp8", ""),
        (512, 1, "model", "fp8", ""),
        (512, 1, "fp8", "fp8", ""),
    ]
    for rows, queries, kind, stored, target in cases:
        if stored not in stored_weights:
            stored_weights[stored] = quantize_decoder(weights, stored)
        bench = Bench(stored_weights[stored], rows, 1400, kind)
        graph = bench.step(queries)
        time_ms = milliseconds(graph.replay)
        rate = rows / time_ms * 1000
        name = f"step of {rows} x {queries}, context 1,400, cache {kind}, weights {stored}"
        found.append((name, f"{time_ms:.3f} ms, {rate:.0f} tokens/s", target and f"{target} ms"))
        if (queries == 1 and rows in (1, 256)) or queries == 8:
            bench.rewind()
            profiled(graph, name)
        del bench, graph
        gc.collect()
        torch.cuda.empty_cache()
    for count in (1, 4, 8):
        bench = Bench(weights, count, 928, "model")
        picture = torch.randn(PICTURE, SIZES.width, dtype=torch.bfloat16, device=CUDA)
        prompts = [PrefillRequest(slot, PROMPT, picture) for slot in range(count)]
        time_ms = milliseconds(lambda b=bench, p=prompts: b.decoder.prefill(p))
        found.append((f"prefill of {count} pages", f"{time_ms / count:.2f} ms a page", ""))
    return found


def page_image(mark: int = 0) -> PageImage:
    image = Image.new("RGB", (1240, 1754), "white")
    draw = ImageDraw.Draw(image)
    for line in range(60):
        text = f"words of page {mark} of ordinary length " * 4
        draw.text((90, 60 + 27 * line), text, fill="black")
    pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    # As the engine's process receives it.
    pixels = pixels.view(image.height, image.width, 3).pin_memory()
    return PageImage(pixels, MODES["gundam"], FAMILY)


def task(picture: PageImage, tokens: int = TOKENS, **more: object) -> PageTask:
    return PageTask(PROMPT, picture, RULE, tokens, min_new_tokens=tokens, **more)


class Forced(KernelOps):
    """Writes a text that is given: what the model would write if it were that text."""

    def __init__(self, text: list[int]) -> None:
        self._text = torch.tensor(text, dtype=torch.int64, device=CUDA)

    def sample(self, logits: Tensor, rows: StepRows, state: Slots, end: int) -> Tensor:
        each = torch.arange(1, 1 + rows.queries, device=CUDA)
        place = state.lengths[rows.slots] - state.prompts[rows.slots]
        place = (place[:, None] + each).clamp(0, len(self._text) - 1).flatten()
        logits.scatter_(1, self._text[place][:, None], 1e4)
        return super().sample(logits, rows, state, end)


def single() -> list[Row]:
    """One page alone: plain, and with drafts of which 80 % are right."""
    config, weights = PUBLISHED, random_weights(PUBLISHED, device=CUDA)
    random.seed(0)
    text = [random.randrange(3, 120_000) for _ in range(TOKENS)]
    draft = [token if random.random() < 0.8 else random.randrange(3, 120_000) for token in text]
    runner = Runner(config, weights, Forced(text), slots=4, blocks=600)
    runner.capture()
    engine = Engine(runner, Scheduler(slots=4, blocks=600), SIZES.max_positions)
    picture = page_image()
    found = []
    for name, source, target in (("plain", [], 500), ("drafts 80 % right", draft, 1500)):
        firsts, rates = [], []
        for _ in range(4):
            start = time.perf_counter()
            tokens = iter(engine.submit(task(picture, source=source)))
            written = [next(tokens)]
            first = time.perf_counter()
            written += tokens
            end = time.perf_counter()
            if written != text:
                raise SystemExit("the text that was forced was not written")
            firsts.append(first - start)
            rates.append((TOKENS - 1) / (end - first))
        found.append((f"first token, {name}", f"{min(firsts[1:]) * 1e3:.1f} ms", "60 ms"))
        rate = statistics.median(rates[1:])
        found.append((f"single page, {name}", f"{rate:.0f} tokens/s", f"{target} tokens/s"))
    engine.close()
    return found


def throughput(folder: Path, kinds: list[str], pages: int = 512) -> list[Row]:
    """Many pages from their images in memory to their tokens."""
    found = []
    checkpoint = find_checkpoint(folder)
    for kind in kinds:
        start = time.perf_counter()
        engine = start_engine(checkpoint, EngineSettings(cache=kind))
        ready = time.perf_counter() - start
        pictures = [page_image(mark) for mark in range(8)]
        start = time.perf_counter()
        writings = [engine.submit(task(pictures[n % 8])) for n in range(pages)]
        written = sum(len(writing.result().tokens) for writing in writings)
        seconds = time.perf_counter() - start
        engine.close()
        found.append((f"start, cache {kind}", f"{ready:.1f} s", "15 s"))
        rate = f"{pages / seconds:.1f} pages/s, {written / seconds:.0f} tokens/s"
        found.append((f"{pages} pages, {engine.slots} at once, cache {kind}", rate, "20 pages/s"))
        del engine
        gc.collect()
        torch.cuda.empty_cache()
    return found


def small_card(folder: Path, pages: int = 1000) -> list[Row]:
    """As if the card had 16 GB."""
    settings = EngineSettings(cache="fp8", memory_limit=16 * 10**9)
    engine = start_engine(find_checkpoint(folder), settings)
    picture = page_image()
    start = time.perf_counter()
    writings = [engine.submit(task(picture)) for _ in range(pages)]
    written = sum(len(writing.result().tokens) for writing in writings)
    seconds = time.perf_counter() - start
    peak = torch.cuda.max_memory_reserved() / 1e9
    engine.close()
    # For the parts that come after it in this process.
    torch.cuda.set_per_process_memory_fraction(1.0)
    name = f"{pages} pages on 16 GB, {engine.slots} at once"
    return [(name, f"{written / TOKENS / seconds:.1f} pages/s, {peak:.1f} GB", "completes")]


class Counted(LocalBackend):
    """Counts the tokens of its replies."""

    tokens = 0

    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        for reply in super().read(requests):
            self.tokens += reply.tokens
            yield reply


def drawn(settings: ModelSettings, request: PageRequest) -> AttemptSettings:
    """How a page is asked for, its tokens drawn by their probabilities."""
    return AttemptSettings(request.task, request.resolution, settings.no_repeat, temperature=1.0)


def documents(folder: Path, kinds: list[str], weights: str, pages: int = 512) -> list[Row]:
    """A PDF from the disk to blocks, through the whole package."""
    # Greedy, random weights write loops, in which more is looked for than in a page.
    ModelSettings.first = drawn  # type: ignore[method-assign]
    pdf = folder / f"{pages} pages.pdf"
    make_pdf(pdf, pages)
    found = []
    for kind in kinds:
        name = f"cache {kind}, weights {weights}"
        begin = time.perf_counter()
        backend = Counted(folder, cache=kind, weights=weights, max_new_tokens=TOKENS, attempts=1)
        backend.load()
        ready = time.perf_counter() - begin
        found.append((f"process ready, {name}", f"{ready:.1f} s", "15 s"))
        # Without the cache: a page that was read once would not be read again.
        with Reader(backend, cache=False) as reader:
            start = time.perf_counter()
            ends, errors = [], []
            for page in reader.iter_pages(pdf):
                ends.append(time.perf_counter() - start)
                if page.error is not None:
                    errors.append(page.error)
            seconds = ends[-1]
        memory = host_memory(peak=True)
        if errors:
            print(f"{len(errors)} pages failed, the first: {errors[0]}")
        written = backend.tokens / pages
        rate = f"{pages / seconds:.1f} pages/s of {written:.0f} tokens, {len(errors)} failed"
        found.append((f"PDF of {pages} pages to blocks, {name}", rate, "20 pages/s"))
        tenths = " ".join(f"{ends[pages * n // 10 - 1]:.1f}" for n in range(1, 11))
        found.append((f"its first page and its tenths, {name}", f"{ends[0]:.1f}; {tenths} s", ""))
        most = f"{memory.own:.0f} MB reading, {memory.child:.0f} MB engine"
        found.append((f"host memory at most, {name}", most, ""))
        backend.close()
        del backend
        gc.collect()
        torch.cuda.empty_cache()
    return found


def memory(folder: Path, pages: int = 2000) -> list[Row]:
    """What the host keeps while a long PDF is read page by page; a page has 200 tokens."""
    pdf = folder / f"{pages} pages.pdf"
    make_pdf(pdf, pages)
    seen: list[HostMemory] = []
    with Reader(
        LocalBackend(folder, max_new_tokens=200, attempts=1, gpu_memory_limit=40), cache=False
    ) as reader:
        for number, _ in enumerate(reader.iter_pages(pdf), 1):
            if number % (pages // 4) == 0:
                seen.append(host_memory())
    parts = [f"{each.own:.0f} + {each.child:.0f}" for each in seen]
    return [(f"MB after each quarter of {pages} pages", ", ".join(parts), "flat")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("--only", default="steps,single,throughput,small_card,documents,memory")
    parser.add_argument("--cache", default="model,fp8")
    parser.add_argument(
        "--weights", default="model", choices=("model", "int8", "fp8", "int8-all", "fp8-all")
    )
    arguments = parser.parse_args()
    folder, kinds = arguments.folder, arguments.cache.split(",")
    write(folder, arguments.tokenizer)
    parts = {
        "steps": steps,
        "single": single,
        "throughput": lambda: throughput(folder, kinds),
        "small_card": lambda: small_card(folder),
        "documents": lambda: documents(folder, kinds, arguments.weights),
        "memory": lambda: memory(folder),
    }
    found: list[Row] = []
    for part in arguments.only.split(","):
        rows = parts[part]()
        found += rows
        for row in rows:
            print(*row, sep=" | ", flush=True)
        gc.collect()
        torch.cuda.empty_cache()
    print()
    for name, figure, target in found:
        print(f"{name:48s} {figure:32s} {target and f'target {target}'}")


if __name__ == "__main__":
    with torch.inference_mode():
        main()
