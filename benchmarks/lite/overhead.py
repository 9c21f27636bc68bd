"""Measures everything but the model: milliseconds a page and memory over 1,000 pages.

    python benchmarks/lite/overhead.py [--pages 1000]

Made replies of realistic size replace the model. The time includes opening the PDF, its
page sizes and labels, the page stream, parsing, and in the second row LangChain
Documents. Memory is the resident set of the process after the given page: a leak of
1 kB a page would show as 0.9 MiB.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from deepseek_ocr_rag import Reader, ReplayBackend

__all__ = ["main"]

VOCABULARY = (
    "the keeper of light counted nine ships in fog while horn and bell told each of them where "
    "rock begins and harbour ends so that nobody was lost that winter"
)
WORDS = tuple(VOCABULARY.split())
FIRST = 100
"""Growth counts from this page on: caches and pools are full by then."""


def words(dice: random.Random, count: int) -> str:
    return " ".join(dice.choice(WORDS) for _ in range(count))


def model_text(number: int) -> str:
    """A page as the model writes it: two columns of 20 blocks, and a table."""
    dice = random.Random(number)
    parts = [f"<|ref|>title<|/ref|><|det|>[[80, 40, 900, 80]]<|/det|>\n# Page {number}"]
    for block in range(20):
        x, y = (60, 100 + 80 * block) if block < 10 else (520, 100 + 80 * (block - 10))
        kind, text = "text", words(dice, 40)
        if block % 5 == 0:
            kind, text = "sub_title", f"## {words(dice, 4)}"
        parts.append(
            f"<|ref|>{kind}<|/ref|><|det|>[[{x}, {y}, {x + 420}, {y + 70}]]<|/det|>\n{text}"
        )
    cells = "".join(f"<td>{dice.randrange(10_000)}</td>" for _ in range(5))
    rows = f"<tr>{cells}</tr>" * 6
    parts.append(f"<|ref|>table<|/ref|><|det|>[[60, 900, 940, 990]]<|/det|>\n<table>{rows}</table>")
    return "\n\n".join(parts)


def make_pdf(path: Path, pages: int) -> None:
    dice = random.Random(0)
    canvas = Canvas(str(path), pagesize=A4, invariant=1)
    for number in range(1, pages + 1):
        canvas.setFont("Helvetica", 10)
        canvas.drawString(72, 800, f"Page {number}")
        for line in range(40):
            canvas.drawString(72, 780 - 16 * line, words(dice, 12))
        canvas.showPage()
    canvas.save()


def measure(run: Callable[[], Iterator[object]], pages: int) -> tuple[float, float, float]:
    """Milliseconds a page, and MiB resident after page 100 and after the last one."""
    process = psutil.Process()
    early = 0.0
    count = 0
    start = time.perf_counter()
    for count, _ in enumerate(run(), start=1):
        if count == min(FIRST, pages):
            early = process.memory_info().rss / 2**20
    elapsed = time.perf_counter() - start
    if count != pages:
        raise SystemExit(f"only {count} of {pages} pages came back")
    return elapsed * 1000 / pages, early, process.memory_info().rss / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pages", type=int, default=1000)
    pages = parser.parse_args().pages
    replies = {number: model_text(number) for number in range(1, pages + 1)}
    size = sum(map(len, replies.values())) // pages
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.pdf"
        make_pdf(path, pages)

        def core() -> Iterator[object]:
            return Reader(ReplayBackend(replies)).iter_pages(path)

        runs: dict[str, Callable[[], Iterator[object]]] = {"Reader.iter_pages": core}
        try:
            from langchain_deepseek_ocr import DeepSeekOCRLoader
        except ModuleNotFoundError as error:
            print(f"LangChain is not measured: {error}")
        else:
            runs["DeepSeekOCRLoader.lazy_load"] = lambda: DeepSeekOCRLoader(
                path, backend=ReplayBackend(replies)
            ).lazy_load()
        print(f"{pages} pages, {size} characters of model text a page; target: under 3 ms a page")
        header = ("what", "ms a page", f"MiB at {min(FIRST, pages)}", f"MiB at {pages}", "growth")
        print("{:<30}{:>12}{:>14}{:>14}{:>10}".format(*header))
        for name, run in runs.items():
            spent, early, late = measure(run, pages)
            print(f"{name:<30}{spent:>12.2f}{early:>14.1f}{late:>14.1f}{late - early:>10.1f}")


if __name__ == "__main__":
    main()
