"""The local engine under a mixed load: real text lengths, real page sizes, several arrivals.

    python benchmarks/engine/mixed_load.py draw LOAD.JSON TOKENIZER.JSON
    python benchmarks/engine/mixed_load.py count LOAD.JSON [--cache fp8] [--only once,drawn]
    python benchmarks/engine/mixed_load.py run LOAD.JSON FOLDER [--cache fp8] [--weights fp8] [--vision fp8]

``draw`` collects the lengths in tokens of the outputs in ``../shared/model-outputs``, each as far
as the watch for loops lets it get, and the page sizes of the PDFs in ``../shared/corpus``; it needs no GPU, and neither does
``count``: the engine's loop orders the drawn pages for a device whose time is only counted. ``run`` has a checkpoint
write texts of such lengths, drawn with a fixed seed (FOLDER: see random_checkpoint.py):
all pages at once, pages that arrive as a stream, a few pages at once, and a page beside a
long job. Pages are pictures in memory.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from free_engine import CountedRunner

from deepseek_ocr_rag.backends.local.engine_worker import TOKENS_PER_FRAME
from deepseek_ocr_rag.backends.page_text import LoopWatch
from deepseek_ocr_rag.engine.engine import Engine, GenerationHandle
from deepseek_ocr_rag.engine.runner import PageImage
from deepseek_ocr_rag.engine.scheduler import Scheduler
from deepseek_ocr_rag.engine.sequence import PageTask
from deepseek_ocr_rag.engine.startup import PREFILL_TOKENS, EngineSettings, start_engine
from deepseek_ocr_rag.model.checkpoint import find_checkpoint
from deepseek_ocr_rag.model.families import FAMILIES
from deepseek_ocr_rag.model.ngrams import NoRepeat
from deepseek_ocr_rag.model.prompts import MODES
from deepseek_ocr_rag.model.tokenizer import IMAGE, ModelTokenizer
from deepseek_ocr_rag.model.views import page_grid

SHARED = Path(__file__).resolve().parents[3] / "shared"
FAMILY = FAMILIES["deepseek-ocr"]
MODE = MODES["gundam"]
RULE = NoRepeat(30, 90, frozenset({128821, 128822}))
LONGEST = 7000
TEXT = tuple(range(100, 108))
RATES = (5, 10, 20)
STREAMED = 120
JOB_TOKENS = 1000
PROMPT = 912


def written_tokens(tokenizer: ModelTokenizer, text: str) -> int:
    """Count the tokens of a text until the reading process would end it as a loop."""
    ids = tokenizer.encode(text)[:LONGEST]
    watch = LoopWatch(tokenizer)
    for start in range(0, len(ids), TOKENS_PER_FRAME):
        if watch(ids[start : start + TOKENS_PER_FRAME]):
            return min(len(ids), start + TOKENS_PER_FRAME)
    return len(ids)


def draw(load: Path, tokenizer_file: Path) -> None:
    """Write the lengths and sizes to draw from."""
    import pypdfium2

    tokenizer = ModelTokenizer.from_file(tokenizer_file)
    folder = SHARED / "model-outputs"
    outputs = json.loads((folder / "manifest.json").read_text())
    lengths = [
        written_tokens(tokenizer, (folder / output["file"]).read_text(encoding="utf-8"))
        for output in outputs
        if output["pages"] == 1
    ]
    sizes = []
    for pdf in sorted((SHARED / "corpus").rglob("*.pdf")):
        if "hostile" in pdf.parts:
            continue
        with pypdfium2.PdfDocument(pdf) as document:
            for page in range(min(3, len(document))):
                width, height = document.get_page_size(page)
                scale = MODE.long_side / max(width, height)
                sizes.append((round(width * scale), round(height * scale)))
    load.write_text(json.dumps({"lengths": [n for n in lengths if n], "sizes": sizes}))
    print(
        f"{len(lengths)} texts, median {statistics.median(lengths)}, mean {statistics.mean(lengths):.0f}"
    )
    print(f"{len(sizes)} page sizes, {len(set(sizes))} different ones")


@dataclass(slots=True)
class Page:
    """When a page was sent, got its first token, and ended, in seconds."""

    sent: float = 0.0
    first: float = 0.0
    ended: float = 0.0
    handle: GenerationHandle | None = field(default=None, repr=False)


class Load:
    """Pages of drawn sizes and lengths for an engine."""

    def __init__(self, engine: Engine, file: Path) -> None:
        data = json.loads(file.read_text())
        self._engine = engine
        self._lengths = data["lengths"]
        self._dice = random.Random(0)
        self._images = [self._image(*size) for size in self._dice.sample(data["sizes"], 12)]

    def _image(self, width: int, height: int) -> tuple[list[int], PageImage]:
        pixels = torch.randint(0, 256, (height, width, 3), dtype=torch.uint8)
        grid = page_grid(width, height, MODE, FAMILY)
        tokens = FAMILY.image_tokens(FAMILY.view_sides(MODE)[0], grid)
        return [0, *[IMAGE] * tokens, *TEXT], PageImage(pixels.pin_memory(), MODE, FAMILY)

    def send(self, tokens: int | None = None, priority: int = 1) -> Page:
        ids, image = self._dice.choice(self._images)
        length = min(tokens or self._dice.choice(self._lengths), 8192 - len(ids))
        page = Page(time.perf_counter())

        def begun() -> None:
            page.first = time.perf_counter()

        def done(_: GenerationHandle) -> None:
            page.ended = time.perf_counter()

        page.handle = self._engine.submit(
            PageTask(
                ids,
                image,
                RULE,
                length,
                min_new_tokens=length,
                temperature=1.0,
                priority=priority,
                on_prefill=begun,
            )
        )
        page.handle.on_done(done)
        return page


def wait(pages: Sequence[Page]) -> int:
    """Wait for pages; returns their tokens."""
    return sum(len(page.handle.result().tokens) for page in pages if page.handle)


def percentiles(values: Sequence[float]) -> str:
    ordered = sorted(values)
    return f"p50 {ordered[len(ordered) // 2]:.2f} s, p99 {ordered[int(len(ordered) * 0.99)]:.2f} s"


def at_once(load: Load, pages: int, tokens: int | None = None) -> float:
    """Return pages a second."""
    start = time.perf_counter()
    sent = [load.send(tokens, 0 if number < 4 else 1) for number in range(pages)]
    written = wait(sent)
    took = time.perf_counter() - start
    ends = sorted(page.ended - start for page in sent)
    tenths = " ".join(f"{ends[pages * n // 10 - 1]:.1f}" for n in range(1, 11))
    name = "of drawn lengths" if tokens is None else f"of {tokens} tokens"
    print(
        f"{pages} pages {name} at once: {pages / took:.1f} pages/s, {written / took:.0f} tokens/s"
    )
    print(f"   first page after {sent[0].ended - start:.2f} s, tenths after {tenths} s")
    begun = sorted(page.first - start for page in sent)
    print(
        f"   prompts done: first {begun[0]:.3f}, half {begun[pages // 2]:.2f}, all {begun[-1]:.2f} s"
    )
    return pages / took


def stream(load: Load, rate: int) -> None:
    start = time.perf_counter()
    sent = []
    for number in range(STREAMED):
        time.sleep(max(0.0, start + number / rate - time.perf_counter()))
        sent.append(load.send())
    wait(sent)
    firsts = percentiles([page.first - page.sent for page in sent])
    print(f"stream of {rate} pages/s: first token {firsts}; end "
          f"{percentiles([page.ended - page.sent for page in sent])}")  # fmt: skip


def beside_a_job(load: Load, pages: int) -> list[tuple[float, float]]:
    """Read a page while a job's prompts run, and another while the job writes.

    Returns:
        For each, milliseconds to its first token, and tokens a second after it.
    """
    found = []
    for when, seconds in (("while prompts run", 1.5), ("while all write", 14.0)):
        job = [load.send(JOB_TOKENS) for _ in range(pages)]
        time.sleep(seconds)
        running = sum(page.first > 0 and not page.ended for page in job)
        page = load.send(300, priority=0)
        wait([page])
        rate = 299 / (page.ended - page.first)
        first = (page.first - page.sent) * 1e3
        print(
            f"a page beside {running} others, {when}: first token {first:.0f} ms, {rate:.0f} tokens/s"
        )
        for other in job:
            if other.handle is not None:
                other.handle.cancel()
        wait(job)
        found.append((first, rate))
    return found


def count(lengths: Sequence[int], name: str, cache: str, pages: int) -> None:
    """Order all pages at once for a device whose time is only counted."""
    dice = random.Random(0)
    runner = CountedRunner(cache)
    engine = Engine(
        cast("Any", runner),
        Scheduler(slots=512, blocks=34_000, max_prefill_tokens=PREFILL_TOKENS),
        8192,
    )
    ends: dict[int, float] = {}
    sent = []

    def ended(number: int, _: GenerationHandle) -> None:
        ends[number] = runner.clock / 1000

    for number in range(pages):
        task = PageTask(
            [IMAGE] * PROMPT,
            None,
            RULE,
            dice.choice(lengths),
            temperature=1.0,
            priority=0 if number < 4 else 1,
        )
        sent.append(engine.submit(task))
        sent[-1].on_done(partial(ended, number))
    runner.all_are_there.set()
    for handle in sent:
        handle.result()
    engine.close()
    order = sorted(ends.values())
    tenths = " ".join(f"{order[pages * n // 10 - 1]:.1f}" for n in range(1, 11))
    print(
        f"{pages} pages {name}, cache {cache}: {pages / order[-1]:.1f} pages/s, "
        f"first page after {ends[0]:.2f}, tenths after {tenths} s",
        flush=True,
    )


def run(arguments: argparse.Namespace) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    print(torch.cuda.get_device_name())
    begin = time.perf_counter()
    settings = EngineSettings(
        cache=arguments.cache, weights=arguments.weights, vision=arguments.vision
    )
    engine = start_engine(find_checkpoint(arguments.folder), settings)
    print(
        f"ready in {time.perf_counter() - begin:.1f} s, cache {arguments.cache}, "
        f"weights {arguments.weights}, vision {arguments.vision}, {engine.slots} slots"
    )
    load = Load(engine, arguments.load)
    wanted = arguments.only.split(",")
    at_once(load, 4, 50)  # the first pages after the start, which are not counted
    if "once" in wanted:
        for pages in (8, 32, arguments.pages):
            at_once(load, pages, JOB_TOKENS)
    if "many" in wanted:
        at_once(load, arguments.pages, JOB_TOKENS)
    if "drawn" in wanted:
        at_once(load, arguments.pages)
    if "job" in wanted:
        beside_a_job(load, arguments.pages)
    if "stream" in wanted:
        for rate in RATES:
            stream(load, rate)
    engine.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("draw", "count", "run"))
    parser.add_argument("load", type=Path)
    parser.add_argument(
        "folder", type=Path, nargs="?", help="for run a checkpoint; for draw its tokenizer.json"
    )
    parser.add_argument("--cache", default="model", choices=("model", "fp8"))
    parser.add_argument(
        "--weights", default="model", choices=("model", "int8", "fp8", "int8-all", "fp8-all")
    )
    parser.add_argument("--vision", default="model", choices=("model", "fp8"))
    parser.add_argument("--pages", type=int, default=512)
    parser.add_argument(
        "--only", default="once,drawn,job,stream", help="and many: the largest of once alone"
    )
    arguments = parser.parse_args()
    if arguments.what == "count":
        if "once" in arguments.only:
            for pages in (8, 32, arguments.pages):
                count([JOB_TOKENS], f"of {JOB_TOKENS} tokens", arguments.cache, pages)
        if "drawn" in arguments.only:
            lengths = json.loads(arguments.load.read_text())["lengths"]
            count(lengths, "of drawn lengths", arguments.cache, arguments.pages)
    elif arguments.folder is None:
        parser.error(f"{arguments.what} needs a folder or file after LOAD.JSON")
    elif arguments.what == "draw":
        draw(arguments.load, arguments.folder)
    else:
        run(arguments)


if __name__ == "__main__":
    main()
