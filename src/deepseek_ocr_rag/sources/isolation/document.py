"""A document that is read in other processes: as one that is read in this one, but safe.

A page that ends its process is tried once more in a fresh one; after the second
time, and after a page that took too long, it is quarantined: it stays a failed
page, at once, and the rest of the document goes on.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Self, TypeVar

from PIL.Image import Image

from ...concurrency.frames import Frame
from ...concurrency.picture_frames import PIXEL_BYTES
from ...document.text_layer import TextLayer
from ...errors import (
    BrokenFrameError,
    CorruptSourceError,
    LimitExceededError,
    PageRenderError,
    SourceError,
    WorkerLostError,
)
from ..limits import Limits
from ..renderers.base import PageInfo
from ..renderers.content import Content
from .pool import WorkerPool, shared_pool
from .process import Worker
from .values import error_from, info_from, layer_from, picture_from

__all__ = ["IsolatedDocument"]

GRACE_SECONDS = 5.0
"""A worker ends a slow page by itself, with a better message; only then is it ended."""

LONGEST_LAYER = 256 * 2**20
"""Bytes of numbers of a text layer, 46 a word."""

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a page is not tried again."""

    kind: type[SourceError]
    problem: str
    remedy: str | None

    def error(self, source: str, page: int | None) -> SourceError:
        return self.kind(self.problem, source=source, page=page, remedy=self.remedy)


class IsolatedDocument:
    """A file opened elsewhere; see :class:`~deepseek_ocr_rag.sources.renderers.base.OpenedDocument`.

    Thread-safe: several threads get their pages from several workers.

    Args:
        content: The bytes.
        format: What :func:`~deepseek_ocr_rag.sources.renderers.formats.sniff` found.
        renderer: "pdfium" or "pymupdf", for PDFs.
        password: For encrypted PDFs.
        limits: Bounds.

    Raises:
        MissingExtraError: If the renderer is not installed.
        SourceError: If the document cannot be opened, or no worker can be started.
    """

    def __init__(
        self,
        content: Content,
        *,
        format: str,
        renderer: str,
        password: str | None,
        limits: Limits,
    ) -> None:
        self._name = content.name
        self._limits = limits
        self._content = content
        self._order = _order(content, format, renderer, password, limits)
        self._failures: dict[int | None, _Failure] = {}
        self._closed = False
        self._lock = threading.Lock()
        self._pool: WorkerPool | None = None
        self._number = 0
        try:
            self._pages = self._ask(None, None, _page_count)
        except BaseException:
            self.close()
            raise

    @property
    def page_count(self) -> int:
        """Pages of the file."""
        return self._pages

    def info(self, number: int) -> PageInfo:
        """Size and label of a page."""
        return self._ask(number, {"do": "info"}, info_from)

    def render(self, number: int, long_side: int) -> Image:
        """The displayed page in RGB."""
        order = {"do": "render", "long_side": int(long_side)}
        longest = PIXEL_BYTES * int(long_side) ** 2
        return self._ask(number, order, picture_from, longest=longest)

    def text_layer(self, number: int) -> TextLayer | None:
        """Words, rules and pictures of a page; None for pictures."""
        return self._ask(number, {"do": "text_layer"}, layer_from, longest=LONGEST_LAYER)

    def close(self) -> None:
        """Free the file; pages that are being read end with an error."""
        with self._lock:
            self._closed = True
            pool, self._pool = self._pool, None
        if pool is not None:
            self._finalizer.detach()
            pool.forget(self._number)

    def _registered(self) -> tuple[WorkerPool, int]:
        """The pool, and our number there: both are new after a fork."""
        with self._lock:
            if self._closed:
                raise self._closed_error()
            pool = shared_pool()
            if self._pool is not pool:
                self._pool, self._number = pool, pool.register()
                self._finalizer = weakref.finalize(self, pool.abandon, self._number)
                self._finalizer.atexit = False
            return pool, self._number

    def _ask(
        self,
        page: int | None,
        order: dict[str, Any] | None,
        read: Callable[[Frame], _Result],
        *,
        longest: float = 0,
    ) -> _Result:
        """What a worker answers about a page, or about the whole file (no page, no order)."""
        budget = _Budget(self._limits.page_seconds + GRACE_SECONDS)
        fresh = False
        while True:
            failure = self._failures.get(page)
            if failure is not None:
                raise failure.error(self._name, page)
            try:
                return self._attempt(page, order, read, budget, longest, fresh)
            except LimitExceededError as error:
                if budget.left <= GRACE_SECONDS:
                    # It has had its time, and would take it again.
                    self._failures[page] = _Failure(type(error), error.problem, error.remedy)
                raise
            except WorkerLostError as lost:
                if self._closed:
                    raise self._closed_error() from lost
                if lost.late or budget.left <= 0 or fresh:
                    failure = _failure(page, lost, self._limits)
                    self._failures[page] = failure
                    raise failure.error(self._name, page) from lost
                fresh = True

    def _attempt(
        self,
        page: int | None,
        order: dict[str, Any] | None,
        read: Callable[[Frame], _Result],
        budget: _Budget,
        longest: float,
        fresh: bool,
    ) -> _Result:
        pool, number = self._registered()
        with pool.worker(number, fresh=fresh) as worker, budget:
            try:
                answer = Frame({})
                if number not in worker.documents:
                    answer = self._asked(worker, self._opening(number), budget)
                    worker.documents.add(number)
                if order is not None:
                    message = Frame({**order, "document": number, "page": page})
                    answer = self._asked(worker, message, budget, longest)
                return read(answer)
            except BrokenFrameError as broken:
                # It answers nonsense: whatever the file made of it, it is not asked again.
                worker.stop()
                raise WorkerLostError(f"answered {broken}") from broken

    def _asked(self, worker: Worker, order: Frame, budget: _Budget, longest: float = 0) -> Frame:
        answer = worker.ask(order, budget.left, longest=longest)
        error = error_from(answer, self._name)
        if error is not None:
            raise error
        return answer

    def _opening(self, number: int) -> Frame:
        return Frame({**self._order, "document": number}, self._content.data or b"")

    def _closed_error(self) -> SourceError:
        return SourceError("the document is closed", source=self._name, remedy="Open it again.")


class _Budget:
    """Seconds that workers may spend on a page, over all tries; a context that counts.

    Attributes:
        left: What is left of them.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._began: float | None = None

    @property
    def left(self) -> float:
        running = 0.0 if self._began is None else time.monotonic() - self._began
        return max(0.0, self._seconds - running)

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        return self

    def __exit__(self, *exception: object) -> None:
        self._seconds, self._began = self.left, None


def _order(
    content: Content, format: str, renderer: str, password: str | None, limits: Limits
) -> dict[str, Any]:
    """How to open the document; see :mod:`.worker`."""
    return {
        "do": "open",
        "name": content.name,
        "size": content.size,
        "path": None if content.path is None else str(content.path.absolute()),
        "format": format,
        "renderer": renderer,
        "password": password,
        "limits": asdict(limits),
    }


def _page_count(answer: Frame) -> int:
    pages = answer.message.get("pages")
    if not isinstance(pages, int) or pages < 1:
        raise BrokenFrameError("no number of pages")
    return pages


def _failure(page: int | None, lost: WorkerLostError, limits: Limits) -> _Failure:
    what = "opening the document" if page is None else "the page"
    if lost.late:
        return _Failure(
            LimitExceededError,
            f"{what} took longer than {limits.page_seconds:g} seconds",
            "Raise Limits(page_seconds=...) if you trust the file.",
        )
    if lost.memory:
        return _Failure(
            LimitExceededError,
            f"{what} needs more memory than {limits.worker_bytes:,.0f} bytes",
            "Raise Limits(worker_bytes=...) if you trust the file.",
        )
    return _Failure(
        CorruptSourceError if page is None else PageRenderError,
        f"{what} ended the process that read it, and a second one ({lost})",
        "The file is damaged, or made to do harm, or needs more memory than "
        f"{limits.worker_bytes:,.0f} bytes: raise Limits(worker_bytes=...) if you trust it.",
    )
