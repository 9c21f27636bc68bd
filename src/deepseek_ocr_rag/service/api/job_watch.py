"""Lets many clients wait for changes of jobs, without a thread each: :class:`JobWatch`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ..jobs import Job
from ..queue import JobQueue
from .asker import look

__all__ = ["Changes", "JobWatch", "wait_for_end"]


class Changes:
    """Tells one client that its job has changed."""

    def __init__(self, watch: JobWatch) -> None:
        self._watch = watch
        self._changed = asyncio.Event()

    def tell(self) -> None:
        """Wake the waiting coroutine. Call it in the event loop's thread."""
        self._changed.set()

    async def wait(self, seconds: float) -> bool:
        """Wait for a change since the last call, or since the beginning.

        Returns:
            Whether there was a change; False at once when the service closes.
        """
        if self._watch.closing:
            return False
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        changed = self._changed.is_set() and not self._watch.closing
        self._changed.clear()
        return changed


class JobWatch:
    """Passes the changes of a queue's jobs on to the coroutines that wait for them.

    Create and use it in the thread of one event loop.
    """

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue
        self._loop = asyncio.get_running_loop()
        self._followers: dict[str, set[Changes]] = {}
        self.closing = False
        queue.add_listener(self._told)

    @contextmanager
    def following(self, job_id: str) -> Iterator[Changes]:
        """The changes of a job from now on."""
        changes = Changes(self)
        self._followers.setdefault(job_id, set()).add(changes)
        try:
            yield changes
        finally:
            followers = self._followers[job_id]
            followers.discard(changes)
            if not followers:
                del self._followers[job_id]

    def close(self) -> None:
        """End all waiting, because the service closes."""
        self.closing = True
        self._queue.remove_listener(self._told)
        for followers in self._followers.values():
            for each in followers:
                each.tell()

    def _told(self, job_id: str) -> None:
        """Called in a thread of the queue."""
        with suppress(RuntimeError):  # the loop has ended, so nobody waits
            self._loop.call_soon_threadsafe(self._tell, job_id)

    def _tell(self, job_id: str) -> None:
        for each in self._followers.get(job_id, ()):
            each.tell()


async def wait_for_end(
    watch: JobWatch, queue: JobQueue, owner: str, job_id: str, seconds: float
) -> Job:
    """Return a job when it has ended, after this many seconds, or when the service closes.

    Raises:
        JobNotFoundError: If the owner has no such job.
        JobExpiredError: If it was removed.
    """
    until = time.monotonic() + seconds
    with watch.following(job_id) as changes:
        while True:
            job = await look(queue.get, owner, job_id)
            left = until - time.monotonic()
            if job.state.ended or left <= 0 or watch.closing:
                return job
            await changes.wait(left)
