"""Sends, follows and removes jobs of a service."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

from ...document.types import Page
from ...errors import (
    BackendReplyError,
    DeepSeekOCRError,
    ReadCancelledError,
)
from ...http_replies import parse_json
from .event_lines import MOST_BYTES, read_events
from .rebuilt_errors import rebuilt_error
from .received_pages import received_page
from .service_exchange import ServiceExchange

__all__ = ["JobRequest", "RunningJobs", "SentJob", "ServiceJobs"]

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_ENDED_BADLY: Final = ("partial", "failed", "cancelled")
_STATES: Final = ("queued", "running", "succeeded", *_ENDED_BADLY)

KEY_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What to read, and how.

    Attributes:
        source: The document's name on this side.
        sha256: Hash of its bytes.
        content: Opens its bytes, from the start.
        fields: The job's options, as in the service's form.
        salt: Makes the job different from that of an equal request; "" joins the existing job.
    """

    source: str
    sha256: str
    content: Callable[[], BinaryIO]
    fields: tuple[tuple[str, str], ...] = field(repr=False)  # may contain a password
    salt: str = ""

    @property
    def key(self) -> str:
        """The idempotency key: the same for the same document and options, in every process."""
        data = json.dumps([KEY_FORMAT, self.sha256, self.fields, self.salt])
        return hashlib.sha256(data.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class SentJob:
    """A job of the service.

    Attributes:
        id: Its id.
        state: queued, running, succeeded, partial, failed, cancelled.
        error: Why it failed.
    """

    id: str
    state: str
    error: DeepSeekOCRError | None = None

    @property
    def ended_badly(self) -> bool:
        """Whether it ended without all of its pages."""
        return self.state in _ENDED_BADLY


class RunningJobs:
    """Counts the streams of this process that follow a job. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._streams: Counter[str] = Counter()

    def join(self, job_id: str) -> None:
        """Count one more stream."""
        with self._lock:
            self._streams[job_id] += 1

    def leave(self, job_id: str) -> bool:
        """Count one stream less; return whether it was the last."""
        with self._lock:
            self._streams[job_id] -= 1
            last = self._streams[job_id] <= 0
            if last:
                del self._streams[job_id]
            return last


class ServiceJobs:
    """The calls that a client needs; errors as in :class:`.service_exchange.ServiceExchange`."""

    def __init__(self, exchange: ServiceExchange, source: str) -> None:
        self._exchange = exchange
        self._source = source

    def send(self, request: JobRequest) -> SentJob:
        """Send a document; an equal request gets the existing job."""
        with request.content() as content:
            reply = self._exchange.request(
                "POST",
                "/v1/jobs",
                headers={"idempotency-key": request.key},
                fields=dict(request.fields),
                file=("document", content),
            )
        job = self._job(reply.data)
        if reply.data.get("sha256") != request.sha256:
            raise self._broken("it received another document than was sent")
        return job

    def follow(self, job_id: str, after: int) -> Iterator[tuple[int, int] | SentJob | None]:
        """Follow a job.

        Args:
            job_id: The job.
            after: Sequence number after which to begin.

        Yields:
            The number and sequence number of every finished page; None for other news; the job,
            when it has ended. The stream may end before that.
        """
        headers = {"last-event-id": str(after)} if after else {}
        with self._exchange.streamed(f"/v1/jobs/{job_id}/events", headers) as pieces:
            for event in read_events(pieces):
                data = self._object(event.data) if event.kind else {}
                if event.kind == "page":
                    yield self._finished(data, event.number)
                elif event.kind == "end":
                    yield self._job(data)
                    return
                elif event.kind == "problem":
                    raise rebuilt_error(
                        data.get("error"),
                        data.get("detail"),
                        data.get("remedy"),
                        data.get("page"),
                        source=self._source,
                    )
                else:
                    yield None

    def page(self, job_id: str, number: int) -> Page:
        """A finished page."""
        reply = self._exchange.request(
            "GET", f"/v1/jobs/{job_id}/pages/{number}", longest=MOST_BYTES
        )
        page = received_page(reply.data, self._source)
        if page.number != number:
            raise self._broken(f"it sent page {page.number} in place of page {number}")
        return page

    def remove(self, job_id: str) -> None:
        """Cancel a job if it has not ended, and remove it with its document and results."""
        self._exchange.request("DELETE", f"/v1/jobs/{job_id}", params={"remove": "true"})

    def _finished(self, data: Mapping[str, Any], sequence: int | None) -> tuple[int, int]:
        number = data.get("number")
        if not isinstance(number, int) or isinstance(number, bool) or sequence is None:
            raise self._broken("it sent an event of a page without numbers")
        return number, sequence

    def _job(self, data: Mapping[str, Any]) -> SentJob:
        job_id, state, error = data.get("id"), data.get("status"), data.get("error")
        if not isinstance(job_id, str) or not _ID.fullmatch(job_id) or state not in _STATES:
            raise self._broken("it sent something that is not a job")
        if state == "cancelled":
            return SentJob(job_id, state, self._cancelled())
        told = error if isinstance(error, dict) else {}
        failure = rebuilt_error(
            told.get("type"),
            told.get("message"),
            told.get("remedy"),
            told.get("page"),
            source=self._source,
        )
        return SentJob(job_id, str(state), failure if state == "failed" else None)

    def _cancelled(self) -> ReadCancelledError:
        return ReadCancelledError(
            "the job was cancelled at the service",
            source=self._source,
            remedy="Read the document again for a new job.",
        )

    def _object(self, text: str) -> Mapping[str, Any]:
        try:
            value = parse_json(text)
        except ValueError as error:
            raise self._broken("it sent an event that is not JSON") from error
        return value if isinstance(value, dict) else {}

    def _broken(self, problem: str) -> BackendReplyError:
        return BackendReplyError(
            f"the service broke the protocol: {problem}",
            source=self._source,
            remedy="Check the address: dsocr doctor --service URL.",
        )
