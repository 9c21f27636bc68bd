"""Routes for corrections: of a block's text, and as examples for training."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated, Final, Literal

import anyio.from_thread
import anyio.to_thread
from fastapi import APIRouter, Path, Query
from pydantic import Field
from pydantic.dataclasses import dataclass
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ....errors import JobNotFoundError
from ....reading.cached_pages import page_from_json
from ...correcting.corrected_text import LONGEST_CORRECTION
from ...correcting.training_examples import TrainingPage, example_lines, example_zip
from ...jobs import Job
from ...queue import JobQueue
from ..asker import Owner, Queue, in_worker
from ..openapi import problems
from .correction_replies import BlockReply, CorrectionListReply, block_reply, correction_list

__all__ = ["ROUTER"]

ROUTER: Final = APIRouter(tags=["corrections"])

LAST_PAGE: Final = 1_000_000
LAST_BLOCK: Final = 100_000

Number = Annotated[int, Path(ge=1, le=LAST_PAGE)]
Block = Annotated[int, Path(ge=0, le=LAST_BLOCK)]

CorrectionFormat = Literal["json", "jsonl", "zip"]

_TYPES: Final[dict[CorrectionFormat, str]] = {
    "json": "application/json",
    "jsonl": "application/jsonl",
    "zip": "application/zip",
}

_BLOCK: Final = "/v1/jobs/{job_id}/pages/{number}/blocks/{block}"


@dataclass(frozen=True)
class CorrectedText:
    """What is in a block.

    Attributes:
        text: As Markdown; a table may be HTML. Empty if nothing is there.
    """

    text: Annotated[str, Field(max_length=LONGEST_CORRECTION)]


@ROUTER.get(_BLOCK, responses=problems(404, 410, 422))
async def show_block(
    job_id: str, number: Number, block: Block, owner: Owner, queue: Queue
) -> BlockReply:
    """Show a block of a page, with what was read if it has been corrected."""
    return _found(block_reply(await in_worker(queue.page, owner, job_id, number), block), number)


@ROUTER.put(_BLOCK, responses=problems(404, 410, 422))
async def correct_block(
    job_id: str, number: Number, block: Block, wanted: CorrectedText, owner: Owner, queue: Queue
) -> BlockReply:
    """Correct the text of a block; what was read is kept. All results then have the new text."""
    page = await in_worker(queue.correct, owner, job_id, number, block, wanted.text)
    return _found(block_reply(page, block), number)


@ROUTER.delete(_BLOCK, responses=problems(404, 410, 422))
async def take_correction_back(
    job_id: str, number: Number, block: Block, owner: Owner, queue: Queue
) -> BlockReply:
    """Undo the correction of a block, which is then as it was read."""
    page = await in_worker(queue.take_back, owner, job_id, number, block)
    return _found(block_reply(page, block), number)


def _found(reply: BlockReply | None, number: int) -> BlockReply:
    if reply is None:
        raise JobNotFoundError(
            "the page has no such block", page=number, remedy="Look at the list of its blocks."
        )
    return reply


@ROUTER.get(
    "/v1/jobs/{job_id}/corrections",
    response_model=CorrectionListReply,
    responses={
        200: {
            "description": "The list, or the corrected pages as examples for training.",
            "content": {
                "application/jsonl": {"schema": {"type": "string"}},
                "application/zip": {},
            },
        },
        **problems(404, 410, 422),
    },
)
async def show_corrections(
    job_id: str,
    request: Request,
    owner: Owner,
    queue: Queue,
    correction_format: Annotated[CorrectionFormat, Query(alias="format")] = "json",
) -> Response | CorrectionListReply:
    """List a job's corrections, or get its corrected pages as examples for training.

    jsonl: a chat for each corrected page, with its picture's path; zip: with the pictures.
    """
    job = await in_worker(queue.get, owner, job_id)
    if correction_format == "json":
        return await in_worker(_listed, queue, owner, job_id)
    pages = partial(_corrected, queue, owner, job)
    chunks = (
        example_lines(pages())
        if correction_format == "jsonl"
        else example_zip(job, pages, partial(_picture, request, queue, owner, job_id))
    )
    name = f"corrections-{job.sha256[:16]}.{correction_format}"
    return StreamingResponse(
        chunks,
        media_type=_TYPES[correction_format],
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _listed(queue: JobQueue, owner: str, job_id: str) -> CorrectionListReply:
    return correction_list(job_id, queue.corrections(owner, job_id))


def _corrected(queue: JobQueue, owner: str, job: Job) -> Iterator[TrainingPage]:
    """The corrected pages of a job, one in memory at a time."""
    last = 0
    for each in queue.corrections(owner, job.id):
        if each.page != last:
            last = each.page
            stored = queue.page(owner, job.id, last)
            yield TrainingPage(job, page_from_json(stored.json))


def _picture(
    request: Request, queue: JobQueue, owner: str, job_id: str, number: int, long_side: int
) -> bytes:
    """A page's picture, drawn as soon as a slot is free; called in a worker thread."""
    slots: anyio.CapacityLimiter = request.app.state.picture_slots

    async def draw() -> bytes:
        return await anyio.to_thread.run_sync(
            partial(queue.picture, owner, job_id, number, long_side), limiter=slots
        )

    return anyio.from_thread.run(draw)
