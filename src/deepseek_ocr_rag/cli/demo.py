"""``dsocr demo``: takes the sample document from PDF to cited answers."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

from ..answering.models.model_choice import choose_language_model
from ..answering.qa import DocumentQA
from ..backends.auto import choose_backend
from ..backends.base import Backend
from ..backends.registry import backend_named
from ..export.folder import write_page_pictures
from ..reading.reader import Reader
from ..samples import sample_path
from ..service.client.service_address import names_service, service_of
from ..service.client.service_reader import ServiceReader
from ..sources.source import open_source
from .output import print_output

__all__ = ["QUESTIONS", "run_demo", "show_demo"]

QUESTIONS = (
    "What did the whole programme of LED lamps cost?",
    "How many crowns does the board grant for a new emitter?",
)
"""The first is answered by the born-digital page, the second by the scan."""


def show_demo(options: argparse.Namespace) -> int:
    """``dsocr demo``: read the sample and answer two questions about it."""
    run_demo(Path(options.output), backend=options.backend, show=print_output)
    return 0


def run_demo(folder: Path, *, backend: str = "auto", show: Callable[[str], None]) -> None:
    """Read the sample, print one page, draw all pages, and answer two questions.

    Pictures go to ``folder``; ``show`` is called with every line of output.
    """
    with ExitStack() as opened:
        if names_service(backend):
            reader: Reader = opened.enter_context(ServiceReader(service_of(backend)))
            show(f"Reading {sample_path().name} with a service (as requested)")
        else:
            chosen, reason = _backend(backend)
            reader = Reader(opened.enter_context(closing(chosen)))
            show(f"Reading {sample_path().name} with the {chosen.name} backend ({reason})")
        document = reader.read(sample_path(), name=sample_path().name)
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


def _backend(name: str) -> tuple[Backend, str]:
    """A backend, and why it is this one."""
    if name != "auto":
        return backend_named(name), "as requested"
    choice = choose_backend()
    return choice.backend, choice.reason
