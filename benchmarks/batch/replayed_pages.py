"""What a run costs beside reading: ``--engine local``, and the callable alone.

    python benchmarks/batch/replayed_pages.py [--pages 100000] [--document-pages 500]

The backend replays a recording, so that all the time is the package's own. Prints the CPU
milliseconds a page of the callable and of what the process that reads does in a run, and of the
driver, which works beside it; then the run's pages a second, its missing pages, and the driver's
memory after each eighth of the pages.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import psutil
from reportlab.pdfgen.canvas import Canvas

from deepseek_ocr_rag.batch import BatchProgress, BatchSettings, PageReader, PageUnit, run_batch
from deepseek_ocr_rag.batch.engines.unit_runner import UnitRunner
from deepseek_ocr_rag.batch.storage.run_folder import RunFolder
from deepseek_ocr_rag.concurrency.frames import Frame, send

__all__ = ["main"]

PARAGRAPH = "The keeper wrote down wind, weather and the ships that passed. " * 8
ROUNDS = 20
ROUND_UNITS = 8


def document(pages: int) -> bytes:
    """A PDF with this many small pages."""
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=(595, 842), invariant=1)
    for number in range(1, pages + 1):
        canvas.drawString(72, 720, f"Page {number}")
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def reply(number: int) -> str:
    """A page of five blocks."""
    blocks = [f"<|ref|>sub_title<|/ref|><|det|>[[100, 50, 900, 90]]<|/det|>\n## Page {number}"]
    blocks += [
        f"<|ref|>text<|/ref|><|det|>[[100, {100 * i}, 900, {100 * i + 80}]]<|/det|>\n{PARAGRAPH}"
        for i in range(1, 5)
    ]
    return "\n\n".join(blocks)


def rounds(settings: BatchSettings, pdf: Path, document_pages: int, out: Path) -> list[float]:
    """Milliseconds a page: of the callable alone, and of what the process of a run does.

    They take turns, and the least of all rounds counts, since a busy machine only adds to it.
    """
    with Path(os.devnull).open("wb", buffering=0) as nowhere:
        reader, folder = PageReader(settings), RunFolder(str(out))
        runner = UnitRunner(reader, folder)
        size = settings.unit_pages
        units = [
            PageUnit(0, "a", str(pdf), "", f"{i}-{min(i + size - 1, document_pages)}", "")
            for i in range(1, document_pages, size)
        ][:ROUND_UNITS]
        pages = sum(len(unit.numbers) for unit in units)

        def alone(unit: PageUnit) -> None:
            reader({name: [value] for name, value in asdict(unit).items()})

        def run(unit: PageUnit) -> None:
            failed = runner.run(unit)
            send(nowhere, Frame({"pages": [len(unit.numbers) - failed, failed]}))
            send(nowhere, Frame({"done": unit.file_name, "failed_pages": failed}))

        def spent(work: Callable[[PageUnit], object]) -> float:
            begun = time.process_time()
            with ThreadPoolExecutor(settings.units_together) as pool:
                list(pool.map(work, units))
            return 1e3 * (time.process_time() - begun) / pages

        least = [math.inf, math.inf]
        for _ in range(ROUNDS):
            shutil.rmtree(out, ignore_errors=True)
            found = (spent(alone), spent(run))
            least = [min(pair) for pair in zip(least, found, strict=True)]
        reader.close()
    return least


def main() -> None:
    """Run the benchmark; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=100_000)
    parser.add_argument("--document-pages", type=int, default=500)
    given = parser.parse_args()
    documents = given.pages // given.document_pages
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        (work / "a.pdf").write_bytes(document(given.document_pages))
        with (work / "replies.jsonl").open("w", encoding="utf-8") as file:
            for number in range(1, given.document_pages + 1):
                file.write(json.dumps({"page": number, "text": reply(number)}) + "\n")
        with (work / "manifest.jsonl").open("w", encoding="utf-8") as file:
            for number in range(documents):
                file.write(json.dumps({"uri": "a.pdf", "id": f"document-{number}"}) + "\n")
        settings = BatchSettings(backend=f"replay:{work / 'replies.jsonl'}", part_documents=8)
        alone, run = rounds(settings, work / "a.pdf", given.document_pages, work / "rounds")
        print(
            f"CPU ms a page: the callable alone {alone:.2f}, with all that a run does in its"
            f" process {run:.2f}: {run / alone - 1:+.1%}"
        )
        process, step, looks = psutil.Process(), given.pages / 8, 0

        def look(progress: BatchProgress) -> None:
            nonlocal looks
            if progress.pages >= step * (looks + 1):
                looks += 1
                used = process.memory_info().rss / 1e6
                print(f"driver: {used:.0f} MB at {progress.pages:,} pages", flush=True)

        driver = time.process_time()
        report = run_batch(
            str(work / "manifest.jsonl"), str(work / "out"), settings, on_progress=look
        )
        account = report.account
        print(
            f"a run: {report.pages_per_second:.0f} pages/s, {account.pages:,} pages,"
            f" {account.errors} errors, {len(account.missing)} missing,"
            f" {account.bytes / account.pages / 1000:.1f} kB a page"
        )
        driving = 1e3 * (time.process_time() - driver) / account.pages
        print(f"CPU ms a page of the driver, beside it: {driving:.2f}")


if __name__ == "__main__":
    main()
