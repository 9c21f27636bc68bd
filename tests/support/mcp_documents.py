"""A folder of documents, readers that need no model, and the server over them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pypdfium2

from deepseek_ocr_rag import Reader, ReplayBackend
from deepseek_ocr_rag.agents.libraries.folder_library import FolderLibrary
from deepseek_ocr_rag.backends import PageRequest, Reply
from deepseek_ocr_rag.mcp.library_tools import LibraryTools
from deepseek_ocr_rag.mcp.protocol_server import DocumentServer, document_server

TITLE = "<|ref|>title<|/ref|><|det|>[[100, 50, 900, 100]]<|/det|>\n# Lamps, part {page}\n\n"
TEXT = "<|ref|>text<|/ref|><|det|>[[100, 150, 900, 300]]<|/det|>\n{text}\n\n"
FOOT = "<|ref|>text<|/ref|><|det|>[[100, 800, 900, 900]]<|/det|>\nThe harbour of part {page} is deep.\n"

LINES = {
    1: "The lamp was lit in 1871 by Ada Holm.",
    2: "The tower is 31 metres high.",
    3: "The keeper of the tower is Leonie Hartog.",
}


def reply_text(page: int, text: str) -> str:
    """What the model writes for a page, in its grammar (shared/model-outputs/GRAMMAR.md)."""
    return TITLE.format(page=page) + TEXT.format(text=text) + FOOT.format(page=page)


def recorded(texts: dict[int, str] | None = None, pages: int = 3) -> ReplayBackend:
    """A backend that has a reply for each page."""
    known = texts or {
        n: LINES.get(n, f"Page {n} tells of lamp number {n}.") for n in range(1, pages + 1)
    }
    return ReplayBackend({number: reply_text(number, text) for number, text in known.items()})


def recording_file(path: Path, texts: dict[int, str] | None = None) -> str:
    """The same for the command line: its ``--backend``."""
    lines = [
        json.dumps({"page": number, "text": reply_text(number, text)}) + "\n"
        for number, text in (texts or LINES).items()
    ]
    path.write_text("".join(lines), "utf-8")
    return f"replay:{path}"


def write_pdf(path: Path, pages: int = 3, height: int = 400) -> Path:
    """A PDF of empty pages; another height is another file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pdf = pypdfium2.PdfDocument.new()
    for _ in range(pages):
        pdf.new_page(300, height)
    pdf.save(path)
    pdf.close()
    return path


class GatedBackend:
    """Reads a page only when it is let; as the real ones, it stops where the reading is cancelled."""

    name = model = "gated"
    needs_image = False
    reads_text_layer = False

    def __init__(self) -> None:
        self.gate = threading.Semaphore(0)
        self.begun: list[int] = []
        self.cancelled = threading.Event()

    def let(self, pages: int) -> None:
        self.gate.release(pages)

    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        for request in requests:
            self.begun.append(request.page)
            stop = threading.Event()
            with request.cancellation.on_cancel(stop.set):
                while not self.gate.acquire(timeout=0.01):
                    if stop.is_set():
                        self.cancelled.set()
                        return
            text = LINES.get(request.page, f"Page {request.page}.")
            yield Reply(request.key, reply_text(request.page, text))

    def close(self) -> None:
        pass


def server_over(root: Path, backend: Any = None, **options: Any) -> DocumentServer:
    """The server over a folder, without a cache and without a language model."""
    reader = Reader(backend or recorded(), cache=False)
    return document_server(LibraryTools(FolderLibrary(reader, root)), **options)
