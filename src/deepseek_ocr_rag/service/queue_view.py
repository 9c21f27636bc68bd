"""Reads the service's queue without changing it: jobs, pages, pictures."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from ..concurrency.png_pictures import encode_png
from ..errors import ConfigurationError
from ..export.quoted_words import QuotedWords, quoted_words
from ..reading.cached_pages import page_from_json
from ..reading.reader import Reader
from ..sources.source import open_source
from .jobs import Job, JobPage, JobState, StoredPage
from .listeners import Listeners
from .service_limits import ReaderSettings
from .store.database import Database
from .store.job_rows import find_job, list_jobs
from .store.job_values import job_of, options_of
from .store.page_rows import find_page, find_pages, pages_by_number
from .store.queue_order import QueueOrder
from .store.uploads import UploadStore

__all__ = ["QueueView"]

LINES_SIDE: Final = 1600
"""Pixels of the picture in which lines of text are searched: 6-point letters are 11 high."""


class QueueView:
    """The part of :class:`~deepseek_ocr_rag.service.JobQueue` that changes nothing."""

    _database: Database
    _uploads: UploadStore
    _order: QueueOrder
    _listeners: Listeners
    _drawing: Reader
    _settings: ReaderSettings

    def get(self, owner: str, job_id: str) -> Job:
        """A job.

        Raises:
            JobNotFoundError: If it never existed, or belongs to another key.
            JobExpiredError: If it was removed.
        """
        return self._job(self._database.read(lambda each: find_job(each, owner, job_id)))

    @property
    def is_quick(self) -> bool:
        """Whether :meth:`get` only reads one row now, and does not have to sort all waiting jobs first."""
        return self._order.fresh

    def list(
        self,
        owner: str,
        states: Iterable[JobState] = (),
        after: str | None = None,
        limit: int = 50,
    ) -> JobPage:
        """The jobs of a key, newest first.

        Args:
            owner: Name of the key.
            states: Only jobs in these states; all by default.
            after: ``next_cursor`` of the previous part.
            limit: Most jobs of one part.

        Raises:
            ConfigurationError: If ``after`` is not such a cursor, or ``limit`` below 1.
        """
        if limit < 1:
            raise ConfigurationError(f"limit={limit} is too small", remedy="Give 1 or more.")
        below = _number(after) if after is not None else 2**62
        rows = self._database.read(
            lambda each: list_jobs(each, owner, tuple(states), below, limit + 1)
        )
        more = len(rows) > limit
        shown = rows[:limit]
        return JobPage(tuple(map(self._job, shown)), str(shown[-1]["number"]) if more else None)

    def wait(self, owner: str, job_id: str, version: int, seconds: float) -> Job:
        """The job as soon as its version is above ``version``, or after this many seconds.

        Raises:
            JobNotFoundError, JobExpiredError: As :meth:`get`.
        """
        changed = threading.Event()
        until = time.monotonic() + seconds

        def notice(changed_id: str) -> None:
            if changed_id == job_id:
                changed.set()

        self.add_listener(notice)
        try:
            while True:
                changed.clear()
                job = self.get(owner, job_id)
                left = until - time.monotonic()
                if job.version > version or left <= 0:
                    return job
                changed.wait(left)
        finally:
            self.remove_listener(notice)

    def add_listener(self, listener: Callable[[str], object]) -> None:
        """Call a function with a job's id whenever the job has changed, after it was stored.

        It is called in any thread and must be quick.
        """
        self._listeners.add(listener)

    def remove_listener(self, listener: Callable[[str], object]) -> None:
        """Stop calling a function; does nothing if it is not called."""
        self._listeners.remove(listener)

    def pages(
        self, owner: str, job_id: str, after_sequence: int = 0, limit: int | None = None
    ) -> tuple[StoredPage, ...]:
        """Finished pages in the order in which they were stored, also while the job runs.

        Raises:
            JobNotFoundError, JobExpiredError: As :meth:`get`.
        """
        number = self._number_of(owner, job_id)
        return self._database.read(lambda each: find_pages(each, number, after_sequence, limit))

    def pages_in_order(self, owner: str, job_id: str) -> Iterator[StoredPage]:
        """Finished pages by number, a few in memory at a time.

        Raises:
            JobNotFoundError, JobExpiredError: As :meth:`get`, at once.
        """
        return pages_by_number(self._database, self._number_of(owner, job_id))

    def page(self, owner: str, job_id: str, number: int) -> StoredPage:
        """A finished page by its number.

        Raises:
            JobNotFoundError: Also if this page is not finished.
            JobExpiredError: As :meth:`get`.
        """
        job = self._number_of(owner, job_id)
        return self._database.read(lambda each: find_page(each, job, number))

    def picture(self, owner: str, job_id: str, number: int, long_side: int = 1280) -> bytes:
        """A page as a PNG file, drawn in a process of its own.

        Raises:
            JobNotFoundError, JobExpiredError: As :meth:`get`.
            SourceError: If the page cannot be drawn.
        """
        row = self._database.read(lambda each: find_job(each, owner, job_id))
        options = options_of(row["options"], row["secrets"])
        image = self._drawing.render_page(
            self._uploads.file(row["sha256"]),
            number,
            long_side=long_side,
            password=options.password,
            name=row["name"],
        )
        return encode_png(image).data

    def quoted_words(
        self, owner: str, job_id: str, number: int, span: tuple[int, int]
    ) -> QuotedWords:
        """Where a part of a page's text is, more precisely than its blocks' boxes.

        Args:
            owner: Name of the key.
            job_id: The job.
            number: 1-based page.
            span: ``(start, end)`` in the page's Markdown.

        Raises:
            JobNotFoundError: Also if this page is not finished.
            JobExpiredError: As :meth:`get`.
            SourceError: If the page cannot be drawn.
        """
        row = self._database.read(lambda each: find_job(each, owner, job_id))
        page = page_from_json(self.page(owner, job_id, number).json)
        options = options_of(row["options"], row["secrets"])
        with open_source(
            self._uploads.file(row["sha256"]),
            password=options.password,
            renderer=self._settings.renderer,
            limits=self._settings.limits,
            name=row["name"],
        ) as opened:
            return quoted_words(
                page, span, opened.render(number, LINES_SIDE), opened.text_layer(number)
            )

    def _job(self, row: sqlite3.Row) -> Job:
        if row["ended"] is not None:
            return job_of(row)
        order = self._order.now()
        return job_of(row, positions=order.positions, eta=order.eta)

    def _number_of(self, owner: str, job_id: str) -> int:
        number: int = self._database.read(lambda each: find_job(each, owner, job_id))["number"]
        return number


def _number(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
        raise ConfigurationError(
            "this is not a cursor of a list", remedy="Use next_cursor of the previous part."
        )
    return int(cursor)
