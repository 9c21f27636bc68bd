"""What the host does beside the GPU, which must take less time than the GPU: no GPU needed.

    python benchmarks/engine_host.py TOKENIZER.JSON [--pages 512] [--tokens 1000]

CPU time, not time on the clock: of the engine's process for a step of so many
pages (by a device that takes no time, and writes random tokens), of the process
that looks for loops for a page, and of the reading process for a page: before it is
written, and after it.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from rendering import make_pdf

from deepseek_ocr_rag import Page, PageRequest, Reader, Reply
from deepseek_ocr_rag.backends.attempts import AttemptSettings, judged
from deepseek_ocr_rag.backends.local_reading import page_order
from deepseek_ocr_rag.backends.local_worker import TOKENS_TOLD
from deepseek_ocr_rag.backends.page_frames import text_frame, text_from
from deepseek_ocr_rag.backends.page_jobs import ModelSettings
from deepseek_ocr_rag.backends.page_text import LoopWatch
from deepseek_ocr_rag.engine.engine import Engine
from deepseek_ocr_rag.engine.scheduler import Scheduler
from deepseek_ocr_rag.engine.sequence import PageTask, WrittenSequence
from deepseek_ocr_rag.isolation.frames import Frame, send
from deepseek_ocr_rag.model.families import FAMILIES
from deepseek_ocr_rag.model.page_prompt import End, GeneratedPage
from deepseek_ocr_rag.model.tokenizer import ModelTokenizer
from deepseek_ocr_rag.page_stream import _page_from
from deepseek_ocr_rag.prompts import MODES, TASKS

FAMILY = FAMILIES["deepseek-ocr"]
PROMPT = [0] * 912
ORDINARY = (3, 120_000)
"""Ids of tokens that are text."""


class FreeReport:
    """Random tokens, at once."""

    is_here = True
    queries = 1

    def __init__(self, sequences: Sequence[WrittenSequence]) -> None:
        self.sequences = tuple(sequences)

    def wait(self) -> list[tuple[list[int], list[float]]]:
        tokens = np.random.randint(*ORDINARY, (len(self.sequences), 1)).tolist()
        return [(written, [-0.5]) for written in tokens]


class FreeRunner:
    """A device that takes no time."""

    device = torch.device("cpu")

    def begin(self, sequences: Sequence[WrittenSequence]) -> FreeReport:
        return FreeReport(sequences)

    def step(self, sequences: Sequence[WrittenSequence], drafts: object) -> FreeReport:
        return FreeReport(sequences)


def cpu_ms(run: Callable[[], object], count: int) -> float:
    begin = time.process_time()
    run()
    return (time.process_time() - begin) / count * 1e3


def loop_ms(pages: int, tokens: int) -> float:
    """A step of the engine's loop."""
    engine = Engine(FreeRunner(), Scheduler(slots=pages, pages=pages * 40 + 200), 8192)  # type: ignore[arg-type]

    def write() -> None:
        writings = []
        for _ in range(pages):
            task = PageTask(PROMPT, None, FAMILY.no_repeat, tokens, interval=TOKENS_TOLD)
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
        with Path("/dev/null").open("wb", buffering=0) as nowhere:
            for number, request in enumerate(requests):
                order = page_order(self._settings, request, self._settings.first(request), number)
                send(nowhere, order.frame(number))
                yield Reply(request.key, "text", finish_reason="stop")

    def close(self) -> None:
        pass


def before_ms(settings: ModelSettings, pages: int = 60) -> float:
    with tempfile.TemporaryDirectory() as folder, Reader(Orders(settings), cache=False) as reader:
        pdf = Path(folder) / "pages.pdf"
        make_pdf(pdf, pages)
        return cpu_ms(partial(reader.read, pdf), pages)


def written_ms(settings: ModelSettings, texts: Sequence[tuple[int, ...]]) -> tuple[float, float]:
    """A page in the process that looks for loops, and then in the reading one."""
    how = AttemptSettings(TASKS["document"], MODES["gundam"], FAMILY.no_repeat)
    frames: list[Frame] = []

    def watch() -> None:
        for ids in texts:
            each = LoopWatch(settings.tokenizer)
            for start in range(0, len(ids) - TOKENS_TOLD, TOKENS_TOLD):
                each(ids[start : start + TOKENS_TOLD])
            written = GeneratedPage(ids, (-0.5,) * len(ids), End(len(ids), "stop"))
            frames.append(text_frame(0, each.finish(written)))

    def judge() -> None:
        for frame in frames:
            best = judged(settings.attempt(how, text_from(frame)))
            _page_from(Reply(0, best.text, logprobs=best.logprobs), Page(1))

    return cpu_ms(watch, len(texts)), cpu_ms(judge, len(texts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("--pages", type=int, default=512)
    parser.add_argument("--tokens", type=int, default=1000)
    arguments = parser.parse_args()
    tokenizer = ModelTokenizer.from_file(arguments.tokenizer)
    settings = ModelSettings(FAMILY, tokenizer, 8192, FAMILY.no_repeat)
    pages, tokens = arguments.pages, arguments.tokens
    texts = [tuple(random.randrange(*ORDINARY) for _ in range(tokens)) for _ in range(20)]
    watched, after = written_ms(settings, texts)
    rows = [
        (f"a step of {pages} pages", loop_ms(pages, tokens)),
        ("a page of 200 dpi before it is written", before_ms(settings)),
        (f"a page of {tokens} tokens: text and loops", watched),
        ("the same page after it is written", after),
    ]
    for name, took in rows:
        print(f"{name:52s} {took:6.2f} ms")


if __name__ == "__main__":
    main()
