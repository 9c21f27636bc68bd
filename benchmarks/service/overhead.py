"""What the queue costs: pages a second through it, against :class:`Reader` alone.

    python benchmarks/service/overhead.py [--pages 2000] [--repeats 3]

One document, one run each, in turns; the backend replays a recording, so that nearly all of the
time is the package's own. Both are timed from the first finished page to the last, and both turn
every page into JSON. Also prints how the memory of the process with the queue grew between the
first quarter of the pages and the last.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import tempfile
import time
from pathlib import Path

import psutil
from reportlab.pdfgen.canvas import Canvas

from deepseek_ocr_rag import Reader
from deepseek_ocr_rag.reading.cached_pages import page_to_json
from deepseek_ocr_rag.service import JobQueue, ReaderSettings

__all__ = ["main"]

OWNER = "benchmark"
PARAGRAPH = "The keeper wrote down wind, weather and the ships that passed. " * 8


def document(pages: int) -> bytes:
    """A PDF with so many small pages."""
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=(595, 842), invariant=1)
    for number in range(1, pages + 1):
        canvas.drawString(72, 720, f"Page {number}")
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def recording(path: Path, pages: int) -> str:
    """A backend that replays ten paragraphs a page, about what a real one has."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(1, pages + 1):
            blocks = [
                f"<|ref|>text<|/ref|><|det|>[[80, {row * 90}, 900, {row * 90 + 80}]]<|/det|>\n"
                f"{number}.{row} {PARAGRAPH}"
                for row in range(10)
            ]
            file.write(json.dumps({"page": number, "text": "\n\n".join(blocks)}) + "\n")
    return f"replay:{path}"


def alone(backend: str, content: bytes) -> float:
    """Pages a second of the reader."""
    with Reader(backend, cache=False) as reader:
        pages = reader.iter_pages(content, name="a.pdf")
        page_to_json(next(pages))
        begun = time.perf_counter()
        count = sum(1 for page in pages if page_to_json(page))
    return count / (time.perf_counter() - begun)


def through_the_queue(backend: str, content: bytes, pages: int) -> tuple[float, float]:
    """Pages a second of the queue, and by what share its memory grew."""
    process = psutil.Process()
    memory: list[tuple[int, int]] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        JobQueue(folder, ReaderSettings(backend=backend)) as queue,
    ):
        upload = queue.new_upload(OWNER, "a.pdf", "application/pdf")
        queue.write_upload(OWNER, upload.id, [content])
        while not queue.ready().ready:
            time.sleep(0.05)
        job = queue.submit(OWNER, upload.id)
        while not job.pages_done:
            job = queue.wait(OWNER, job.id, job.version, 10.0)
        begun, first = time.perf_counter(), job.pages_done
        while not job.state.ended:
            time.sleep(0.02)
            job = queue.get(OWNER, job.id)
            memory.append((job.pages_done, process.memory_info().rss))
        seconds = time.perf_counter() - begun
    early = [size for done, size in memory if pages * 0.2 <= done <= pages * 0.4]
    late = [size for done, size in memory if done >= pages * 0.8]
    growth = statistics.median(late) / statistics.median(early) - 1 if early and late else 0.0
    return (pages - first) / seconds, growth


def main() -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    content = document(options.pages)
    shares = []
    with tempfile.TemporaryDirectory() as folder:
        backend = recording(Path(folder) / "recording.jsonl", options.pages)
        for _ in range(options.repeats):
            reader = alone(backend, content)
            queue, growth = through_the_queue(backend, content, options.pages)
            shares.append(queue / reader - 1)
            print(
                f"reader {reader:.1f} pages/s, queue {queue:.1f} pages/s ({shares[-1]:+.1%}),"
                f" memory {growth:+.1%}"
            )
    print(f"median: {statistics.median(shares):+.1%}")


if __name__ == "__main__":
    main()
