"""Streams the pages of one document, read by a service: :class:`ServiceStream`."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Generator
from contextlib import suppress
from functools import partial
from typing import Final

from ...concurrency.cancellation import Cancellation
from ...document.types import Page
from ...errors import (
    BackendReplyError,
    ConfigurationError,
    DeepSeekOCRError,
    JobExpiredError,
    JobNotFoundError,
    ReadCancelledError,
    RetryableError,
)
from ...reading.page_stream import PageStream, ReadRequest
from ...sources.source import Source
from ...text.visible import storable
from .service_address import ServiceAddress
from .service_exchange import SILENCE_SECONDS, ServiceExchange
from .service_jobs import JobRequest, RunningJobs, SentJob, ServiceJobs
from .waiting import Patience

__all__ = ["ServiceStream"]

LONGEST_NAME: Final = 255
LONGEST_SELECTION: Final = 2000
"""Characters that a service takes."""

PARTING_SECONDS: Final = 5.0
"""Seconds for which a closed stream waits for the service to remove its job."""

_log: Final = logging.getLogger("deepseek_ocr_rag")


class ServiceStream(PageStream):
    """The pages of one document, read by a service.

    The document is sent when the first page is asked for. A stream that is closed before its job
    has ended removes the job, unless another stream of this process follows it. A stream that ends
    with an error leaves the job, so that reading the document again goes on with it.
    """

    def __init__(
        self,
        source: Source,
        page_numbers: tuple[int, ...],
        *,
        address: ServiceAddress,
        jobs: RunningJobs,
        how: ReadRequest,
        fresh: bool = False,
        on_end: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__(source, page_numbers, on_end=on_end)
        self._address = address
        self._running = jobs
        self._request = JobRequest(
            source.name,
            source.sha256,
            source.open_content,
            _fields(source, page_numbers, how),
            secrets.token_hex(16) if fresh else "",
        )

    def _pages_in_order(self) -> Generator[Page]:
        # One connection each, so that a page can be fetched while events come.
        with (
            Patience(self._address.wait, self._cancellation) as patience,
            self._exchange(self._cancellation) as asking,
            self._exchange(self._cancellation) as listening,
        ):
            jobs = ServiceJobs(asking, self.source)
            job = patience.insist(lambda: self._sent(jobs))
            self._running.join(job.id)
            left = True
            try:
                yield from self._followed(jobs, ServiceJobs(listening, self.source), job, patience)
                left = False
            except ReadCancelledError:
                raise
            except DeepSeekOCRError as error:
                left = False
                error.add_note(f"The job is {job.id}.")
                raise
            finally:
                if self._running.leave(job.id) and left:
                    self._remove(job)

    def _sent(self, jobs: ServiceJobs) -> SentJob:
        job = jobs.send(self._request)
        if not job.ended_badly:
            return job
        # This is an existing job; its failed pages are read again, as a Reader would do.
        with suppress(JobNotFoundError, JobExpiredError):
            jobs.remove(job.id)
        return jobs.send(self._request)

    def _followed(
        self, jobs: ServiceJobs, listening: ServiceJobs, job: SentJob, patience: Patience
    ) -> Generator[Page]:
        missing, finished = set(self.page_numbers), set[int]()
        waiting = list(reversed(self.page_numbers))
        after, ended = 0, None
        while ended is None:
            try:
                for news in listening.follow(job.id, after):
                    patience.renew()
                    if isinstance(news, SentJob):
                        ended = news
                    elif news is not None:
                        number, after = news
                        self._add_finished(number, missing, finished)
                    while waiting and waiting[-1] in finished:
                        yield patience.insist(partial(jobs.page, job.id, waiting.pop()))
                if ended is None:
                    raise RetryableError(_broken_off(self.source))
            except RetryableError as lost:
                self._check_cancelled()
                patience.lose(lost)
        if waiting:
            raise ended.error or BackendReplyError(
                f"the service ended the job without page {waiting[-1]}",
                source=self.source,
                remedy="Read this page again.",
            )

    def _add_finished(self, number: int, missing: set[int], finished: set[int]) -> None:
        if number not in missing:
            raise BackendReplyError(
                "the service sent a page that it was not asked for", source=self.source
            )
        missing.remove(number)
        finished.add(number)
        self._tell(len(finished))

    def _remove(self, job: SentJob) -> None:
        """Remove a job that nobody follows any more; if the service is unreachable, it keeps the job."""
        with (
            suppress(DeepSeekOCRError, RetryableError),
            self._exchange(Cancellation(), silence=PARTING_SECONDS) as last,
        ):
            ServiceJobs(last, self.source).remove(job.id)
            _log.debug("job %s of %s removed", job.id, self.source)

    def _exchange(
        self, cancellation: Cancellation, *, silence: float | None = None
    ) -> ServiceExchange:
        longest = SILENCE_SECONDS if silence is None else silence
        return ServiceExchange(self._address, self.source, cancellation, silence=longest)


def _fields(
    source: Source, numbers: tuple[int, ...], how: ReadRequest
) -> tuple[tuple[str, str], ...]:
    """The options of a job, as the service's form has them."""
    fields: tuple[tuple[str, str], ...] = (
        ("name", storable(source.name)[-LONGEST_NAME:]),
        ("task", how.task.name),
        ("resolution", how.mode.name),
    )
    if how.password is not None:
        fields = (*fields, ("password", how.password))
    if len(numbers) == source.page_count:
        return fields
    pages = _selection(numbers)
    if len(pages) > LONGEST_SELECTION:
        raise ConfigurationError(
            f"the selection of pages is too long for a service: {pages[:40]}...",
            source=source.name,
            remedy="Read them in several calls, or as fewer ranges.",
        )
    return (*fields, ("pages", pages))


def _selection(numbers: tuple[int, ...]) -> str:
    """The numbers as a user writes them: 1-3,7."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def _broken_off(source: str) -> BackendReplyError:
    return BackendReplyError(
        "the service ended the connection again and again",
        source=source,
        remedy="The job goes on there: read the document again, and it goes on where it is.",
    )
