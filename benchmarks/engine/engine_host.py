"""Measures the host's work, which must take less time than the GPU's; needs no GPU.

    python benchmarks/engine/engine_host.py FOLDER/TOKENIZER.JSON [--pages 512] [--tokens 1000]

The folder also holds the model's config.json.

CPU time: of the engine's process for a step of ``--pages`` pages (on a device that
takes no time and writes random tokens); of the process that looks for loops, for a
page; and of the reading process for a page, before it is written and after it.
At the end, on the clock, all of them together: how many pages a second the host
could do if the GPU took no time.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from io import FileIO
from pathlib import Path

from free_engine import free_engine, ordinary
from rendering import make_pdf

from deepseek_ocr_rag import Page, Reader
from deepseek_ocr_rag.backends import PageRequest, Reply
from deepseek_ocr_rag.backends.attempts import AttemptSettings, judged
from deepseek_ocr_rag.backends.local import process_pair
from deepseek_ocr_rag.backends.local.engine_process import EngineProcess
from deepseek_ocr_rag.backends.local.engine_worker import TOKENS_PER_FRAME
from deepseek_ocr_rag.backends.local.page_frames import text_frame, text_from
from deepseek_ocr_rag.backends.local.reading import LocalReading, engine_request
from deepseek_ocr_rag.backends.local.request_sender import RequestSender
from deepseek_ocr_rag.backends.model_settings import ModelSettings
from deepseek_ocr_rag.backends.page_text import LoopWatch
from deepseek_ocr_rag.backends.retry_ladder import RetryLadder
from deepseek_ocr_rag.concurrency.frames import Frame
from deepseek_ocr_rag.engine.sequence import PageTask
from deepseek_ocr_rag.model.families import FAMILIES
from deepseek_ocr_rag.model.page_prompt import End, GeneratedPage
from deepseek_ocr_rag.model.prompts import MODES, TASKS
from deepseek_ocr_rag.model.tokenizer import ModelTokenizer
from deepseek_ocr_rag.reading.backend_stream import page_from_reply

FAMILY = FAMILIES["deepseek-ocr"]
PROMPT = [0] * 912


def cpu_ms(run: Callable[[], object], count: int) -> float:
    begin = time.process_time()
    run()
    return (time.process_time() - begin) / count * 1e3


def loop_ms(pages: int, tokens: int) -> float:
    """A step of the engine's loop."""
    engine = free_engine(pages)

    def write() -> None:
        writings = []
        for _ in range(pages):
            task = PageTask(PROMPT, None, FAMILY.no_repeat, tokens, interval=TOKENS_PER_FRAME)
            writings.append(engine.submit(task))
        for writing in writings:
            writing.result()

    try:
        return cpu_ms(write, tokens)
    finally:
        engine.close()


class Orders:
    """A backend that makes the engine's orders, sends them nowhere, and knows each page's text."""

    name, model, needs_image, reads_text_layer = "orders", "none", True, False

    def __init__(self, settings: ModelSettings) -> None:
        self._settings = settings

    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        sender = RequestSender(FileIO(os.devnull, "wb"))
        for number, request in enumerate(requests):
            asked = engine_request(self._settings, request, self._settings.first(request), number)
            sender.send(asked.frame(number))
            yield Reply(request.key, "text", finish_reason="stop")
        sender.close()
        sender.thread.join()

    def close(self) -> None:
        pass


def before_ms(settings: ModelSettings, pages: int = 60) -> float:
    with tempfile.TemporaryDirectory() as folder, Reader(Orders(settings), cache=False) as reader:
        pdf = Path(folder) / "pages.pdf"
        make_pdf(pdf, pages)
        return cpu_ms(partial(reader.read, pdf), pages)


class Local:
    """As the local backend, with a device that takes no time."""

    name, model, needs_image, reads_text_layer = "local", "none", True, False

    def __init__(self, settings: ModelSettings, folder: Path, tokenizer: Path) -> None:
        self._settings = settings
        process_pair.ENGINE = "free_engine"  # type: ignore[misc]
        self._engine = EngineProcess(
            {
                "folder": str(folder),
                "tokenizer": str(tokenizer),
                **dict.fromkeys(("device", "memory_limit", "slots")),
                **dict.fromkeys(("cache", "weights", "vision"), "model"),
            }
        )

    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        yield from LocalReading(lambda: self._engine, self._settings, self._ladder).replies(
            requests
        )

    def _ladder(self, request: PageRequest) -> RetryLadder:
        return RetryLadder(request, self._settings.first(request), attempts=1)

    def close(self) -> None:
        self._engine.close()


def through(settings: ModelSettings, tokenizer: Path, pages: int = 200) -> float:
    """Pages a second from the disk to blocks."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        shutil.copy(tokenizer.parent / "config.json", place)
        (place / "model.safetensors").touch()
        pdf = place / "pages.pdf"
        make_pdf(pdf, pages)
        backend = Local(settings, place, tokenizer)
        with Reader(backend, cache=False) as reader:
            start = time.perf_counter()
            reader.read(pdf)
            took = time.perf_counter() - start
        backend.close()
    return pages / took


def written_ms(settings: ModelSettings, texts: Sequence[tuple[int, ...]]) -> tuple[float, float]:
    """A page in the process that looks for loops, and then in the reading one."""
    how = AttemptSettings(TASKS["document"], MODES["gundam"], FAMILY.no_repeat)
    frames: list[Frame] = []

    def watch() -> None:
        for ids in texts:
            each = LoopWatch(settings.tokenizer)
            for start in range(0, len(ids) - TOKENS_PER_FRAME, TOKENS_PER_FRAME):
                each(ids[start : start + TOKENS_PER_FRAME])
            written = GeneratedPage(ids, (-0.5,) * len(ids), End(len(ids), "stop"))
            frames.append(text_frame(0, each.finish(written)))

    def judge() -> None:
        for frame in frames:
            best = judged(settings.attempt(how, text_from(frame)))
            page_from_reply(Reply(0, best.text, logprobs=best.logprobs), Page(1))

    return cpu_ms(watch, len(texts)), cpu_ms(judge, len(texts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("--pages", type=int, default=512)
    parser.add_argument("--tokens", type=int, default=1000)
    arguments = parser.parse_args()
    tokenizer = ModelTokenizer.from_file(arguments.tokenizer)
    settings = ModelSettings(FAMILY, tokenizer, 8192, FAMILY.no_repeat, arguments.tokens)
    pages, tokens = arguments.pages, arguments.tokens
    texts = [tuple(ordinary(tokens)) for _ in range(20)]
    watched, after = written_ms(settings, texts)
    rows = [
        (f"a step of {pages} pages", loop_ms(pages, tokens)),
        ("a page of 200 dpi before it is written", before_ms(settings)),
        (f"a page of {tokens} tokens: text and loops", watched),
        ("the same page after it is written", after),
    ]
    for name, took in rows:
        print(f"{name:52s} {took:6.2f} ms")
    rate = through(settings, arguments.tokenizer)
    name = f"from the disk to blocks, {os.cpu_count()} cores"
    print(f"{name:52s} {rate:6.1f} pages/s")


if __name__ == "__main__":
    main()
