"""How many pages a second one reading process can feed to cards, without a card.

    python benchmarks/engine/reader_feed.py PDF [--pages 512] [--rate 40] [--cards 2]

A stand-in for the ``local`` backend takes the pixels of pages, sends them to another process as the
engine gets them, and answers with a page of five blocks, but no faster than ``--rate``. Prints the
pages a second that ``Reader.read`` reached, and the CPU milliseconds a page of this process
and of all that draw. A PDF with fewer pages is read several times.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator

import psutil

from deepseek_ocr_rag import Reader
from deepseek_ocr_rag.backends.base import PageRequest, Reply
from deepseek_ocr_rag.backends.local.page_request import EngineRequest
from deepseek_ocr_rag.backends.local.request_sender import RequestSender
from deepseek_ocr_rag.model.ngrams import NoRepeat

PROMPT_TOKENS = 900
PARAGRAPH = "The keeper wrote down wind, weather and the ships that passed. " * 8
TEXT = "\n\n".join(
    f"<|ref|>text<|/ref|><|det|>[[100, {100 * i}, 900, {100 * i + 80}]]<|/det|>\n{PARAGRAPH}"
    for i in range(1, 6)
)
SINK = "import sys\nwhile sys.stdin.buffer.raw.read(2**20): pass"


class Cards:
    """Stands for ``LocalBackend``: it takes pixels as fast as they come, and answers at a set rate."""

    name = "cards"
    model = "none"
    needs_image = True
    reads_text_layer = False
    sends_pixels = True

    def __init__(self, cards: int, rate: float) -> None:
        self.cards = cards
        self._every = 1 / rate
        self._engine = subprocess.Popen(
            [sys.executable, "-c", SINK], stdin=subprocess.PIPE, bufsize=0
        )
        assert self._engine.stdin is not None
        self._sender = RequestSender(self._engine.stdin)  # type: ignore[arg-type]

    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        """Answer in the order of the pages."""
        due = time.monotonic()
        for request in requests:
            assert request.pixels is not None
            page = EngineRequest(
                ids=[1] * PROMPT_TOKENS,
                image=request.pixels,
                mode=request.resolution,
                max_tiles=None,
                rule=NoRepeat(0),
                max_new_tokens=1000,
            )
            self._sender.send(page.frame(request.key))
            due = max(due + self._every, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))
            yield Reply(request.key, TEXT)

    def close(self) -> None:
        """End the process that took the pixels."""
        self._sender.close()
        self._sender.thread.join()
        self._engine.wait()


def drawing_seconds() -> float:
    """CPU seconds of all processes that draw."""
    drawing = [
        each
        for each in psutil.Process().children(recursive=True)
        if any("isolation.worker" in part for part in each.cmdline())
    ]
    return sum(sum(each.cpu_times()[:2]) for each in drawing)


def main() -> None:
    """Run the benchmark; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pdf")
    parser.add_argument("--pages", type=int, default=512)
    parser.add_argument("--rate", type=float, default=40.0)
    parser.add_argument("--cards", type=int, default=2)
    given = parser.parse_args()
    backend = Cards(given.cards, given.rate)
    with Reader(backend, cache=False) as reader, reader.open(given.pdf) as kept:  # type: ignore[arg-type]
        reader.read(given.pdf, pages="1")  # a drawing process has begun
        begun, own, drawing = time.perf_counter(), time.process_time(), drawing_seconds()
        read = 0
        while read < given.pages:
            some = min(given.pages - read, kept.total_pages)
            read += len(reader.read(given.pdf, pages=f"1-{some}"))
        seconds = time.perf_counter() - begun
        own, drawing = time.process_time() - own, drawing_seconds() - drawing
    backend.close()
    print(
        f"{read} pages, {given.cards} cards that answer {given.rate:g} pages/s:"
        f" {read / seconds:.1f} pages/s"
    )
    print(f"CPU ms a page: this process {1e3 * own / read:.1f}, drawing {1e3 * drawing / read:.1f}")


if __name__ == "__main__":
    main()
