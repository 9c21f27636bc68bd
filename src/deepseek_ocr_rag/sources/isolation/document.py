"""Reads a document in worker processes, so that this process survives whatever it breaks there.

A page that crashes its worker is tried once more in a new worker. If it crashes that one too, or
takes too long, it is quarantined: from then on it fails at once, while the other pages can
still be read.
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
from ...concurrency.picture_frames import PIXEL_BYTES, PixelPicture
from ...concurrency.png_pictures import PngPicture, longest_png
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
from ..renderers.content import Content
from ..renderers.opened_document import PageInfo
from ..renderers.opening import broken_installation, renderer_of
from .pool import WorkerPool, shared_pool
from .process import START_SECONDS, Worker
from .values import error_from, info_from, layer_from, picture_from, pixels_from, png_from

__all__ = ["IsolatedDocument", "load_renderer"]

GRACE_SECONDS = 5.0
"""Extra seconds in which a worker can stop a slow page itself, with a better message."""

LONGEST_LAYER = 256 * 2**20
"""Most bytes that the numbers of a text layer may take; a word takes 50."""

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class _Quarantine:
    """The reason why a page is quarantined."""

    kind: type[SourceError]
    problem: str
    remedy: str | None

    def error(self, source: str, page: int | None) -> SourceError:
        return self.kind(self.problem, source=source, page=page, remedy=self.remedy)


class IsolatedDocument:
    """An :class:`~deepseek_ocr_rag.sources.renderers.opened_document.OpenedDocument` in workers.

    Thread-safe: several threads use several workers.
    """

    def __init__(
        self, content: Content, *, format: str, renderer: str, password: str | None, limits: Limits
    ) -> None:
        self._name = content.name
        self._format = format
        self._renderer = renderer
        self._limits = limits
        self._content = content
        self._opening = _open_request(content, format, renderer, password, limits)
        self._quarantined: dict[int | None, _Quarantine] = {}
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
        """Return the size and label of a page."""
        return self._ask(number, {"do": "info"}, info_from)

    def render(self, number: int, long_side: int) -> Image:
        """Render the displayed page in RGB."""
        request = {"do": "render", "long_side": int(long_side)}
        longest = PIXEL_BYTES * int(long_side) ** 2
        return self._ask(number, request, picture_from, longest=longest)

    def render_pixels(self, number: int, long_side: int) -> PixelPicture | None:
        """Render the displayed page as raw pixels; None if it is blank."""
        request = {"do": "render_pixels", "long_side": int(long_side)}
        longest = PIXEL_BYTES * int(long_side) ** 2
        return self._ask(number, request, pixels_from, longest=longest)

    def render_png(self, number: int, long_side: int) -> PngPicture | None:
        """Render the displayed page as a PNG file; None if it is blank."""
        request = {"do": "render_png", "long_side": int(long_side)}
        return self._ask(number, request, png_from, longest=longest_png(int(long_side)))

    def text_layer(self, number: int) -> TextLayer | None:
        """Read the words, rules and pictures of a page; None if the file is a picture."""
        return self._ask(number, {"do": "text_layer"}, layer_from, longest=LONGEST_LAYER)

    def close(self) -> None:
        """Free the file; pages that are still being read fail."""
        with self._lock:
            self._closed = True
            pool, self._pool = self._pool, None
        if pool is not None:
            self._finalizer.detach()
            pool.forget(self._number)

    def _registered(self) -> tuple[WorkerPool, int]:
        """Return the pool and this document's number in it; both are new after a fork."""
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
        request: dict[str, Any] | None,
        read: Callable[[Frame], _Result],
        *,
        longest: float = 0,
    ) -> _Result:
        """Ask a worker about a page, or to open the file (no page, no request)."""
        budget = _TimeBudget(self._limits.page_seconds + GRACE_SECONDS)
        fresh = False
        while True:
            quarantine = self._quarantined.get(page)
            if quarantine is not None:
                raise quarantine.error(self._name, page)
            try:
                return self._attempt(page, request, read, budget, longest, fresh)
            except LimitExceededError as error:
                if budget.left <= GRACE_SECONDS:
                    # The page used up its time, and would do so again.
                    self._quarantined[page] = _Quarantine(type(error), error.problem, error.remedy)
                raise
            except WorkerLostError as lost:
                if self._closed:
                    raise self._closed_error() from lost
                if lost.late or budget.left <= 0 or fresh:
                    quarantine = _quarantine(page, lost, self._limits)
                    self._quarantined[page] = quarantine
                    raise quarantine.error(self._name, page) from lost
                fresh = True

    def _attempt(
        self,
        page: int | None,
        request: dict[str, Any] | None,
        read: Callable[[Frame], _Result],
        budget: _TimeBudget,
        longest: float,
        fresh: bool,
    ) -> _Result:
        pool, number = self._registered()

        def open_in(worker: Worker) -> None:
            own = _TimeBudget(self._limits.page_seconds + GRACE_SECONDS)
            load_renderer(worker, self._format, self._renderer, self._name, fresh=False)
            self._answer(worker, number, None, None, _page_count, own, 0)

        with pool.worker(number, fresh=fresh, prepare=open_in) as worker:
            load_renderer(worker, self._format, self._renderer, self._name, fresh=fresh)
            return self._answer(worker, number, page, request, read, budget, longest)

    def _answer(
        self,
        worker: Worker,
        number: int,
        page: int | None,
        request: dict[str, Any] | None,
        read: Callable[[Frame], _Result],
        budget: _TimeBudget,
        longest: float,
    ) -> _Result:
        with budget:
            try:
                reply = Frame({})
                if number not in worker.documents:
                    opening = {**self._opening, **self._where(), "document": number}
                    reply = self._exchange(
                        worker, Frame(opening, self._content.data or b""), budget
                    )
                    worker.documents.add(number)
                if request is not None:
                    about_page = Frame({**request, "document": number, "page": page})
                    reply = self._exchange(worker, about_page, budget, longest)
                return read(reply)
            except BrokenFrameError as broken:
                # The file may have taken over the worker, so the worker is not used again.
                worker.stop()
                raise WorkerLostError(f"it replied {broken}") from broken

    def _exchange(
        self, worker: Worker, request: Frame, budget: _TimeBudget, longest: float = 0
    ) -> Frame:
        reply = worker.ask(request, budget.left, longest=longest)
        error = error_from(reply, self._name)
        if error is not None:
            raise error
        return reply

    def _where(self) -> dict[str, Any]:
        """Say where a worker finds a document that is not sent, and which file that must be."""
        try:
            path = self._content.path
            identity = self._content.identity
        except (OSError, ValueError) as error:
            raise self._closed_error() from error
        return {"path": None if path is None else str(path.absolute()), "identity": identity}

    def _closed_error(self) -> SourceError:
        return SourceError("the document is closed", source=self._name, remedy="Open it again.")


def load_renderer(
    worker: Worker, format: str, renderer: str, source: str, *, fresh: bool = False
) -> None:
    """Make a worker try its renderer before it gets the document.

    ``source`` is the document's name for errors. ``fresh`` says that another worker has failed.
    """
    if format in worker.formats:
        return
    try:
        reply = worker.ask(
            Frame({"do": "load", "format": format, "renderer": renderer}), START_SECONDS
        )
    except WorkerLostError as lost:
        if fresh:
            name = renderer_of(format, renderer)
            raise broken_installation(name, f"the process that loads it: {lost}") from lost
        # Raise this as an ordinary failure, not as a timeout: another process may load it in time.
        raise WorkerLostError(str(lost)) from lost
    try:
        error = error_from(reply, source)
    except BrokenFrameError as broken:
        worker.stop()
        raise WorkerLostError(f"it replied {broken}") from broken
    if error is not None:
        raise error
    worker.formats.add(format)


class _TimeBudget:
    """The time that workers may spend on one page in all attempts; it runs in ``with`` blocks."""

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


def _open_request(
    content: Content, format: str, renderer: str, password: str | None, limits: Limits
) -> dict[str, Any]:
    """Make the request to open the document; see :mod:`.worker`."""
    return {
        "do": "open",
        "name": content.name,
        "size": content.size,
        "format": format,
        "renderer": renderer,
        "password": password,
        "limits": asdict(limits),
    }


def _page_count(reply: Frame) -> int:
    pages = reply.message.get("pages")
    if not isinstance(pages, int) or pages < 1:
        raise BrokenFrameError("an invalid number of pages")
    return pages


def _quarantine(page: int | None, lost: WorkerLostError, limits: Limits) -> _Quarantine:
    what = "opening the document" if page is None else "the page"
    if lost.late:
        problem = f"{what} took longer than {limits.page_seconds:g} seconds"
        remedy = "Raise Limits(page_seconds=...) if you trust the file."
        return _Quarantine(LimitExceededError, problem, remedy)
    memory = f"needs more memory than {limits.worker_bytes:,.0f} bytes"
    remedy = "Raise Limits(worker_bytes=...) if you trust the file."
    if lost.memory:
        return _Quarantine(LimitExceededError, f"{what} {memory}", remedy)
    return _Quarantine(
        CorruptSourceError if page is None else PageRenderError,
        f"{what} ended two worker processes, one after the other ({lost})",
        f"The file is damaged or malicious, or {memory}. {remedy}",
    )
