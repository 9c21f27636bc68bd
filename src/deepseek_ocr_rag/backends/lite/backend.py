"""The built-in reader: a page's own text layer, else a small OCR; no GPU, no weights, no network.

It is not DeepSeek-OCR. It needs nothing but the package, reads born-digital pages
exactly and scans well enough to search them, but cannot read formulas, charts or
handwriting. Its output is in the model's grammar, with a box for every block, so
that everything downstream works as with the model.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable, Iterator
from functools import partial
from types import FrameType

from ...concurrency.fair_turns import FairSemaphore
from ...document.grammar.parser import format_page
from ...document.text_layer import TextLayer, doubt, is_garbage
from ...document.types import Block, Box
from ...errors import BackendError, BackendUnavailableError, PageUnreadableError, TurnCancelledError
from ...installing import install_command
from ...setting_names import with_known_settings
from ..base import PageRequest, Reply
from .doubtful_layers import checked_layer, layer_warnings
from .layout import lay_out
from .rapidocr import RapidReader

__all__ = ["LiteBackend", "LiteBackendWarning"]

TASKS = frozenset({"document", "ocr", "free"})
"""The tasks that ask for a page's text; this backend cannot do others."""

LOW_CONFIDENCE = 0.85
"""Mean confidence below which a page gets a warning. The benchmark's scans have
0.94 and more."""

_LAYOUT = 6
"""Increased with every change to the resulting text, so that pages cached by an older version are
read again; 6: rows of words that were drawn row by row are not columns of prose."""


class LiteBackendWarning(UserWarning):
    """Issued once per process: the built-in reader reads the pages, not DeepSeek-OCR."""


_warned = False
_BETWEEN = frozenset(
    {
        *("deepseek_ocr_rag", "langchain_deepseek_ocr", "langchain_core", "langchain_community"),
        *("llama_index", "asyncio", "concurrent", "contextlib", "contextvars", "threading"),
    }
)
"""Packages whose frames may lie between the user's code and a backend."""


def _warn_once() -> None:
    global _warned
    if not _warned:
        _warned = True
        warnings.warn_explicit(
            "pages are read by the built-in 'lite' reader (the PDF's own text, else a small "
            "OCR), not by DeepSeek-OCR: formulas, charts and handwriting suffer. To get the "
            "model, install Ollama and run: ollama pull deepseek-ocr; or on an "
            f"NVIDIA GPU: {install_command('local')}",
            LiteBackendWarning,
            *_line_of_caller(),
        )


def _line_of_caller() -> tuple[str, int]:
    """Return the file and line of the user's code, so that a warning points there."""
    frame: FrameType | None = inspect.currentframe()
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module.split(".")[0] not in _BETWEEN:
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
    return __package__, 1  # in a thread, whose stack does not hold the caller


@with_known_settings()
class LiteBackend:
    """Reads text layers, and pictures of pages with RapidOCR's small ONNX models.

    A page with a text layer takes about 0.08 s, a scanned page about 5 s and 1.1 GB
    of memory on two cores. A page on which no text is found becomes one ``image``
    block that covers it, with a warning, as it may be a figure. Threads may share the
    backend; scans are then read one after the other.

    Args:
        threads: Number of threads of the OCR; None for 2, or for 1 if OMP_NUM_THREADS is 1.

    Example:
        >>> from deepseek_ocr_rag import Reader
        >>> with Reader(backend="lite") as reader:  # doctest: +SKIP
        ...     print(reader.read("scan.png").to_markdown())
    """

    name = "lite"
    needs_image = True
    reads_text_layer = True
    has_resolutions = False

    def __init__(self, *, threads: int | None = None) -> None:
        self._ocr = RapidReader(threads=threads)
        self._slots = FairSemaphore(1)

    def __repr__(self) -> str:
        return "LiteBackend()"

    @property
    def model(self) -> str:
        """The OCR for pages without a text layer, with its version."""
        return self._ocr.model

    @property
    def fingerprint(self) -> str:
        """The layout's number: the text depends only on it, the model and the package's version."""
        return f"lite, layout {_LAYOUT}"

    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        """Read pages one after the other, in the order of the requests.

        Raises:
            MissingExtraError: If a page is a scan and RapidOCR is not installed.
            BackendUnavailableError: If RapidOCR's models are not on this machine, or
                the task is not one of :data:`TASKS`.
        """
        # Also without any request, as for a document whose pages are all cached.
        _warn_once()
        reading = object()
        for request in requests:
            if request.task.name not in TASKS:
                raise BackendUnavailableError(
                    f"the lite backend reads text and cannot do the task {request.task.name!r}",
                    remedy="Use a backend with DeepSeek-OCR; `dsocr doctor` lists them.",
                )
            try:
                yield self._read_page(request, reading)
            except TurnCancelledError:
                continue

    def close(self) -> None:
        """Free the OCR's models."""
        self._ocr.close()

    def _read_page(self, request: PageRequest, reading: object) -> Reply:
        layer = request.text_layer
        if layer is not None and request.image is None:
            return _reply(request, layer)
        if request.image is None:
            error = BackendError(
                "the page has neither a text layer nor an image",
                source=request.source,
                page=request.page,
                remedy="Give one of them.",
            )
            return request.failed(error)
        try:
            with self._slots.slot(reading, request.cancellation):
                found = self._ocr.read(request.image, partial(_check_cancelled, request))
        except PageUnreadableError as error:
            error.source, error.page = request.source, request.page
            return request.failed(error)
        if layer is not None:
            checked = checked_layer(layer, found)
            if checked is not None:
                return _reply(request, *checked)
        if not found.layer.words:
            whole = Block("image", "", (Box(0.0, 0.0, 1.0, 1.0),))
            return Reply(
                request.key,
                format_page([whole]),
                warnings=("no text was found on this page; it is kept as one picture",),
            )
        text = format_page(lay_out(found.layer, skew=found.skew, measured=True))
        warnings: tuple[str, ...] = ()
        if layer is not None:
            warnings = (
                f"the PDF's own text is broken ({doubt(layer)}); the page was read from its picture",
            )
        elif (draft := request.draft and request.draft()) and is_garbage(draft):
            warnings = (
                "the PDF's own text is broken (its characters have no meaning); the page was read "
                "from its picture",
            )
        if found.confidence < LOW_CONFIDENCE:
            warnings += (
                f"this page was hard to read (mean confidence {found.confidence:.2f}); "
                "DeepSeek-OCR may read it better",
            )
        return Reply(request.key, text, warnings=warnings)


def _reply(request: PageRequest, layer: TextLayer, warnings: Iterable[str] = ()) -> Reply:
    blocks = lay_out(layer)
    notes = (*warnings, *layer_warnings(layer, blocks))
    return Reply(request.key, format_page(blocks), warnings=notes)


def _check_cancelled(request: PageRequest) -> None:
    if request.cancellation.cancelled:
        raise TurnCancelledError
