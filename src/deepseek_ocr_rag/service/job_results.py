"""Makes the results of jobs in the formats that clients ask for, in pieces, never whole in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Literal

from ..document.page_records import page_records
from ..document.types import Page
from ..errors import ConfigurationError
from ..reading.cached_pages import page_from_json
from ..text.visible import json_line
from .jobs import Job, StoredPage
from .streamed_zip import StreamedZip

__all__ = ["RESULT_FORMATS", "ResultFormat", "result_chunks"]

ResultFormat = Literal["markdown", "json", "documents", "zip"]

RESULT_FORMATS: Final[dict[ResultFormat, str]] = {
    "markdown": "text/markdown; charset=utf-8",
    "json": "application/json",
    "documents": "application/json",
    "zip": "application/zip",
}
"""The formats, with their media types."""


def result_chunks(
    job: Job, pages: Callable[[], Iterable[StoredPage]], result_format: str
) -> Iterator[bytes]:
    """The result of a job.

    Args:
        job: The job.
        pages: Returns its pages by number, as ``lambda: queue.pages_in_order(owner, job.id)`` does;
            for a zip, it is called several times.
        result_format: ``markdown``: the pages' text, separated by empty lines. ``json``: as
            ``dsocr read --json`` prints it. ``documents``: a list of ``page_content`` and
            ``metadata``, one for each page. ``zip``: all three as files.

    Returns:
        Pieces of at most about a page.

    Raises:
        ConfigurationError: At once, if there is no such format.
    """
    if result_format == "zip":
        return _zip(job, pages)
    write = _WRITERS.get(result_format)
    if write is None:
        raise ConfigurationError(
            f"there is no result format {result_format!r}",
            remedy=f"Choose one of {', '.join(RESULT_FORMATS)}.",
        )
    return write(job, (page_from_json(page.json) for page in pages()))


def _markdown(job: Job, pages: Iterable[Page]) -> Iterator[bytes]:
    separator = ""
    for page in pages:
        if page.markdown:
            yield f"{separator}{page.markdown}".encode()
            separator = "\n\n"


def _json(job: Job, pages: Iterable[Page]) -> Iterator[bytes]:
    head = {"source": job.name, "sha256": job.sha256, "total_pages": job.document_pages or 0}
    yield f'{json_line(head)[:-1]}, "pages": ['.encode()
    yield from _listed(page.to_dict() for page in pages)
    yield b"]}\n"


def _documents(job: Job, pages: Iterable[Page]) -> Iterator[bytes]:
    yield b"["
    yield from _listed(
        {"id": record.id, "page_content": record.text, "metadata": record.metadata}
        for page in pages
        for record in page_records(page, source=job.name, total_pages=job.document_pages or 0)
    )
    yield b"]\n"


def _listed(values: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    separator = ""
    for value in values:
        yield f"{separator}{json_line(value)}".encode()
        separator = ", "


_WRITERS: Final[dict[str, Callable[[Job, Iterable[Page]], Iterator[bytes]]]] = {
    "markdown": _markdown,
    "json": _json,
    "documents": _documents,
}

_NAMES: Final = {
    "markdown": "document.md",
    "json": "document.json",
    "documents": "documents.json",
}
"""Names in a zip, never the document's own name, which may mean anything to a file system."""


def _zip(job: Job, pages: Callable[[], Iterable[StoredPage]]) -> Iterator[bytes]:
    archive = StreamedZip(job.ended or job.created)
    for name, file in _NAMES.items():
        yield from archive.file(file, result_chunks(job, pages, name))
    yield from archive.end()
