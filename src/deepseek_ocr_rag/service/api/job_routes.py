"""Routes for jobs: list them, look at one, cancel or remove one."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Response
from starlette.requests import Request

from ..jobs import JobState
from .asker import Owner, Queue, Settings, in_worker, look
from .job_replies import JobListReply, JobReply, job_reply, retry_after
from .job_watch import wait_for_end
from .openapi import problems

__all__ = ["ROUTER"]

ROUTER: Final = APIRouter(tags=["jobs"])


@ROUTER.get("/v1/jobs", responses=problems(422))
async def list_jobs(
    owner: Owner,
    queue: Queue,
    status: Annotated[list[JobState] | None, Query()] = None,
    after: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> JobListReply:
    """List your jobs, newest first; several ``status`` are alternatives."""
    found = await look(queue.list, owner, states=tuple(status or ()), after=after, limit=limit)
    return JobListReply([job_reply(job) for job in found.jobs], found.next_cursor)


@ROUTER.get("/v1/jobs/{job_id}", responses=problems(404, 410, 422))
async def show_job(
    job_id: str,
    request: Request,
    response: Response,
    owner: Owner,
    queue: Queue,
    settings: Settings,
    wait: Annotated[float, Query(ge=0, le=600)] = 0.0,
) -> JobReply:
    """Look at a job. With ``wait``, the reply comes when it has ended, or after this many seconds."""
    seconds = min(wait, settings.longest_wait)
    if seconds:
        job = await wait_for_end(request.app.state.watch, queue, owner, job_id, seconds)
    elif queue.is_quick:
        # A row is read faster than it is passed to a thread and back, above all while other
        # threads keep the interpreter busy.
        job = queue.get(owner, job_id)
    else:
        job = await look(queue.get, owner, job_id)
    if not job.state.ended:
        response.headers["Retry-After"] = str(retry_after(job))
    return job_reply(job)


@ROUTER.delete(
    "/v1/jobs/{job_id}",
    responses={204: {"description": "It was removed."}, **problems(404, 409, 410, 422)},
    response_model=JobReply,
)
async def cancel_job(
    job_id: str, owner: Owner, queue: Queue, remove: bool = False
) -> JobReply | Response:
    """Cancel a job that has not ended; with ``remove``, also remove all of it, ended or not."""
    if not remove:
        return job_reply(await in_worker(queue.cancel, owner, job_id))
    await in_worker(queue.delete, owner, job_id)
    return Response(status_code=204)
