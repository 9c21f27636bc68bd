"""Answers questions and searches over documents that were read: :class:`Asking`."""

from __future__ import annotations

import json
import threading
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ..document.types import OcrDocument, Page
from ..errors import BusyError, ConfigurationError
from .jobs import Job, JobState
from .queue import JobQueue

if TYPE_CHECKING:
    from ..answering.qa import DocumentQA

__all__ = ["Asking", "ReadDocuments"]

MOST_DOCUMENTS: Final = 50
"""Most documents of one question."""

MOST_PAGES: Final = 5_000
"""Most pages of one question, because their index is kept in memory."""

KEPT: Final = 4
"""How many indexes are kept for the next question."""

SEARCHABLE: Final = (JobState.SUCCEEDED, JobState.PARTIAL)


@dataclass(frozen=True, slots=True)
class ReadDocuments:
    """Documents that can be searched.

    Attributes:
        qa: Answers questions over them.
        jobs: The job ids of the documents, by source.
        documents: The documents, by source.
        versions: The version of each job at the time its pages were taken.
    """

    qa: DocumentQA
    jobs: dict[str, str]
    documents: dict[str, OcrDocument]
    versions: tuple[int, ...]


class Asking:
    """Makes indexes of finished jobs. Threads may share one.

    Args:
        queue: Has the jobs.
        llm: What writes the answers, as for :class:`~deepseek_ocr_rag.DocumentQA`.
        embeddings: Also search by meaning with this model; None for words only.
        allow_remote: Whether text may go to a model on another machine.
    """

    def __init__(
        self,
        queue: JobQueue,
        *,
        llm: str = "none",
        embeddings: str | None = None,
        allow_remote: bool = False,
    ) -> None:
        self._queue = queue
        self._llm = llm
        self._embeddings = embeddings
        self._allow_remote = allow_remote
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, ...], ReadDocuments] = OrderedDict()

    def over(self, owner: str, job_ids: Sequence[str], model: str | None = None) -> ReadDocuments:
        """The documents of some jobs, ready to be searched.

        Args:
            owner: Name of the key.
            job_ids: The jobs.
            model: What answers, as for ``llm``; None for the service's own.

        Raises:
            BusyError: If a document is still being read.
            ConfigurationError: If there are no jobs or too many, or one has no pages to search.
            JobNotFoundError: If the owner has no such job.
            LanguageModelError: If the language model is not there.
        """
        ids = tuple(dict.fromkeys(job_ids))
        if not 1 <= len(ids) <= MOST_DOCUMENTS:
            raise ConfigurationError(
                f"a question cannot be about {len(ids)} documents",
                remedy=f"Name 1 to {MOST_DOCUMENTS} finished jobs.",
            )
        # Look the jobs up even if the index is kept: they may be gone, or belong to another key.
        jobs = [self._finished(owner, each) for each in ids]
        read = self._kept_or_made(owner, ids, jobs)
        if model is None or model == self._llm:
            return read
        return replace(read, qa=read.qa.using(model))

    def _kept_or_made(self, owner: str, ids: tuple[str, ...], jobs: Sequence[Job]) -> ReadDocuments:
        versions = tuple(job.version for job in jobs)
        with self._lock:
            kept = self._kept.get(ids)
            if kept is not None and kept.versions == versions:
                self._kept.move_to_end(ids)
                return kept
        # Take the version before the pages, so that a correction in between makes the index stale.
        made = self._made(owner, jobs, versions)
        with self._lock:
            self._kept[ids] = made
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return made

    def _finished(self, owner: str, job_id: str) -> Job:
        job = self._queue.get(owner, job_id)
        if not job.state.ended:
            raise BusyError(
                "the document is still being read",
                source=job.name,
                remedy="Ask again when its job has ended.",
            )
        if job.state not in SEARCHABLE:
            raise ConfigurationError(
                f"the document was not read: its job is {job.state}",
                source=job.name,
                remedy="Send it again, or leave it out.",
            )
        return job

    def _made(self, owner: str, jobs: Sequence[Job], versions: tuple[int, ...]) -> ReadDocuments:
        from ..answering.qa import DocumentQA

        if sum(job.pages_done for job in jobs) > MOST_PAGES:
            raise ConfigurationError(
                "the documents have too many pages for one question",
                remedy=f"Name fewer: {MOST_PAGES:,} pages in all.",
            )
        names = Counter(job.name for job in jobs)
        documents, ids = {}, {}
        for job in jobs:
            source = job.name if names[job.name] == 1 else f"{job.name} ({job.id})"
            ids[source] = job.id
            documents[source] = self._document(owner, job, source)
        qa = DocumentQA(
            tuple(documents.values()),
            llm=None if self._llm == "none" else self._llm,
            embeddings=self._embeddings,
            allow_remote=self._allow_remote,
        )
        return ReadDocuments(qa, ids, documents, versions)

    def _document(self, owner: str, job: Job, source: str) -> OcrDocument:
        pages = [
            Page.from_dict(json.loads(each.json))
            for each in self._queue.pages_in_order(owner, job.id)
        ]
        return OcrDocument(source, tuple(pages), job.document_pages or len(pages), job.sha256)
