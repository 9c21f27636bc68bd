"""Routes for clients of Mistral's OCR: ``/v1/files`` and ``/v1/ocr``.

They accept the requests of Mistral's SDK 3.7 and of Open WebUI's loader "Mistral OCR". A file is an
upload. The address of a file works in ``/v1/ocr`` with the key of its owner, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from fastapi import APIRouter, Query
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from ...errors import ConfigurationError, DeepSeekOCRError
from ..api.asker import Owner, Queue, in_worker, look, owner_of, queue_of
from ..api.form_parts import form_parts
from ..api.openapi import problems
from ..api.problems import problem, status_of
from ..api.upload_turns import in_turn
from ..jobs import JobOptions, JobState, Upload
from .conversions import conversion, document_of_job, error_of_job
from .mistral_replies import ocr_reply
from .mistral_requests import OcrOptions, document_of
from .mistral_schema import FORM_BODY, OCR_BODY, OCR_REPLY
from .sent_documents import (
    discard,
    json_request,
    store_again,
    store_data_url,
    store_part,
    store_url,
)

__all__ = ["ROUTER"]


class PlainErrorRoute(APIRoute):
    """Answers 400 where other routes answer 422, because Mistral's SDK expects its own form of 422."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of the route."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except DeepSeekOCRError as error:
                if status_of(error) != HTTPStatus.UNPROCESSABLE_ENTITY:
                    raise
                return problem(
                    HTTPStatus.BAD_REQUEST,
                    error.problem,
                    error=type(error).__name__,
                    remedy=error.remedy,
                    source=error.source,
                    page=error.page,
                )
            except HTTPException as error:
                if error.status_code != HTTPStatus.UNPROCESSABLE_ENTITY:
                    raise
                return problem(HTTPStatus.BAD_REQUEST, str(error.detail))

        return handle


ROUTER: Final = APIRouter(tags=["mistral"], route_class=PlainErrorRoute)


@dataclass(frozen=True, slots=True)
class FileReply:
    """A file that was sent.

    Attributes:
        id: Of the file.
        object: Always "file".
        bytes: Its size.
        created_at: When it came, in seconds since 1970.
        filename: Its name.
        purpose: Always "ocr".
        sample_type: Always "ocr_input".
        source: Always "upload".
        mimetype: As the client named it.
        expires_at: When it is removed.
        deleted: Always false.
    """

    id: str
    object: Literal["file"]
    bytes: int
    created_at: int
    filename: str
    purpose: Literal["ocr"]
    sample_type: Literal["ocr_input"]
    source: Literal["upload"]
    mimetype: str
    expires_at: int
    deleted: bool


@dataclass(frozen=True, slots=True)
class FileListReply:
    """The files of a key, oldest first."""

    data: list[FileReply]
    object: Literal["list"]
    total: int


@dataclass(frozen=True, slots=True)
class FileAddress:
    """Where a file is."""

    url: str


@dataclass(frozen=True, slots=True)
class DeletedFile:
    """Confirms that a file was removed."""

    id: str
    object: Literal["file"]
    deleted: bool


@ROUTER.post(
    "/v1/files",
    responses=problems(400, 408, 409, 413, 415, 422, 429, 507),
    openapi_extra=FORM_BODY,
)
async def send_file(request: Request) -> FileReply:
    """Send a file, in the field ``file`` of a form, to be read by ``/v1/ocr``."""
    upload: Upload | None = None
    purpose = "ocr"
    try:
        async with in_turn(request) as sent:
            async for part in form_parts(sent):
                if part.filename is None and part.name != "file":
                    value = await part.text()
                    purpose = value if part.name == "purpose" else purpose
                    continue
                if upload is not None or part.name != "file":
                    raise ConfigurationError(
                        "the form has more than one file",
                        remedy="Send one file, in the field file.",
                    )
                upload = await store_part(sent, part)
        if upload is None:
            raise ConfigurationError("the form has no file", remedy="Send it in the field file.")
        if purpose != "ocr":
            raise ConfigurationError(
                f"the purpose cannot be {purpose[:40]!r}", remedy='Send the purpose "ocr".'
            )
    except BaseException:
        await discard(request, upload)
        raise
    return _file(upload)


@ROUTER.get("/v1/files", responses=problems(422))
async def list_files(owner: Owner, queue: Queue) -> FileListReply:
    """List your files, oldest first."""
    files = [_file(upload) for upload in await look(queue.uploads, owner)]
    return FileListReply(files, "list", len(files))


@ROUTER.get("/v1/files/{file_id}", responses=problems(404, 422))
async def show_file(file_id: str, owner: Owner, queue: Queue) -> FileReply:
    """Look at a file."""
    return _file(await look(queue.upload, owner, file_id))


@ROUTER.get("/v1/files/{file_id}/url", responses=problems(404, 422))
async def address_of_file(
    request: Request,
    file_id: str,
    owner: Owner,
    queue: Queue,
    expiry: Annotated[int, Query(ge=1, le=168)] = 24,
) -> FileAddress:
    """The address of a file, for ``/v1/ocr``, until the file is removed. ``expiry`` has no effect."""
    upload = await look(queue.upload, owner, file_id)
    return FileAddress(str(request.url_for("content_of_file", file_id=upload.id)))


@ROUTER.get(
    "/v1/files/{file_id}/content",
    response_class=FileResponse,
    responses={
        200: {"description": "The file.", "content": {"application/octet-stream": {}}},
        **problems(404, 409, 422),
    },
)
async def content_of_file(file_id: str, owner: Owner, queue: Queue) -> FileResponse:
    """The bytes of a file, for its owner."""
    path = await look(queue.upload_file, owner, file_id)
    return FileResponse(
        path,
        media_type="application/octet-stream",
        headers={"Content-Disposition": "attachment"},
    )


@ROUTER.delete("/v1/files/{file_id}", responses=problems(404, 422))
async def delete_file(file_id: str, owner: Owner, queue: Queue) -> DeletedFile:
    """Remove a file."""
    await in_worker(queue.delete_upload, owner, file_id)
    return DeletedFile(file_id, "file", True)


@ROUTER.post(
    "/v1/ocr",
    responses={**OCR_REPLY, **problems(400, 404, 408, 409, 410, 413, 415, 422, 429, 504, 507)},
    openapi_extra=OCR_BODY,
)
async def read_pages(request: Request) -> Response:
    """Read a document; the reply comes when it has been read."""
    queue, owner = queue_of(request), owner_of(request)
    async with json_request(request) as given:
        options = OcrOptions.parse(given)
        upload = await _named(request, given)
    async with conversion(request, upload, JobOptions(pages=options.pages)) as job:
        if job.state not in (JobState.SUCCEEDED, JobState.PARTIAL):
            raise error_of_job(job)

        def reply() -> dict[str, Any]:
            return ocr_reply(
                document_of_job(queue, owner, job),
                options,
                size=upload.size or 0,
                picture=lambda number, side: queue.picture(owner, job.id, number, side),
            )

        return JSONResponse(await in_worker(reply))


async def _named(request: Request, given: dict[str, Any]) -> Upload:
    """The document that a request names, stored for it alone: it is removed with the reply."""
    kind, value = document_of(given)
    if kind == "url" and value.startswith("data:"):
        name = given["document"].get("document_name")
        return await store_data_url(request, value, name if isinstance(name, str) else "document")
    file_id = value if kind == "file" else _file_in(request, value)
    if file_id is not None:
        return await store_again(request, file_id)
    return await store_url(request, value)


def _file_in(request: Request, url: str) -> str | None:
    """The id in the address of one of our own files; None if it is another address."""
    try:
        parts = urlsplit(url[:2000])
    except ValueError:
        return None
    own = urlsplit(str(request.url_for("content_of_file", file_id="ID")))
    before, _, after = own.path.partition("ID")
    if parts.netloc != own.netloc or not parts.path.startswith(before):
        return None
    return parts.path.removeprefix(before).removesuffix(after)


def _file(upload: Upload) -> FileReply:
    return FileReply(
        id=upload.id,
        object="file",
        bytes=upload.size or 0,
        created_at=int(upload.created),
        filename=upload.name,
        purpose="ocr",
        sample_type="ocr_input",
        source="upload",
        mimetype=upload.media_type,
        expires_at=int(upload.expires),
        deleted=False,
    )
