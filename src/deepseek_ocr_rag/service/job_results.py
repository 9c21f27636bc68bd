"""Results of jobs in the formats that clients ask for, in pieces, never whole in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from .jobs import Job, StoredPage

__all__ = ["RESULT_FORMATS", "ResultFormat", "result_chunks"]

ResultFormat = Literal["markdown", "json", "documents", "zip"]

RESULT_FORMATS: dict[ResultFormat, str] = {
    "markdown": "text/markdown; charset=utf-8",
    "json": "application/json",
    "documents": "application/json",
    "zip": "application/zip",
}
"""The formats, with their media types."""


def result_chunks(
    job: Job, pages: Iterable[StoredPage], result_format: ResultFormat
) -> Iterator[bytes]:
    """The result of a job.

    Args:
        job: The job.
        pages: Its pages by number, see :meth:`JobQueue.pages_in_order`.
        result_format: ``markdown``: the pages' text, separated by empty lines. ``json``: as
            ``dsocr read --json`` prints it. ``documents``: a list of ``page_content`` and
            ``metadata``, a page each. ``zip``: all three as files.

    Raises:
        ConfigurationError: If there is no such format.
    """
    raise NotImplementedError
