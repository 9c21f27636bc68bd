"""The worker process: opens documents and sends their pages, one request at a time.

Requests arrive as frames (:mod:`deepseek_ocr_rag.concurrency.frames`) on standard input.
The reply to each is one frame, with the result or an error::

    {"do": "load", "format": "PDF", "renderer": "pdfium"}                          -> {}
    {"do": "open", "document": 7, "name": ..., "path": ..., "format": "PDF", ...}  -> {"pages": 3}
    {"do": "info", "document": 7, "page": 1}                                       -> size, label
    {"do": "render", "document": 7, "page": 1, "long_side": 1280}                  -> pixels
    {"do": "render_pixels", "document": 7, "page": 1, "long_side": 1280}           -> pixels, or that
                                                                                      it is blank
    {"do": "render_png", "document": 7, "page": 1, "long_side": 1280}              -> a PNG file
    {"do": "text_layer", "document": 7, "page": 1}                                 -> words
    {"do": "close", "document": 7}                                                 -> {}

It ends when its standard input does, so it never outlives its owner. From the first document
on, it can write no files. It reads only the documents that it is told to open.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, TypeVar

from ...concurrency.frames import (
    Frame,
    StreamedFrame,
    discard_output,
    receive,
    send,
    take_pipes,
)
from ...concurrency.picture_frames import picture_frame
from ...errors import (
    BrokenFrameError,
    DeepSeekOCRError,
    LimitExceededError,
    PageRenderError,
    SourceError,
)
from ..limits import Limits
from ..private_file import identity_of
from ..renderers.content import Content
from ..renderers.opened_document import OpenedDocument
from ..renderers.opening import opener_for
from .bounds import MemoryBound, ended_with_owner, write_no_files
from .values import error_frame, info_frame, inked_frame, layer_frame, png_frame

__all__ = ["main"]

_Reply = TypeVar("_Reply", bound=Frame | StreamedFrame)


@dataclass(frozen=True, slots=True)
class _Opened:
    name: str
    document: OpenedDocument
    memory: float


def main() -> None:
    """Serve until the owner closes the pipe or is gone."""
    if hasattr(signal, "SIGINT"):
        # Ctrl-C is for the owner, which ends this process.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, replies = take_pipes()
    # Until here its owner can read on standard error why it does not start.
    discard_output()
    _DocumentServer(MemoryBound(), requests).serve(replies)


class _DocumentServer:
    """Holds the open documents, and answers requests about them."""

    def __init__(self, memory: MemoryBound, requests: FileIO) -> None:
        self._memory = memory
        self._requests = requests
        self._opened: dict[int, _Opened] = {}
        self._fenced = False

    def serve(self, replies: FileIO) -> None:
        send(replies, Frame({"ready": True}))
        # Reading and writing fail once the owner is gone.
        with suppress(BrokenFrameError, OSError):
            while True:
                # The owner has checked the size of the documents that it sends.
                send(replies, self._reply(receive(self._requests, longest=float("inf"))))

    def _reply(self, request: Frame) -> Frame | StreamedFrame:
        message = request.message
        try:
            if message["do"] == "load":
                opener_for(message["format"], message["renderer"])
                return Frame({})
            if not self._fenced:
                # Not sooner: Python must be able to store what it compiles of a renderer. Otherwise
                # each new process would compile it again, which takes a third of a second.
                write_no_files()
                self._fenced = True
            if message["do"] == "open":
                return self._open(message, bytes(request.body))
            if message["do"] == "close":
                self._close(message["document"])
                return Frame({})
            return self._page(message)
        except DeepSeekOCRError as error:
            return error_frame(error)

    def _open(self, message: dict[str, Any], data: bytes) -> Frame:
        path = None if message["path"] is None else Path(message["path"])
        content = Content(
            message["name"], message["size"], file=path, data=data if path is None else None
        )
        if path is not None:
            _check_identity(path, message["identity"], content.name)
        limits = Limits(**message["limits"])
        open_document = opener_for(message["format"], message["renderer"])
        self._memory.measure()
        # The limit does not count a document that was passed as bytes.
        memory = limits.worker_bytes + len(data)

        def opened() -> Frame:
            document = open_document(content, message["password"], limits)
            self._opened[message["document"]] = _Opened(content.name, document, memory)
            return Frame({"pages": document.page_count})

        return self._bounded(opened, memory, content.name, None)

    def _page(self, message: dict[str, Any]) -> Frame | StreamedFrame:
        opened = self._opened[message["document"]]
        document, number = opened.document, message["page"]
        tasks: dict[str, Callable[[], Frame | StreamedFrame]] = {
            "info": lambda: info_frame(document.info(number)),
            "render": lambda: picture_frame(document.render(number, message["long_side"])),
            "render_pixels": lambda: inked_frame(document.render(number, message["long_side"])),
            "render_png": lambda: png_frame(document.render(number, message["long_side"])),
            "text_layer": lambda: layer_frame(document.text_layer(number)),
        }
        return self._bounded(tasks[message["do"]], opened.memory, opened.name, number)

    def _bounded(
        self, task: Callable[[], _Reply], memory: float, name: str, page: int | None
    ) -> _Reply:
        try:
            with self._memory.allowing(memory), ended_with_owner(self._requests):
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
            # The renderers translate the errors that their libraries are known to raise.
            raise PageRenderError(
                f"it is damaged in an unexpected way ({type(error).__name__})",
                source=name,
                page=page,
                remedy="Repair the file, for example with qpdf, and please report this.",
            ) from error

    def _close(self, number: int) -> None:
        opened = self._opened.pop(number, None)
        if opened is not None:
            opened.document.close()


def _check_identity(path: Path, identity: list[int], name: str) -> None:
    """Check that the owner still has the document open: another file may have its descriptor."""
    try:
        same = list(identity_of(path)) == identity
    except OSError:
        same = False
    if not same:
        raise SourceError("the document is closed", source=name, remedy="Open it again.")


if __name__ == "__main__":
    main()
