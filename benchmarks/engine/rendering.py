"""How fast pages come out of rendering processes: pages a second, by number of processes.

    python benchmarks/engine/rendering.py [--pages 120] [--dpi 200] [FILE ...]

Pages of A4 with 3,000 characters in three fonts, unless files are named. The first row is
this process without any other; the rest are processes of their own, as many
threads asking for pages as there are processes, each picture brought over
whole. The start of a process is told by itself.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from deepseek_ocr_rag.sources.isolation import pool
from deepseek_ocr_rag.sources.isolation.process import Worker
from deepseek_ocr_rag.sources.source import open_source

__all__ = ["main"]

FONTS = ("Helvetica", "Times-Roman", "Courier")
POINTS_PER_INCH = 72


def make_pdf(path: Path, pages: int, seed: int = 0) -> None:
    dice = random.Random(seed)
    canvas = Canvas(str(path), pagesize=A4, invariant=1)
    for _ in range(pages):
        for line in range(45):
            canvas.setFont(dice.choice(FONTS), 9)
            words = ("".join(dice.choices("etaoinshrdlu", k=6)) for _ in range(10))
            canvas.drawString(60, 780 - 16 * line, " ".join(words))
        canvas.showPage()
    canvas.save()


def pages_a_second(path: Path, workers: int, dpi: int) -> float:
    """Over all pages; no workers means this process."""
    pool._shared = pool.WorkerPool(max(1, workers))
    with open_source(path, isolated=workers > 0) as source:
        long_side = round(max(A4) / POINTS_PER_INCH * dpi)

        def render(number: int) -> None:
            source.render(number, long_side)

        numbers = range(1, source.page_count + 1)
        with ThreadPoolExecutor(max(1, workers)) as threads:
            # Workers that are not there yet are started here.
            list(threads.map(render, numbers[: 2 * workers]))
            began = time.perf_counter()
            list(threads.map(render, numbers))
            spent = time.perf_counter() - began
    pool.shared_pool().end_if_unused()
    return len(numbers) / spent


def start_seconds() -> float:
    began = time.perf_counter()
    Worker().stop()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--pages", type=int, default=120)
    parser.add_argument("--dpi", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = options.files
        if not files:
            files = [Path(folder) / f"{options.pages} pages.pdf"]
            make_pdf(files[0], options.pages)
        starts = sorted(start_seconds() for _ in range(5))
        print(
            f"{os.cpu_count()} cores; a process starts and ends in {starts[2]:.2f} s (median of 5)"
        )
        for file in files:
            print(f"{file.name} at {options.dpi} dpi")
            for workers in (0, 1, 2):
                name = f"{workers} processes" if workers else "this process"
                print(f"  {name:<14}{pages_a_second(file, workers, options.dpi):8.1f} pages/s")


if __name__ == "__main__":
    main()
