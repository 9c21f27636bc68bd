"""The engine beside its goals, in one run on one GPU: a row for each figure.

    python benchmarks/engine/goals.py FOLDER TOKENIZER.JSON LOAD.JSON [--only start,pdf,mixed,single] [--times]

FOLDER gets random weights if it has none (random_checkpoint.py), LOAD.JSON is what
``mixed_load.py draw`` wrote. ``--times`` also prints where the GPU's time went; the events
that measure it cost less than 1 %. The goals are those of the second round, for an H200 or H100.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import gpu_time
import mixed_load
import torch
from engine import Counted, drawn, single
from random_checkpoint import write
from rendering import make_pdf

from deepseek_ocr_rag import Reader
from deepseek_ocr_rag.backends.local import process_pair
from deepseek_ocr_rag.backends.local.engine_worker import collect_garbage_seldom
from deepseek_ocr_rag.backends.model_settings import ModelSettings
from deepseek_ocr_rag.engine.startup import EngineSettings, start_engine
from deepseek_ocr_rag.model.checkpoint import find_checkpoint

PAGES = 512
TOKENS = 1000


@dataclass(frozen=True, slots=True)
class Row:
    """A figure as it is, and as it should be."""

    name: str
    now: str
    goal: str

    def __str__(self) -> str:
        return f"{self.name:56s} {self.now:34s} goal {self.goal}"


class Goals:
    """Measures row after row. ``folder`` holds a checkpoint."""

    def __init__(self, folder: Path, load: Path, *, times: bool) -> None:
        self._folder = folder
        self._load = load
        self._times = times
        self.rows: list[Row] = []

    def _add(self, name: str, now: str, goal: str) -> None:
        row = Row(name, now, goal)
        self.rows.append(row)
        print(row, flush=True)

    def start(self) -> None:
        """Start three times, the first time without a compiled kernel, the last time by a page.

        The last page is what a program waits for: it opens a document and reads its first page with
        a reader that is new, and nothing was loaded before. The other two are read once the model is
        loaded.
        """
        one = self._pdf_of(1)
        shutil.rmtree(os.environ["TRITON_CACHE_DIR"], ignore_errors=True)
        for name, goals in (("first start", ("20 s", "")), ("compiled start", ("", ""))):
            begin = time.perf_counter()
            backend = self._backend("model")
            with Reader(backend, cache=False) as reader:
                backend.load()
                ready = time.perf_counter() - begin
                reader.read(one)
                written = time.perf_counter() - begin
            backend.close()
            self._add(f"{name}: ready", f"{ready:.1f} s", goals[0])
            self._add(f"{name}: first page written", f"{written:.1f} s", goals[1])
        begin = time.perf_counter()
        backend = self._backend("model")
        with Reader(backend, cache=False) as reader:
            reader.read(one)
            written = time.perf_counter() - begin
        backend.close()
        self._add("compiled start: page of a new reader written", f"{written:.1f} s", "8 s")

    def pdf(self) -> None:
        """Read a PDF from the disk."""
        pdf = self._pdf_of(PAGES)
        for kind, name, goal in (("model", "bf16", "28 pages/s"), ("fp8", "fp8", "38 pages/s")):
            backend = self._backend(kind)
            with Reader(backend, cache=False) as reader:
                backend.load()
                begin = time.perf_counter()
                pages = [(page, time.perf_counter() - begin) for page in reader.iter_pages(pdf)]
            failed = sum(page.error is not None for page, _ in pages)
            ends = [end for _, end in pages]
            rate = f"{PAGES / ends[-1]:.1f} pages/s of {backend.tokens / PAGES:.0f} tokens"
            self._add(
                f"PDF of {PAGES} pages, {name}", rate + f", {failed} failed" * (failed > 0), goal
            )
            self._add(f"first page of it, {name}", f"{ends[0]:.1f} s", "2 s")
            tenths = " ".join(f"{ends[PAGES * n // 10 - 1]:.1f}" for n in range(1, 11))
            self._add(f"each tenth of it, {name}", tenths, "evenly")
            backend.close()
            if self._times:
                print(Path(os.environ["DSOCR_GPU_TIMES"]).read_text(encoding="utf-8"), flush=True)

    def mixed(self) -> None:
        """Read pictures in memory: a few, many of real lengths, and one beside many."""
        for kind, name, goal in (("model", "bf16", "22 pages/s"), ("fp8", "fp8", "30 pages/s")):
            engine = start_engine(find_checkpoint(self._folder), EngineSettings(cache=kind))
            collect_garbage_seldom()
            load = mixed_load.Load(engine, self._load)
            mixed_load.at_once(load, 4, 50)
            for pages, wanted in ((8, "10 pages/s"), (32, "20 pages/s")):
                rate = mixed_load.at_once(load, pages, TOKENS)
                self._add(f"{pages} pages at once, {name}", f"{rate:.1f} pages/s", wanted)
            if self._times:
                print(gpu_time.gpu_times())
            rate = mixed_load.at_once(load, PAGES)
            self._add(f"{PAGES} pages of real lengths, {name}", f"{rate:.1f} pages/s", goal)
            if self._times:
                print(gpu_time.gpu_times(), flush=True)
            if kind == "model":
                for what, (first, speed) in zip(
                    ("prompts run", "all write"), mixed_load.beside_a_job(load, PAGES), strict=True
                ):
                    now = f"{first:.0f} ms, {speed:.0f} tokens/s"
                    self._add(f"a page beside {PAGES}, while {what}", now, "100 ms, 300 tokens/s")
            engine.close()
            del engine, load
            gc.collect()
            torch.cuda.empty_cache()

    def single(self) -> None:
        """Write one page alone."""
        goals = ("15 ms", "1400 tokens/s", "15 ms", "3000 tokens/s")
        for (name, now, _), goal in zip(single(), goals, strict=True):
            self._add(name, now, goal)

    def _backend(self, cache: str) -> Counted:
        return Counted(self._folder, cache=cache, max_new_tokens=TOKENS, attempts=1)

    def _pdf_of(self, pages: int) -> Path:
        pdf = self._folder / f"{pages} pages.pdf"
        if not pdf.exists():
            make_pdf(pdf, pages)
        return pdf


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("load", type=Path)
    parser.add_argument("--only", default="start,pdf,mixed,single")
    parser.add_argument("--times", action="store_true")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    print(torch.cuda.get_device_name(), flush=True)
    write(arguments.folder, arguments.tokenizer)
    torch.cuda.empty_cache()
    os.environ["TRITON_CACHE_DIR"] = str(arguments.folder / "compiled kernels")
    # Greedy, random weights write loops, in which more is looked for than in a page.
    ModelSettings.first = drawn  # type: ignore[method-assign]
    if arguments.times:
        os.environ["DSOCR_GPU_TIMES"] = str(arguments.folder / "gpu times.txt")
        process_pair.ENGINE = "gpu_time"  # type: ignore[misc]
        gpu_time.time_engines()
    goals = Goals(arguments.folder, arguments.load, times=arguments.times)
    for part in arguments.only.split(","):
        getattr(goals, part)()
    print()
    for row in goals.rows:
        print(row)


if __name__ == "__main__":
    with torch.inference_mode():
        main()
