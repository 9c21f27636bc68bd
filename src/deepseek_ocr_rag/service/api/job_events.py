"""The events of a job: its pages as they are finished, its changes, its end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated, Final

from fastapi import APIRouter, Header
from starlette.requests import Request
from starlette.responses import Response

from ...errors import ConfigurationError, DeepSeekOCRError
from ..jobs import Job
from .asker import Owner, Queue, look, queue_of
from .job_replies import job_reply, page_entry
from .job_watch import JobWatch
from .openapi import problems
from .problems import problem_members
from .streamed_events import HEARTBEAT, event, event_content, event_reply

__all__ = ["ROUTER"]

ROUTER: Final = APIRouter(tags=["jobs"])

PAGES_AT_ONCE: Final = 100
"""How many pages are fetched from the store at a time."""


@ROUTER.get(
    "/v1/jobs/{job_id}/events",
    response_class=Response,
    responses={
        200: {
            "description": "Events: each page, the job when it changes, and its end.",
            "content": event_content("page", "job", "end", "problem"),
        },
        **problems(404, 410, 422),
    },
)
async def follow_job(
    job_id: str,
    request: Request,
    owner: Owner,
    queue: Queue,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """Follow a job: an event for each page, and for each change of the job.

    With the header ``Last-Event-ID``, the pages after that one are sent.
    """
    after = _sequence(last_event_id)
    await look(queue.get, owner, job_id)
    return event_reply(_events(request, owner, job_id, after))


def _sequence(last_event_id: str | None) -> int:
    text = (last_event_id or "0").strip()
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ConfigurationError(
            "Last-Event-ID is not the id of an event", remedy="Send back the last id, or none."
        )
    return int(text)


async def _events(request: Request, owner: str, job_id: str, after: int) -> AsyncIterator[str]:
    queue = queue_of(request)
    watch: JobWatch = request.app.state.watch
    heartbeat: float = request.app.state.settings.heartbeat
    told: Job | None = None
    with watch.following(job_id) as changes:
        while True:
            try:
                # The job before its pages: pages that finish in between come in the next round.
                job = await look(queue.get, owner, job_id)
                while pages := await look(queue.pages, owner, job_id, after, PAGES_AT_ONCE):
                    for page in pages:
                        after = page.sequence
                        yield event("page", asdict(page_entry(job_id, page)), after)
            except DeepSeekOCRError as error:
                yield event("problem", problem_members(error))
                return
            if job.state.ended:
                yield event("end", asdict(job_reply(job)))
                return
            if told is None or job.version != told.version:
                told = job
                yield event("job", asdict(job_reply(job)))
            while not await changes.wait(heartbeat):
                if watch.closing:
                    return
                yield HEARTBEAT
