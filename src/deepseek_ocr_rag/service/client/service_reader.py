"""Reads documents with a service instead of a local GPU: :class:`ServiceReader`."""

from __future__ import annotations

import os
from typing import NoReturn

from ...errors import ConfigurationError
from ...reading.cache import PageCache
from ...reading.page_stream import PageStream, ReadRequest
from ...reading.reader import MOST_DOCUMENTS, BackendChoice, Reader
from ...setting_names import with_known_settings
from ...sources.fetch_policy import FetchPolicy
from ...sources.limits import Limits
from ...sources.source import Source
from .service_address import ServiceAddress, names_service, service_of
from .service_jobs import RunningJobs
from .service_stream import ServiceStream

__all__ = ["ServiceReader", "reader_named"]


@with_known_settings()
class ServiceReader(Reader):
    """A :class:`~deepseek_ocr_rag.Reader` whose pages a service reads (``dsocr serve``).

    It replaces a Reader everywhere: in loaders, in tools, in the command. Documents are
    opened here, so that a broken one fails at once, and sent to the service when the
    first page is asked for. The pages are equal to those that a Reader with the service's
    backend would read.

    The service keeps the pages, and nothing is cached here. A read that was killed can be repeated
    and goes on where it was, because the same document with the same settings is the same job. A
    stream that is closed early deletes its job, unless the job has ended or another stream of this
    process follows it. If the service becomes unreachable, the read waits for it.

    Args:
        url: The service, ``http://host:8765``; by default ``DSOCR_SERVICE_URL``, else this
            machine's.
        key: The API key; by default ``DSOCR_SERVICE_KEY``.
        wait: Seconds to wait for a service that is unreachable or refuses work for the moment.
        resolution: As for a Reader, like all further arguments.
        task: What to ask of each page.
        renderer: Draws pages here, as in ``render_page``; the service has a renderer of its own.
        limits: Limits on a document here; the service has its own limits, too.
        allow_urls: Whether a source may be a URL. It is fetched here.
        isolated: Whether documents are opened in separate processes.
        fresh: Whether to have every document read again, even if the service has its pages.
        most_documents: How many documents may be open at the same time.

    Raises:
        ConfigurationError: If an argument cannot be used.

    Example:
        >>> reader = ServiceReader("http://gpu.example:8765")  # doctest: +SKIP
        >>> reader.read("report.pdf").to_markdown()  # doctest: +SKIP
    """

    _process_bound = (*Reader._process_bound, "_jobs")

    def __init__(
        self,
        url: str | None = None,
        *,
        key: str | None = None,
        wait: float = 60.0,
        resolution: str = "gundam",
        task: str = "document",
        renderer: str = "pdfium",
        limits: Limits | None = None,
        allow_urls: bool | FetchPolicy = False,
        isolated: bool = True,
        fresh: bool = False,
        most_documents: int = MOST_DOCUMENTS,
    ) -> None:
        self._address = ServiceAddress.of(url, key=key, wait=wait)
        self._fresh = fresh
        super().__init__(
            f"service:{self._address.url}",
            resolution=resolution,
            task=task,
            renderer=renderer,
            limits=limits,
            allow_urls=allow_urls,
            isolated=isolated,
            cache=False,
            most_documents=most_documents,
        )

    def _start(self) -> None:
        super()._start()
        self._jobs = RunningJobs()

    @property
    def backend(self) -> NoReturn:
        """Always raises a ConfigurationError, because the service has the backend."""
        raise ConfigurationError(
            f"pages are read by the service at {self._address.url}, not by a backend here",
            remedy="Use Reader for a backend of this process.",
        )

    def _stream_of(
        self, opened: Source, numbers: tuple[int, ...], request: ReadRequest
    ) -> PageStream:
        return ServiceStream(
            opened,
            numbers,
            address=self._address,
            jobs=self._jobs,
            how=request,
            fresh=self._fresh,
            on_end=self._free_documents.release,
        )


def reader_named(
    backend: BackendChoice,
    *,
    resolution: str = "gundam",
    task: str = "document",
    renderer: str = "pdfium",
    limits: Limits | None = None,
    allow_urls: bool | FetchPolicy = False,
    cache: PageCache | str | os.PathLike[str] | bool = True,
) -> Reader:
    """The reader for a backend or its name, or a :class:`ServiceReader` for ``service:<url>``.

    Args:
        backend: As for :class:`~deepseek_ocr_rag.Reader`, or "service" (the one in
            ``DSOCR_SERVICE_URL``), or "service:<base url>".
        resolution: As for a Reader, like all further arguments.
        task: What to ask of each page.
        renderer: Draws pages.
        limits: Limits on a document.
        allow_urls: Whether a source may be a URL.
        cache: Where finished pages are stored; with a service, False has everything read again.

    Raises:
        ConfigurationError: If an argument is unknown.
    """
    if isinstance(backend, str) and names_service(backend):
        return ServiceReader(
            service_of(backend),
            resolution=resolution,
            task=task,
            renderer=renderer,
            limits=limits,
            allow_urls=allow_urls,
            fresh=cache is False,
        )
    return Reader(
        backend,
        resolution=resolution,
        task=task,
        renderer=renderer,
        limits=limits,
        allow_urls=allow_urls,
        cache=cache,
    )
