"""Mounts the MCP server at ``/mcp`` of the service; a caller's documents are their finished jobs.

The service checks hosts, keys, rates and body sizes before every route of its app.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI
from starlette.requests import Request

from ..agents.libraries.stored_library import StoredDocument, StoredLibrary
from ..errors import BusyError, ConfigurationError
from ..service.api.asker import owner_of
from ..service.jobs import Job, JobState
from ..service.queue import JobQueue
from .http_endpoint import HttpEndpoint
from .library_tools import LibraryTools
from .protocol_server import Caller, document_server

__all__ = ["PATH", "JobDocuments", "add_mcp"]

PATH: Final = "/mcp"

SEARCHABLE: Final = (JobState.SUCCEEDED, JobState.PARTIAL)
JOBS_A_PART: Final = 200

MOST_LISTED: Final = 2000
"""How many of a key's newest jobs are listed; older ones are still found by their ids."""

OWNERS_KEPT: Final = 64
"""How many callers have their indexes kept."""


class JobDocuments:
    """The finished jobs of one key as stored documents. Ids are ``<job>/<name of the document>``.

    Args:
        queue: Has the jobs.
        owner: The name of the key.
    """

    def __init__(self, queue: JobQueue, owner: str) -> None:
        self._queue = queue
        self._owner = owner

    def documents(self) -> Sequence[StoredDocument]:
        """The finished jobs, newest first."""
        found: list[StoredDocument] = []
        after: str | None = None
        while len(found) < MOST_LISTED:
            part = self._queue.list(self._owner, SEARCHABLE, after, JOBS_A_PART)
            found += map(_stored, part.jobs)
            after = part.next_cursor
            if after is None:
                break
        return found[:MOST_LISTED]

    def document(self, id: str) -> StoredDocument:
        """The job that an id begins with.

        Raises:
            JobNotFoundError: If the owner has no such job.
            JobExpiredError: If it was removed.
            BusyError: If it is still being read.
            ConfigurationError: If it was not read.
        """
        job = self._queue.get(self._owner, id.partition("/")[0].strip())
        if not job.state.ended:
            total = "?" if job.pages_total is None else str(job.pages_total)
            raise BusyError(
                f"the document is still being read: {job.pages_done} of {total} pages are done",
                remedy="Call again in a moment.",
            )
        if job.state not in SEARCHABLE:
            raise ConfigurationError(
                f"the document was not read: its job is {job.state}",
                remedy="Send it again, or take another one.",
            )
        return _stored(job)

    def pages(self, document: StoredDocument) -> Iterable[str]:
        """The stored pages by number."""
        for page in self._queue.pages_in_order(self._owner, _job_of(document)):
            yield page.json

    def picture(self, document: StoredDocument, page: int, long_side: int) -> bytes:
        """A page, drawn in the service's rendering process."""
        return self._queue.picture(self._owner, _job_of(document), page, long_side)


def _stored(job: Job) -> StoredDocument:
    id = f"{job.id}/{' '.join(job.name.split())}"
    total = job.document_pages or job.pages_done
    return StoredDocument(id, job.sha256, total, job.pages_done, job.version)


def _job_of(document: StoredDocument) -> str:
    return document.id.partition("/")[0]


def add_mcp(
    app: FastAPI,
    queue: JobQueue,
    *,
    llm: str = "none",
    embeddings: str | None = None,
    allow_remote: bool = False,
) -> None:
    """Add the MCP server to the service's app, before the app is started.

    Args:
        app: The app of the service.
        queue: Its jobs.
        llm: Writes the answers, as in :class:`~deepseek_ocr_rag.DocumentQA`.
        embeddings: Also search by meaning for a question.
        allow_remote: Whether text may go to a model on another machine.
    """
    callers = _Callers(queue, llm, embeddings, allow_remote)
    endpoint = HttpEndpoint(document_server(callers.of))
    app.router.routes.append(endpoint.route(PATH))
    before = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(started: FastAPI) -> AsyncIterator[Any]:
        async with before(started) as state, endpoint.running():
            yield state

    app.router.lifespan_context = lifespan


class _Callers:
    """The tools of each key, made when it first calls."""

    def __init__(
        self, queue: JobQueue, llm: str, embeddings: str | None, allow_remote: bool
    ) -> None:
        self._queue = queue
        self._llm = None if llm == "none" else llm
        self._embeddings = embeddings
        self._allow_remote = allow_remote
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Caller] = OrderedDict()

    def of(self, request: Request) -> Caller:
        """The caller who sent a request."""
        owner = owner_of(request)
        with self._lock:
            if owner not in self._kept:
                tools = LibraryTools(
                    StoredLibrary(JobDocuments(self._queue, owner)),
                    self._llm,
                    embeddings=self._embeddings,
                    allow_remote=self._allow_remote,
                )
                self._kept[owner] = Caller(owner, tools)
            self._kept.move_to_end(owner)
            while len(self._kept) > OWNERS_KEPT:
                self._kept.popitem(last=False)
            return self._kept[owner]
