"""``dsocr demo``: the sample document from PDF to cited answers, in one go."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from ..answering.language_model import choose_language_model
from ..answering.qa import DocumentQA
from ..backends.auto import choose_backend
from ..backends.registry import backend_named
from ..export.page_pictures import write_page_pictures
from ..reading.reader import Reader
from ..samples import sample_path
from ..sources.source import open_source

__all__ = ["QUESTIONS", "run_demo"]

QUESTIONS = (
    "What did the whole programme of LED lamps cost?",
    "How many crowns does the board grant for a new emitter?",
)
"""One is answered by the born-digital page, the other by the scan."""


def run_demo(folder: Path, *, backend: str = "auto", show: Callable[[str], None]) -> None:
    """Read the sample, print a page, draw all pages, answer two questions.

    Args:
        folder: Where the pictures go; made if it is not there.
        backend: As for :class:`~deepseek_ocr_rag.Reader`.
        show: Gets every line of output.
    """
    if backend == "auto":
        choice = choose_backend()
        reading, reason = choice.backend, choice.reason
    else:
        reading, reason = backend_named(backend), "as asked"
    show(f"Reading {sample_path().name} with the {reading.name} backend ({reason})")
    with closing(reading):
        document = Reader(reading).read(sample_path(), name=sample_path().name)
    show(f"\n--- page 1 as Markdown {'-' * 40}\n")
    show(document.pages[0].markdown)
    show(f"\n--- pages with their boxes {'-' * 36}\n")
    with open_source(sample_path()) as source:
        for path in write_page_pictures(document, folder, lambda n: source.render(n, 1280)):
            show(str(path))
    llm, hint = choose_language_model()
    qa = DocumentQA(document, llm=llm)
    for question in QUESTIONS:
        show(f"\n--- {question}\n")
        show(str(qa.ask(question)))
    if hint:
        show(f"\n{hint}")
