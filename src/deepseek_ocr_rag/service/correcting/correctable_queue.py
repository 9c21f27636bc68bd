"""The part of the queue that corrects pages: :class:`CorrectableQueue`."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from typing import Final

from ...errors import JobNotFoundError
from ...reading.cached_pages import page_from_json
from ..jobs import StoredPage
from ..queue_view import QueueView
from ..store.correction_rows import add_correction, corrections_of, remove_correction
from ..store.job_rows import find_job
from ..store.page_rows import find_page, page_as_read
from .block_corrections import BlockCorrection
from .corrected_text import corrected_block

__all__ = ["CorrectableQueue"]

_AT_ONCE: Final = 200
"""Corrections that are fetched together."""


class CorrectableQueue(QueueView):
    """The part of :class:`~deepseek_ocr_rag.service.JobQueue` that corrects pages.

    The page as it was read is kept: a correction is a row of its own, removed with its job.
    """

    def correct(self, owner: str, job_id: str, page: int, block: int, text: str) -> StoredPage:
        """Replace the text of a block; all results then have the new text.

        Args:
            owner: Name of the key.
            job_id: The job.
            page: 1-based page.
            block: Index in the page's list of blocks, from 0.
            text: Its text as Markdown; a table may be HTML. Sending the original text undoes a
                correction.

        Returns:
            The page as it is now.

        Raises:
            ConfigurationError: If there is no such block, or it cannot have this text.
            JobNotFoundError: Also if the page is not finished.
            JobExpiredError: As :meth:`get`.
            QuotaError: If the key may store no more corrected text.
        """

        def change(connection: sqlite3.Connection, job: int) -> None:
            read = page_from_json(page_as_read(connection, job, page).json)
            changed = corrected_block(read, block, text)
            if changed.text != read.blocks[block].text:
                add_correction(connection, job, page, block, changed.text, time.time())
                return
            try:
                remove_correction(connection, job, page, block)
            except JobNotFoundError:
                return  # There was no correction, and the text is unchanged.

        return self._changed(owner, job_id, page, change)

    def take_back(self, owner: str, job_id: str, page: int, block: int) -> StoredPage:
        """Undo the correction of a block, which is then as it was read.

        Raises:
            JobNotFoundError: Also if the block is not corrected.
            JobExpiredError: As :meth:`get`.
        """
        return self._changed(
            owner,
            job_id,
            page,
            lambda connection, job: remove_correction(connection, job, page, block),
        )

    def corrections(self, owner: str, job_id: str) -> Iterator[BlockCorrection]:
        """The corrections of a job by page and block, a few in memory at a time.

        Raises:
            JobNotFoundError, JobExpiredError: As :meth:`get`, at once.
        """
        number = self._number_of(owner, job_id)
        return self._corrections(number)

    def _corrections(self, job: int) -> Iterator[BlockCorrection]:
        after = (0, 0)
        while found := self._database.read(
            lambda each: corrections_of(each, job, after, _AT_ONCE)  # noqa: B023 - runs at once
        ):
            yield from found
            after = (found[-1].page, found[-1].block)

    def _changed(
        self,
        owner: str,
        job_id: str,
        page: int,
        change: Callable[[sqlite3.Connection, int], None],
    ) -> StoredPage:
        def step(connection: sqlite3.Connection) -> StoredPage:
            job = find_job(connection, owner, job_id)["number"]
            change(connection, job)
            connection.execute("UPDATE jobs SET version = version + 1 WHERE number = ?", (job,))
            return find_page(connection, job, page)

        changed = self._database.write(step)
        # Text that was removed must not stay in the journal.
        self._database.forget_deleted()
        self._listeners.tell([job_id])
        return changed
