"""How long a program waits for its first page, with kernels that were compiled before.

    python benchmarks/engine/first_page.py FOLDER [--device cpu] [--tokens 1000] [--pages 512] [--rounds 1]

FOLDER holds a checkpoint, and gets two PDFs. Each round loads the model with a reader made before, and
reads the first page of a long PDF; then it reads a PDF of one page with a new reader, for which nothing
was loaded before. Run it once more if kernels had to be compiled. To compare two states, run them in
turn: machines differ by a quarter in torch's import alone.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from rendering import make_pdf

from deepseek_ocr_rag import LocalBackend, Reader
from deepseek_ocr_rag.backends.base import PageRequest
from deepseek_ocr_rag.backends.model_settings import AttemptSettings, ModelSettings


def _drawn(settings: ModelSettings, request: PageRequest) -> AttemptSettings:
    """How a page is asked for: greedy, random weights write loops, in which more is looked for."""
    return AttemptSettings(request.task, request.resolution, settings.no_repeat, temperature=1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device")
    parser.add_argument("--tokens", type=int, default=1000)
    parser.add_argument("--pages", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    ModelSettings.first = _drawn  # type: ignore[method-assign]
    long, short = (arguments.folder / f"{pages} pages.pdf" for pages in (arguments.pages, 1))
    for pdf, pages in ((long, arguments.pages), (short, 1)):
        if not pdf.exists():
            make_pdf(pdf, pages)

    def backend() -> LocalBackend:
        tokens = arguments.tokens
        return LocalBackend(
            arguments.folder, device=arguments.device, max_new_tokens=tokens, attempts=1
        )

    for _ in range(arguments.rounds):
        begin = time.perf_counter()
        loaded = backend()
        with Reader(loaded, cache=False) as reader:
            loaded.load()
            ready = time.perf_counter()
            with reader.open(long) as stream:
                page = next(stream)
                end = time.perf_counter()
        loaded.close()
        print(
            f"ready {ready - begin:.2f} s, then first of {arguments.pages} pages {end - ready:.2f} s,"
            f" {'' if page.ok else page.error}",
            flush=True,
        )
        begin = time.perf_counter()
        new = backend()
        with Reader(new, cache=False) as reader:
            (page,) = reader.read(short)
            end = time.perf_counter()
        new.close()
        print(
            f"page of a new reader {end - begin:.2f} s {'' if page.ok else page.error}", flush=True
        )


if __name__ == "__main__":
    main()
