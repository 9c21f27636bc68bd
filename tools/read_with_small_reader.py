"""Shows a small network of DeepSeek-OCR's architecture reading real words, on the CPU, in seconds.

Run ``make reader``, or ``python tools/read_with_small_reader.py FOLDER`` where the extra [local] and
reportlab are installed. Two pages are drawn as a PDF, and read at once through ``local``, our own engine,
and through ``transformers``. Prints their Markdown, and each block's confidence and box; writes pictures
of the boxes to FOLDER.

The network is ``tests/support/small_reader.py``. It was trained on such pages, and reads nothing else.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests" / "support")]

from drawn_pages import drawn_page, page_with, pdf_of  # noqa: E402
from small_reader import write_checkpoint  # noqa: E402
from transformers.utils.logging import disable_progress_bar  # noqa: E402

from deepseek_ocr_rag import (  # noqa: E402
    LocalBackend,
    OcrDocument,
    Reader,
    TransformersBackend,
    open_source,
)
from deepseek_ocr_rag.export.folder import write_page_pictures  # noqa: E402

PAGES = (
    page_with("Harbour lamps", "Six new lamps light the north pier. They draw 12 watts."),
    drawn_page(random.Random("shown 41")),  # with a table
)
"""Neither was in the training."""


def read(backend: LocalBackend | TransformersBackend, pdf: Path) -> OcrDocument:
    """Read a PDF with a backend, and close it."""
    start = time.perf_counter()
    with Reader(backend, resolution="tiny", cache=False) as reader:
        document = reader.read(pdf)
    backend.close()
    seconds = time.perf_counter() - start
    print(f"{backend.name}: {len(document.pages)} pages in {seconds:.1f} s, loading included")
    return document


def show(document: OcrDocument) -> None:
    """Print what was read, where it stands, and how sure the network is of it."""
    for page in document.pages:
        print(f"\n--- page {page.number} ({page.finish_reason}, attempts: {page.attempts})\n")
        print(page.markdown, end="\n\n")
        for block in page.blocks:
            sure = "-" if block.confidence is None else f"{block.confidence:.2f}"
            places = ", ".join(
                f"({box.x0:.3f}, {box.y0:.3f}, {box.x1:.3f}, {box.y1:.3f})" for box in block.boxes
            )
            print(f"  {block.kind}, confidence {sure}, box {places}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw, read and show."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="for the PDF and the pictures")
    folder = parser.parse_args(arguments).folder
    folder.mkdir(parents=True, exist_ok=True)
    disable_progress_bar()
    checkpoint = write_checkpoint(folder / "checkpoint")
    pdf = folder / "drawn.pdf"
    pdf.write_bytes(pdf_of(list(PAGES)))
    documents = [
        read(backend, pdf)
        for backend in (
            LocalBackend(checkpoint, device="cpu"),
            TransformersBackend(checkpoint, device="cpu", batch_size=len(PAGES)),
        )
    ]
    show(documents[0])
    one, other = ([page.markdown for page in document.pages] for document in documents)
    print(f"\nboth wrote the same words: {'yes' if one == other else 'no'}")
    with open_source(pdf) as source:
        for path in write_page_pictures(documents[0], folder, lambda n: source.render(n, 1024)):
            print(f"boxes: {path}")


if __name__ == "__main__":
    main()
