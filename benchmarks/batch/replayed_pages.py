"""What a run costs beside reading: pages a second of ``--engine local`` and of the callable alone.

    python benchmarks/batch/replayed_pages.py [--pages 100000] [--document-pages 500]

The backend replays a recording, so that all the time is the package's own. Prints pages a second of
both, the missing pages, and the driver's memory after each quarter of the pages.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import time
from pathlib import Path

import psutil
from reportlab.pdfgen.canvas import Canvas

from deepseek_ocr_rag.batch import BatchProgress, BatchSettings, PageReader, run_batch

__all__ = ["main"]

PARAGRAPH = "The keeper wrote down wind, weather and the ships that passed. " * 8
CALLABLE_SHARE = 0.1
"""Of the pages, read by the callable alone."""


def document(pages: int) -> bytes:
    """A PDF with so many small pages."""
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


def alone(settings: BatchSettings, pdf: Path, pages: int, document_pages: int) -> float:
    """Pages a second of the callable, a few units at a time."""
    reader = PageReader(settings)
    size = settings.unit_pages
    ranges = [f"{i}-{min(i + size - 1, document_pages)}" for i in range(1, document_pages, size)]
    count, begun = 0, time.perf_counter()
    while count < pages:
        for start in range(0, len(ranges), 4):
            wanted = ranges[start : start + 4]
            rows = reader(
                {
                    "entry": [0] * len(wanted),
                    "doc_id": ["a"] * len(wanted),
                    "uri": [str(pdf)] * len(wanted),
                    "sha256": [""] * len(wanted),
                    "pages": wanted,
                }
            )
            count += len(rows["page"])
    return count / (time.perf_counter() - begun)


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
        rate = alone(
            settings,
            work / "a.pdf",
            max(given.document_pages, int(given.pages * CALLABLE_SHARE)),
            given.document_pages,
        )
        print(f"the callable alone: {rate:.0f} pages/s")
        process, quarter = psutil.Process(), given.pages / 4
        seen: list[tuple[int, float]] = []

        def look(progress: BatchProgress) -> None:
            if progress.pages >= quarter * (len(seen) + 1):
                seen.append((progress.pages, process.memory_info().rss / 1e6))

        report = run_batch(
            str(work / "manifest.jsonl"), str(work / "out"), settings, on_progress=look
        )
        account = report.account
        print(
            f"a run: {report.pages_per_second:.0f} pages/s, {account.pages:,} pages,"
            f" {account.errors} errors, {len(account.missing)} missing,"
            f" {account.bytes / account.pages / 1000:.1f} kB a page"
        )
        print("driver: " + ", ".join(f"{mb:.0f} MB at {pages:,}" for pages, mb in seen))


if __name__ == "__main__":
    main()
