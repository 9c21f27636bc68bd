"""Reads documents in the reading process, each in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ...backends.registry import backend_named
from ...document.headings import Headings, with_sections
from ...document.types import Page
from ...errors import BackendReplyError, DeepSeekOCRError, ReadCancelledError
from ...interface_words import service_words
from ...reading.cached_pages import page_to_json
from ...reading.page_stream import PageStream
from ...reading.progress import ReadingProgress
from ...reading.reader import Reader
from ...sources.limits import Limits
from .counted_backend import CountedBackend
from .frame_values import error_values, is_passing

__all__ = ["DocumentReading", "Readers"]

_log = logging.getLogger("deepseek_ocr_rag")


class Readers:
    """The readers of this process: one for each task and resolution, all with the same backend.

    Args:
        settings: The fields of :class:`~deepseek_ocr_rag.service.ReaderSettings`.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        self._limits = Limits(**settings["limits"])
        self._readers: dict[tuple[str, str], Reader] = {}
        self._backend: CountedBackend | None = None

    @property
    def backend(self) -> CountedBackend:
        """The backend of all readers.

        Raises:
            DeepSeekOCRError: If it does not work on this machine.
        """
        if self._backend is None:
            made = backend_named(
                self._settings["backend"],
                allow_remote_code=self._settings["allow_remote_code"],
                allow_remote=self._settings["allow_remote"],
            )
            self._backend = CountedBackend(made)
        return self._backend

    def start(self) -> dict[str, str]:
        """Load the backend and read the probe; return the names of the backend and its model.

        Raises:
            DeepSeekOCRError: If it does not work.
        """
        backend = self.backend
        if callable(check := getattr(backend, "check", None)):
            check()
        limits = {name: self._settings[name] for name in ("concurrency", "timeout", "wait")}
        given = {name: value for name, value in limits.items() if value is not None}
        if given and callable(limit := getattr(backend, "limit", None)):
            limit(**given)
        if self._settings["probe"]:
            self._read_probe(self._settings["probe"])
        return {"backend": backend.name, "model": backend.model}

    def open(self, request: dict[str, Any]) -> PageStream:
        """Open the document of a request."""
        key = (request["task"], request["resolution"])
        if key not in self._readers:
            self._readers[key] = self._reader(*key)
        return self._readers[key].open(
            request["path"],
            pages=request["pages"],
            password=request["password"],
            name=request["name"],
        )

    def _reader(self, task: str, resolution: str) -> Reader:
        return Reader(
            self.backend,
            task=task,
            resolution=resolution,
            renderer=self._settings["renderer"],
            limits=self._limits,
            cache=False,
        )

    def _read_probe(self, path: str) -> None:
        (page,) = self._reader("document", "gundam").read(path, pages=[1], name="the test page")
        if not page.ok:
            raise BackendReplyError(
                f"the test page could not be read ({page.error})",
                remedy="`dsocr doctor` says what is wrong with the backend.",
            )


class DocumentReading:
    """Reads one document in a thread of its own, and reports what happens.

    Args:
        readers: Opens the document.
        request: The frame that asks for it.
        put: Sends a message and a body.
    """

    def __init__(self, readers: Readers, request: dict[str, Any], put: Callable[..., None]) -> None:
        self._readers = readers
        self._request = request
        self._put = put
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._stream: PageStream | None = None
        self._cancelled = False
        self._shown: tuple[int, ...] = ()
        self._thread = threading.Thread(target=self._run, name="dsocr-document", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it still reads."""
        return self._thread.is_alive()

    def stop(self, *, now: bool) -> None:
        """Stop after the page that is being sent, or at once."""
        self._stopping.set()
        if not now:
            return
        with self._lock:
            self._cancelled = True
            stream = self._stream
        if stream is not None:
            # Close it in another thread, because closing waits for work that cannot be interrupted.
            threading.Thread(target=stream.close, name="dsocr-cancel", daemon=True).start()

    def _run(self) -> None:
        end: dict[str, Any]
        try:
            end = self._read()
        except ReadCancelledError:
            end = {"end": "stopped"}
        except DeepSeekOCRError as error:
            end = {"end": "failed", "error": error_values(error), "passing": is_passing(error)}
            if self._cancelled:
                end = {"end": "stopped"}
        except Exception as error:  # noqa: BLE001 - logged
            # A bug of ours must not end the other documents.
            _log.exception("a document could not be read")
            problem = DeepSeekOCRError(
                f"an unexpected error ({type(error).__name__})",
                remedy="Please report it; the service's log has the details.",
            )
            end = {"end": "failed", "error": error_values(problem), "passing": False}
        self._send(end)

    def _read(self) -> dict[str, Any]:
        stream = self._readers.open(self._request)
        with stream:
            with self._lock:
                self._stream = stream
                if self._cancelled:
                    return {"end": "stopped"}
            stream.on_progress = self._tell_progress
            self._send({"opened": [len(stream.page_numbers), stream.total_pages]})
            headings: Headings = tuple((level, title) for level, title in self._request["headings"])
            for page in stream:
                blocks, headings = with_sections(page.blocks, headings)
                error = page.error and service_words(page.error)
                self._send_page(replace(page, blocks=blocks, error=error), headings)
                if self._stopping.is_set():
                    return {"end": "stopped"}
        return {"end": "done"}

    def _send_page(self, page: Page, headings: Headings) -> None:
        message = {
            "page": page.number,
            "failed": not page.ok,
            "attempts": page.attempts,
            "looped": page.finish_reason == "repetition",
            "tokens": self._readers.backend.take_tokens(),
            "gpu_memory": self._readers.backend.gpu_memory,
            "headings": headings,
        }
        self._send(message, page_to_json(page).encode("ascii"))

    def _tell_progress(self, progress: ReadingProgress) -> None:
        if progress.reading != self._shown:
            self._shown = progress.reading
            self._send({"reading": progress.reading})

    def _send(self, message: dict[str, Any], body: bytes = b"") -> None:
        self._put({"job": self._request["job"], **message}, body)
