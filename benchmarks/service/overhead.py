"""What the queue costs: pages a second through it, against :class:`Reader` alone.

    python benchmarks/service/overhead.py [--pages 2000] [--repeats 3]
    python benchmarks/service/overhead.py --backend local:FOLDER --tokenizer TOKENIZER.JSON

One document, in turns, each time from asking for it to its last page; what reads was started and
has read a page before. Both turn every page into JSON. By default the backend replays a recording,
so that nearly all of the time is the package's own, and CPU seconds are told too: a busy machine
disturbs them least. With ``local:`` the pages are those of ``benchmarks/engine/engine.py``, of
1,000 tokens each; FOLDER gets a checkpoint with random weights if it has none. Also tells how the
memory of the process with the queue grew between the first quarter of the pages and the last.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
from reportlab.pdfgen.canvas import Canvas

from deepseek_ocr_rag import LocalBackend, Reader, backends, sample_path
from deepseek_ocr_rag.backends.attempts import AttemptSettings
from deepseek_ocr_rag.backends.base import PageRequest
from deepseek_ocr_rag.reading.cached_pages import page_to_json
from deepseek_ocr_rag.service import JobQueue, ReaderSettings
from deepseek_ocr_rag.service.engine import reading_child, reading_process

__all__ = ["main"]

OWNER = "benchmark"
PARAGRAPH = "The keeper wrote down wind, weather and the ships that passed. " * 8
TOKENS = 1000
"""Of a page with random weights, which find no end."""

READING = "--reading-process"


@dataclass(frozen=True, slots=True)
class Run:
    """One document.

    Attributes:
        rate: Pages a second.
        cpu: CPU seconds of all processes.
        growth: By what share the memory of the process with the queue grew.
        counted: What the queue tells of the model: tokens, tokens a second, bytes on the GPU.
    """

    rate: float
    cpu: float
    growth: float = 0.0
    counted: tuple[object, ...] = ()


def document(pages: int) -> bytes:
    """A PDF with this many small pages."""
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


def random_model(folder: Path, tokenizer: Path, pages: int) -> bytes:
    """Write a checkpoint with random weights unless it is there; returns a PDF to read with it."""
    sys.path.append(str(Path(__file__).parents[1] / "engine"))
    from random_checkpoint import write
    from rendering import make_pdf

    write(folder, tokenizer)
    make_pdf(pdf := folder / f"{pages} pages.pdf", pages)
    return pdf.read_bytes()


def read_as_the_engine_benchmark() -> None:
    """Pages of 1,000 tokens, drawn by their probabilities, in this process."""
    from deepseek_ocr_rag.backends.model_settings import ModelSettings  # wants the extra [local]

    def drawn(settings: ModelSettings, request: PageRequest) -> AttemptSettings:
        return AttemptSettings(
            request.task, request.resolution, settings.no_repeat, temperature=1.0
        )

    ModelSettings.first = drawn  # type: ignore[method-assign]
    backends.LocalBackend = partial(  # type: ignore[attr-defined,misc]
        LocalBackend, max_new_tokens=TOKENS, attempts=1
    )


def cpu_seconds() -> dict[int, float]:
    """CPU seconds of this process and of all that it started and that run, by process id."""
    own = psutil.Process()
    found = {}
    for process in (own, *own.children(recursive=True)):
        try:
            times = process.cpu_times()
            found[process.pid] = times.user + times.system
        except psutil.NoSuchProcess:
            continue
    return found


def used_since(before: dict[int, float]) -> float:
    """CPU seconds since then."""
    return sum(seconds - before.get(pid, 0.0) for pid, seconds in cpu_seconds().items())


def alone(backend: str, content: bytes) -> Run:
    """The reader by itself."""
    with ExitStack() as stack:
        reader = stack.enter_context(Reader(backend, cache=False))
        stack.callback(reader.backend.close)
        (page,) = reader.read(sample_path(), pages=[1])
        assert page.ok, page.error
        before, begun = cpu_seconds(), time.perf_counter()
        count = sum(1 for page in reader.iter_pages(content, name="a.pdf") if page_to_json(page))
        return Run(count / (time.perf_counter() - begun), used_since(before))


def through_the_queue(backend: str, content: bytes, pages: int) -> Run:
    """The same through the queue."""
    process = psutil.Process()
    memory: list[tuple[int, int]] = []
    settings = ReaderSettings(backend=backend, probe=str(sample_path()))
    with tempfile.TemporaryDirectory() as folder, JobQueue(folder, settings) as queue:
        upload = queue.new_upload(OWNER, "a.pdf", "application/pdf")
        queue.write_upload(OWNER, upload.id, [content])
        while not (ready := queue.ready()).ready:
            assert queue.stats().engine_deaths < 2, ready.reason
            time.sleep(0.05)
        before, begun = cpu_seconds(), time.perf_counter()
        job = queue.submit(OWNER, upload.id)
        while not job.state.ended:
            job = queue.wait(OWNER, job.id, job.version, 10.0)
            memory.append((job.pages_done, process.memory_info().rss))
            time.sleep(0.05)
        seconds, used = time.perf_counter() - begun, used_since(before)
        assert job.state == "succeeded", job
        stats = queue.stats()
        counted = stats.tokens, stats.tokens_per_second, stats.gpu_memory
    early = [size for done, size in memory if pages * 0.2 <= done <= pages * 0.4]
    late = [size for done, size in memory if done >= pages * 0.8]
    growth = statistics.median(late) / statistics.median(early) - 1 if early and late else 0.0
    return Run(pages / seconds, used, growth, counted)


def main() -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--backend", help="local:FOLDER (default: a recording)")
    parser.add_argument("--tokenizer", type=Path, help="tokenizer.json of a new checkpoint")
    options = parser.parse_args()
    rates, used = [], []
    with tempfile.TemporaryDirectory() as folder:
        if options.backend:
            model = Path(options.backend.removeprefix("local:"))
            content = random_model(model, options.tokenizer, options.pages)
            backend = options.backend
            read_as_the_engine_benchmark()
            command = [sys.executable, __file__, READING]
            reading_child.module_command = lambda name: command  # type: ignore[assignment]
        else:
            content = document(options.pages)
            backend = recording(Path(folder) / "recording.jsonl", options.pages)
        for _ in range(options.repeats):
            reader = alone(backend, content)
            queue = through_the_queue(backend, content, options.pages)
            rates.append(queue.rate / reader.rate - 1)
            used.append(queue.cpu / reader.cpu - 1)
            print(
                f"reader {reader.rate:.1f} pages/s, {reader.cpu:.1f} CPU s;"
                f" queue {queue.rate:.1f} pages/s, {queue.cpu:.1f} CPU s"
                f" ({rates[-1]:+.1%} pages/s, {used[-1]:+.1%} CPU), memory {queue.growth:+.1%};"
                f" tokens, tokens/s, bytes on the GPU: {queue.counted}",
                flush=True,
            )
    print(
        f"median of {options.repeats} x {options.pages} pages: {statistics.median(rates):+.1%}"
        f" pages/s, {statistics.median(used):+.1%} CPU"
    )


if __name__ == "__main__":
    if sys.argv[1:] == [READING]:
        read_as_the_engine_benchmark()
        reading_process.main()
    else:
        main()
