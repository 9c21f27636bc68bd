"""The reading process: opens documents and gives their pages, one order after the other.

Orders come as frames (:mod:`.frames`) through standard input, and each gets one
frame as its answer, either what was asked for or an error::

    {"do": "open", "document": 7, "name": ..., "path": ..., "format": "PDF", ...}  -> {"pages": 3}
    {"do": "info", "document": 7, "page": 1}                                       -> size, label
    {"do": "render", "document": 7, "page": 1, "long_side": 1280}                  -> pixels
    {"do": "text_layer", "document": 7, "page": 1}                                 -> words
    {"do": "close", "document": 7}                                                 -> {}

It ends when its standard input does, so it never outlives its owner. It writes
no file and reads none but the documents that it is told to open.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, TypeVar

from ...concurrency.frames import Frame, StreamedFrame, receive, send
from ...concurrency.picture_frames import picture_frame
from ...errors import BrokenFrameError, DeepSeekOCRError, LimitExceededError, PageRenderError
from ..limits import Limits
from ..renderers.base import OpenedDocument
from ..renderers.content import Content
from ..renderers.opening import opener_for
from .bounds import MemoryBound, ended_with_owner, write_no_files
from .values import error_frame, info_frame, layer_frame

__all__ = ["main"]

_Answer = TypeVar("_Answer", bound=Frame | StreamedFrame)


@dataclass(frozen=True, slots=True)
class _Opened:
    name: str
    document: OpenedDocument
    memory: float


def main() -> None:
    """Serve until the owner closes the pipe or is gone."""
    if hasattr(signal, "SIGINT"):
        # Ctrl-C is for the owner, who ends us.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    orders, answers = _pipes()
    write_no_files()
    _Desk(MemoryBound(), orders).serve(answers)


def _pipes() -> tuple[FileIO, FileIO]:
    """The pipes to the owner; whatever a library prints goes nowhere."""
    orders, answers = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)
    return FileIO(orders, "rb"), FileIO(answers, "wb")


class _Desk:
    """The documents that are open here."""

    def __init__(self, memory: MemoryBound, orders: FileIO) -> None:
        self._memory = memory
        self._orders = orders
        self._opened: dict[int, _Opened] = {}

    def serve(self, answers: FileIO) -> None:
        send(answers, Frame({"ready": True}))
        while True:
            try:
                # Documents come from our owner, who has looked at their size.
                order = receive(self._orders, longest=float("inf"))
            except (BrokenFrameError, OSError):
                return
            try:
                send(answers, self._answer(order))
            except OSError:
                return

    def _answer(self, order: Frame) -> Frame | StreamedFrame:
        told = order.message
        try:
            if told["do"] == "open":
                return self._open(told, bytes(order.body))
            if told["do"] == "close":
                self._close(told["document"])
                return Frame({})
            return self._page(told)
        except DeepSeekOCRError as error:
            return error_frame(error)

    def _open(self, told: dict[str, Any], data: bytes) -> Frame:
        path = None if told["path"] is None else Path(told["path"])
        content = Content(
            told["name"],
            told["size"],
            path=path,
            data=data if path is None else None,
        )
        limits = Limits(**told["limits"])
        open_document = opener_for(told["format"], told["renderer"])
        self._memory.measure()
        # A document that was passed as bytes is not what the limit is about.
        memory = limits.worker_bytes + len(data)

        def opened() -> Frame:
            document = open_document(content, told["password"], limits)
            self._opened[told["document"]] = _Opened(content.name, document, memory)
            return Frame({"pages": document.page_count})

        return self._bounded(opened, memory, content.name, None)

    def _page(self, told: dict[str, Any]) -> Frame | StreamedFrame:
        opened = self._opened[told["document"]]
        document, number = opened.document, told["page"]
        tasks: dict[str, Callable[[], Frame | StreamedFrame]] = {
            "info": lambda: info_frame(document.info(number)),
            "render": lambda: picture_frame(document.render(number, told["long_side"])),
            "text_layer": lambda: layer_frame(document.text_layer(number)),
        }
        return self._bounded(tasks[told["do"]], opened.memory, opened.name, number)

    def _bounded(
        self, task: Callable[[], _Answer], memory: float, name: str, page: int | None
    ) -> _Answer:
        try:
            with self._memory.allowing(memory), ended_with_owner(self._orders):
                return task()
        except MemoryError as error:
            raise LimitExceededError(
                "it needs more memory than the limit allows",
                source=name,
                page=page,
                remedy="Raise Limits(worker_bytes=...) if you trust the file.",
            ) from error
        except DeepSeekOCRError:
            raise
        except Exception as error:
            # The renderers foresee what their libraries raise; this is for what nobody foresaw.
            raise PageRenderError(
                f"it is damaged in a way that was not expected ({type(error).__name__})",
                source=name,
                page=page,
                remedy="Repair the file, for example with qpdf, and report this, please.",
            ) from error

    def _close(self, number: int) -> None:
        opened = self._opened.pop(number, None)
        if opened is not None:
            opened.document.close()
