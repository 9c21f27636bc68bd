"""``dsocr demo``: takes the sample document from PDF to cited answers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from ..answering.models.model_choice import choose_language_model
from ..answering.qa import DocumentQA
from ..backends.auto import choose_backend
from ..backends.registry import backend_named
from ..export.folder import write_page_pictures
from ..reading.reader import Reader
from ..samples import sample_path
from ..sources.source import open_source

__all__ = ["QUESTIONS", "run_demo"]

QUESTIONS = (
    "What did the whole programme of LED lamps cost?",
    "How many crowns does the board grant for a new emitter?",
)
"""The first is answered by the born-digital page, the second by the scan."""


def run_demo(folder: Path, *, backend: str = "auto", show: Callable[[str], None]) -> None:
    """Read the sample, print one page, draw all pages, and answer two questions.

    Pictures go to ``folder``; ``show`` is called with every line of output.
    """
    if backend == "auto":
        choice = choose_backend()
        reader, reason = choice.backend, choice.reason
    else:
        reader, reason = backend_named(backend), "as requested"
    show(f"Reading {sample_path().name} with the {reader.name} backend ({reason})")
    with closing(reader):
        document = Reader(reader).read(sample_path(), name=sample_path().name)
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
