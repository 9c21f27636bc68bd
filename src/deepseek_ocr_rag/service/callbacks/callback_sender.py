"""Posts the ends of jobs to their callbacks, until they arrive: :class:`CallbackSender`.

Unsent messages are in the store, so a restart loses nothing. A message can arrive twice, if the
service ends after the receiver has replied but before this is stored; both then have the same id.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

from ...errors import DeepSeekOCRError, JobExpiredError, JobNotFoundError
from ...sources.posting import post
from ...threads import thread_errors
from ..api.job_replies import job_reply
from ..jobs import DueCallback, Job
from ..queue import JobQueue
from .callback_settings import CallbackSettings
from .signatures import signed_headers

__all__ = ["CallbackSender"]

RETRY_SECONDS: Final = (5, 30, 120, 600, 1800, 7200, 18_000, 36_000, 50_400, 72_000)
"""Seconds to wait after each failure, about two days in all; then the message is given up."""

SPREAD: Final = 0.2
"""By which share a wait is randomly shortened or lengthened, to spread retries."""

GONE: Final = 410
"""The status by which a receiver says that it wants no more messages (Standard Webhooks)."""

SENDERS: Final = 8
"""Callbacks that are sent at the same time."""

LOOK_SECONDS: Final = 2.0
"""Seconds between two checks for due messages."""

_LOG: Final = logging.getLogger(__name__)


class CallbackSender:
    """Sends the callbacks of a queue from threads of its own.

    Args:
        queue: The jobs; must stay open as long as this object.
        settings: Which addresses are allowed, and the service's secret.
        clock: Seconds since 1970, for tests.
        retry_seconds: Waits after failures, for tests.
    """

    def __init__(
        self,
        queue: JobQueue,
        settings: CallbackSettings,
        *,
        clock: Callable[[], float] = time.time,
        retry_seconds: tuple[float, ...] = RETRY_SECONDS,
    ) -> None:
        self._queue = queue
        self._settings = settings
        self._clock = clock
        self._retry_seconds = retry_seconds
        self._news = threading.Event()
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._sending: dict[str, threading.Thread] = {}
        self._watcher: threading.Thread | None = None

    def start(self) -> None:
        """Begin to send, including messages that became due before the start."""
        self._queue.add_listener(self._told)
        self._watcher = threading.Thread(target=self._watch, name="callbacks", daemon=True)
        with thread_errors():
            self._watcher.start()

    def close(self, seconds: float = 5.0) -> None:
        """Start no more calls, and give those in progress this many seconds to finish."""
        self._queue.remove_listener(self._told)
        self._closing.set()
        self._news.set()
        until = time.monotonic() + seconds
        with self._lock:
            threads = [*self._sending.values()]
        if self._watcher is not None:
            threads.append(self._watcher)
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _told(self, job_id: str) -> None:
        self._news.set()

    def _watch(self) -> None:
        while not self._closing.is_set():
            try:
                self._start_due()
            except DeepSeekOCRError as error:
                _LOG.warning("callbacks wait", extra={"error": type(error).__name__})
            self._news.wait(LOOK_SECONDS)
            self._news.clear()

    def _start_due(self) -> None:
        """Start a thread for each due callback, as long as some are free."""
        for due in self._queue.due_callbacks(10 * SENDERS):
            with self._lock:
                full = len(self._sending) >= SENDERS
                if full or self._closing.is_set():
                    return
                if due.job in self._sending:
                    continue
                thread = threading.Thread(target=self._send, args=(due,), daemon=True)
                self._sending[due.job] = thread
            try:
                with thread_errors():
                    thread.start()
            except BaseException:
                del self._sending[due.job]
                raise

    def _send(self, due: DueCallback) -> None:
        try:
            self._note(due, self._delivered(due))
        except DeepSeekOCRError as error:  # The store failed; the callback stays due.
            _LOG.warning(
                "a callback could not be noted",
                extra={"job": due.job, "error": type(error).__name__},
            )
        finally:
            with self._lock:
                del self._sending[due.job]
            self._news.set()

    def _delivered(self, due: DueCallback) -> bool:
        """Try once; return whether nothing is left to do."""
        try:
            job = self._queue.get(due.owner, due.job)
        except (JobNotFoundError, JobExpiredError):
            return True
        message = f"job_{job.id}"
        body = json.dumps(message_of(job)).encode()
        try:
            headers = signed_headers(
                self._settings.key(due.target), message, int(self._clock()), body
            )
            status = post(
                due.target.url,
                body,
                {"content-type": "application/json", "user-agent": "deepseek-ocr-rag", **headers},
                self._settings.policy,
            )
        except DeepSeekOCRError as error:
            reason: str | int = type(error).__name__
        else:
            if 200 <= status < 300 or status == GONE:
                return True
            reason = status
        _LOG.info(
            "a callback failed",
            extra={"job": due.job, "attempt": due.attempts + 1, "reason": reason},
        )
        return False

    def _note(self, due: DueCallback, delivered: bool) -> None:
        if not delivered and due.attempts < len(self._retry_seconds):
            spread = random.uniform(1 - SPREAD, 1 + SPREAD)  # noqa: S311 - hides nothing
            wait = self._retry_seconds[due.attempts] * spread
            self._queue.callback_failed(due.job, self._clock() + wait)
            return
        if not delivered:
            _LOG.warning("a callback was given up", extra={"job": due.job})
        self._queue.callback_done(due.job)


def message_of(job: Job) -> dict[str, Any]:
    """The message: the kind of event, when it happened, and the job as the API shows it."""
    ended = job.created if job.ended is None else job.ended
    return {
        "type": f"job.{job.state.value}",
        "timestamp": datetime.fromtimestamp(ended, UTC).isoformat(),
        "data": asdict(job_reply(job)),
    }
