"""Routes for files: announce one, send its content."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Annotated, Final

import anyio
import anyio.from_thread
import anyio.to_thread
from fastapi import APIRouter, Response
from pydantic import Field
from pydantic.dataclasses import dataclass
from starlette.requests import Request

from ..jobs import Upload
from .asker import Owner, Queue, change, owner_of, queue_of
from .job_replies import UploadReply, upload_reply
from .openapi import binary_body, problems
from .upload_turns import in_turn

__all__ = ["ROUTER", "store_content"]

ROUTER: Final = APIRouter(tags=["uploads"])

PIECE_BYTES: Final = 256 * 1024
"""Bytes that are passed to a thread at once; each handover makes thread and event loop wait."""


@dataclass(frozen=True)
class NewUpload:
    """A file that will be sent.

    Attributes:
        name: Its name, for people.
        media_type: What it is, such as application/pdf.
    """

    name: Annotated[str, Field(min_length=1, max_length=255)]
    media_type: Annotated[str, Field(max_length=127)] = "application/octet-stream"


@ROUTER.post("/v1/uploads", status_code=201, responses=problems(413, 422, 429, 507))
async def announce_upload(
    new: NewUpload, response: Response, owner: Owner, queue: Queue
) -> UploadReply:
    """Announce a file; then PUT its content."""
    upload = upload_reply(await change(queue.new_upload, owner, new.name, new.media_type))
    response.headers["Location"] = upload.content
    return upload


@ROUTER.put(
    "/v1/uploads/{upload_id}/content",
    responses=problems(400, 404, 408, 409, 410, 413, 415, 422, 429, 507),
    openapi_extra=binary_body("The bytes of the file."),
)
async def send_content(upload_id: str, request: Request, owner: Owner, queue: Queue) -> UploadReply:
    """Send the content of a file; it is written to the disk as it comes."""
    async with in_turn(request) as sent:
        return upload_reply(await store_content(sent, upload_id, sent.stream()))


async def store_content(request: Request, upload_id: str, chunks: AsyncIterator[bytes]) -> Upload:
    """Write the content of an upload in a thread, piece by piece, as it comes.

    Args:
        request: A request whose turn it is (:func:`.upload_turns.in_turn`).
        upload_id: Id of the upload.
        chunks: The content.
    """
    return await anyio.to_thread.run_sync(
        partial(queue_of(request).write_upload, owner_of(request), upload_id, _in_thread(chunks)),
        limiter=anyio.CapacityLimiter(1),
    )


def _in_thread(chunks: AsyncIterator[bytes]) -> Iterator[bytes]:
    """The pieces, for a thread that anyio started."""

    async def following() -> bytes | None:
        gathered = bytearray()
        while len(gathered) < PIECE_BYTES and (chunk := await anext(chunks, None)) is not None:
            gathered += chunk
        return bytes(gathered) or None

    while (piece := anyio.from_thread.run(following)) is not None:
        yield piece
