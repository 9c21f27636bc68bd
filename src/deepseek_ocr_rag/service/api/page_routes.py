"""Routes for what was read: pages, their pictures, the whole result."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final
from urllib.parse import quote

import anyio
import anyio.to_thread
from fastapi import APIRouter, Path, Query
from PIL import Image
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ...document.types import Page
from ...errors import JobNotFoundError
from ...export.drawing import draw_page
from ...export.quoted_words import Precision
from ..job_results import RESULT_FORMATS, ResultFormat, result_chunks
from ..jobs import Job, JobState, StoredPage
from ..queue import JobQueue
from .asker import Owner, Queue, look
from .job_replies import PageListReply, page_entry, retry_after
from .openapi import problems, replies_with
from .problems import problem

__all__ = ["ROUTER"]

ROUTER: Final = APIRouter(tags=["pages"])

LAST_PAGE: Final = 1_000_000
LONGEST_SIDE: Final = 4096
"""Pixels of a picture."""

LAST_CHARACTER: Final = 100_000_000

Number = Annotated[int, Path(ge=1, le=LAST_PAGE)]

_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f/\\]+")

_PAGE: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The page, as in `dsocr read --json`.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["number", "markdown", "blocks", "finish_reason", "error"],
                    "properties": {
                        "number": {"type": "integer"},
                        "markdown": {"type": "string"},
                        "finish_reason": {"type": "string"},
                        "error": {"type": ["string", "null"]},
                        "blocks": {"type": "array", "items": {"type": "object"}},
                    },
                }
            }
        },
    }
}


@ROUTER.get("/v1/jobs/{job_id}/pages", responses=problems(404, 410, 422))
async def list_pages(
    job_id: str,
    owner: Owner,
    queue: Queue,
    after: Annotated[int, Query(ge=0, le=LAST_PAGE)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> PageListReply:
    """List the pages that were read so far, in the order in which they were finished."""
    pages = await look(queue.pages, owner, job_id, after, limit)
    following = pages[-1].sequence if len(pages) == limit else None
    return PageListReply([page_entry(job_id, page) for page in pages], following)


@ROUTER.get(
    "/v1/jobs/{job_id}/pages/{number}.png",
    response_class=Response,
    responses={**replies_with("image/png"), **problems(404, 409, 410, 413, 422)},
)
async def show_picture(
    job_id: str,
    number: Number,
    request: Request,
    owner: Owner,
    queue: Queue,
    boxes: bool = False,
    long_side: Annotated[int, Query(ge=64, le=LONGEST_SIDE)] = 1280,
) -> Response:
    """Draw a page, with ``boxes`` also the boxes of what was read on it."""
    job = await look(queue.get, owner, job_id)
    if job.document_pages is not None and number > job.document_pages:
        return _no_page(job, number)
    stored = None
    if boxes:
        stored = await _stored(queue, owner, job, number)
        if stored is None:
            return _no_page(job, number)
    picture = await anyio.to_thread.run_sync(
        partial(_drawn, queue, owner, job_id, number, long_side, stored),
        limiter=request.app.state.picture_slots,
    )
    return Response(picture, media_type="image/png")


@ROUTER.get(
    "/v1/jobs/{job_id}/pages/{number}",
    response_class=Response,
    responses={**_PAGE, **problems(404, 409, 410, 422)},
)
async def show_page(job_id: str, number: Number, owner: Owner, queue: Queue) -> Response:
    """Show a page once it has been read: its Markdown, blocks and boxes, or its error."""
    job = await look(queue.get, owner, job_id)
    stored = await _stored(queue, owner, job, number)
    if stored is None:
        return _no_page(job, number)
    return Response(stored.json, media_type="application/json")


@dataclass(frozen=True, slots=True)
class WordsReply:
    """Where a part of a page's text is.

    Attributes:
        boxes: Left, top, right and bottom of each line, in fractions of the page.
        precision: words (of the PDF's text layer), lines (of ink, the words placed by their
            share), or blocks (their whole boxes).
    """

    boxes: list[list[float]]
    precision: Precision


@ROUTER.get("/v1/jobs/{job_id}/pages/{number}/words", responses=problems(404, 410, 413, 422))
async def show_words(
    job_id: str,
    number: Number,
    request: Request,
    owner: Owner,
    queue: Queue,
    start: Annotated[int, Query(ge=0, le=LAST_CHARACTER)],
    end: Annotated[int, Query(ge=0, le=LAST_CHARACTER)],
) -> WordsReply:
    """Find where a part of a page's Markdown is, more precisely than its blocks' boxes."""
    found = await anyio.to_thread.run_sync(
        partial(queue.quoted_words, owner, job_id, number, (start, end)),
        limiter=request.app.state.picture_slots,
    )
    boxes = [[round(value, 6) for value in box.as_tuple()] for box in found.boxes]
    return WordsReply(boxes, found.precision)


@ROUTER.get(
    "/v1/jobs/{job_id}/result",
    response_class=Response,
    responses={
        **replies_with("text/markdown", "application/json", "application/zip"),
        **problems(404, 409, 410, 422),
    },
)
async def show_result(
    job_id: str,
    owner: Owner,
    queue: Queue,
    result_format: Annotated[ResultFormat, Query(alias="format")] = "markdown",
) -> Response:
    """Get the whole result of a job that has ended: markdown, json, documents or zip."""
    job = await look(queue.get, owner, job_id)
    if job.state not in (JobState.SUCCEEDED, JobState.PARTIAL):
        return _no_result(job)
    pages = partial(queue.pages_in_order, owner, job_id)
    name = f"{_UNSAFE.sub('_', job.name)}.{_ENDINGS[result_format]}"
    return StreamingResponse(
        result_chunks(job, pages, result_format),
        media_type=RESULT_FORMATS[result_format],
        headers={"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"},
    )


_ENDINGS: Final[dict[ResultFormat, str]] = {
    "markdown": "md",
    "json": "json",
    "documents": "documents.json",
    "zip": "zip",
}


async def _stored(queue: JobQueue, owner: str, job: Job, number: int) -> StoredPage | None:
    """A page that was read, or None."""
    try:
        return await look(queue.page, owner, job.id, number)
    except JobNotFoundError:
        return None


def _no_page(job: Job, number: int) -> Response:
    """The error for a page that is not there: not yet, or never."""
    beyond = job.document_pages is not None and number > job.document_pages
    if job.state.ended or beyond:
        return problem(
            404,
            "the job has no such page",
            error=JobNotFoundError.__name__,
            remedy="Look at the list of its pages for what was read.",
            page=number,
        )
    return problem(
        409,
        "the page has not been read yet",
        remedy="Ask again, or follow the job's events.",
        page=number,
        headers={"Retry-After": str(retry_after(job))},
    )


def _no_result(job: Job) -> Response:
    if not job.state.ended:
        return problem(
            409,
            f"the job is {job.state}",
            remedy="Ask again when it has ended; finished pages are there already.",
            headers={"Retry-After": str(retry_after(job))},
        )
    error = job.error
    return problem(
        409,
        error.message if error else f"the job was {job.state}",
        error=error.type if error else None,
        remedy=(error.remedy if error else "") or "Send the document again.",
        page=error.page if error else None,
    )


def _drawn(
    queue: JobQueue, owner: str, job_id: str, number: int, long_side: int, stored: StoredPage | None
) -> bytes:
    """The PNG file of a page; with the boxes of the stored page, if any."""
    png = queue.picture(owner, job_id, number, long_side)
    if stored is None:
        return png
    with Image.open(io.BytesIO(png)) as image:
        drawn = draw_page(image, Page.from_dict(json.loads(stored.json)))
    written = io.BytesIO()
    drawn.save(written, "PNG", compress_level=1)
    return written.getvalue()
