"""The route that accepts jobs: a form with the file, or the id of an earlier upload."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Response
from fastapi.exceptions import RequestValidationError
from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from pydantic_core import from_json
from starlette.exceptions import HTTPException
from starlette.requests import Request

from ...errors import ConfigurationError, SourceNotAllowedError
from ..jobs import Job, JobOptions, Upload
from .access.request_bodies import too_large
from .api_settings import ApiSettings
from .asker import Owner, Queue, Settings, change, in_worker, owner_of, queue_of
from .form_parts import FormPart, form_parts
from .job_replies import JobReply, job_path, job_reply, retry_after
from .openapi import problems
from .upload_routes import store_content
from .upload_turns import in_turn

__all__ = ["ROUTER", "body_digest"]

ROUTER: Final = APIRouter(tags=["jobs"])

FORM: Final = "multipart/form-data"

_IDEMPOTENCY_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_FILE: Final = "file"


@dataclass(frozen=True)
class NewJob:
    """How to read a document.

    Attributes:
        upload_id: Of a file that was sent before.
        pages: Which pages, such as "1-3,7"; all without it.
        task: "document", "locate: what to find", or another task of the reader.
        resolution: How finely the model sees a page: tiny, small, base, large or gundam.
        name: What to call the document, in place of the file's name.
        password: Of an encrypted PDF.
        callback_url: What to tell when the job ends, where the service allows it.
        callback_secret: Key that signs this message.
    """

    upload_id: Annotated[str | None, Field(max_length=200)] = None
    pages: Annotated[str | None, Field(max_length=2000)] = None
    task: Annotated[str | None, Field(max_length=2000)] = None
    resolution: Annotated[str | None, Field(max_length=40)] = None
    name: Annotated[str | None, Field(max_length=255)] = None
    password: Annotated[str | None, Field(max_length=255, repr=False)] = None
    callback_url: Annotated[str | None, Field(max_length=2000)] = None
    callback_secret: Annotated[str | None, Field(max_length=255, repr=False)] = None


_NEW_JOB: Final = TypeAdapter(NewJob)


def _body_schema() -> dict[str, Any]:
    schema = TypeAdapter(NewJob).json_schema()
    fields = dict(schema["properties"])
    upload = fields.pop("upload_id")
    texts = {name: {"type": "string", **_length(each)} for name, each in fields.items()}
    form = {
        "type": "object",
        "required": [_FILE],
        "additionalProperties": False,
        "properties": {_FILE: {"type": "string", "format": "binary"}, **texts},
    }
    by_id = {
        "type": "object",
        "required": ["upload_id"],
        "additionalProperties": False,
        "properties": {"upload_id": {"type": "string", **_length(upload)}, **texts},
    }
    return {
        "requestBody": {
            "required": True,
            "content": {FORM: {"schema": form}, "application/json": {"schema": by_id}},
        }
    }


def _length(field: Mapping[str, Any]) -> dict[str, Any]:
    limits = [each["maxLength"] for each in field.get("anyOf", ()) if "maxLength" in each]
    return {"maxLength": limits[0]} if limits else {}


@ROUTER.post(
    "/v1/jobs",
    status_code=202,
    responses=problems(400, 404, 408, 409, 410, 413, 415, 422, 429, 507),
    openapi_extra=_body_schema(),
)
async def send_job(
    request: Request,
    response: Response,
    owner: Owner,
    queue: Queue,
    settings: Settings,
    idempotency_key: Annotated[str | None, Header()] = None,
) -> JobReply:
    """Send a document to be read: a form with the field ``file``, or JSON with an ``upload_id``.

    With the header ``Idempotency-Key``, sending the same again gives the same job.
    """
    if idempotency_key is not None and not _IDEMPOTENCY_KEY.fullmatch(idempotency_key):
        raise ConfigurationError(
            "the Idempotency-Key cannot be used",
            remedy="Send 1 to 255 visible ASCII characters, such as a UUID.",
        )
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == FORM:
        async with in_turn(request) as sent:
            new, upload = await _from_form(sent)
        upload_id, sha256 = upload.id, upload.sha256 or ""
    else:
        if kind != "application/json":
            raise HTTPException(415, f"send a {FORM} or an application/json body")
        new = _checked(await _small_body(request, settings.json_bytes))
        if new.upload_id is None:
            raise ConfigurationError(
                "the request names no file",
                remedy="Send a form with the field file, or JSON with upload_id.",
            )
        upload_id = sha256 = new.upload_id
    job = await change(
        queue.submit,
        owner,
        upload_id,
        await in_worker(options_of, new, settings)
        if new.callback_url
        else options_of(new, settings),
        idempotency_key=idempotency_key,
        body_digest=body_digest(sha256, new),
    )
    accepted(response, job)
    return job_reply(job)


def accepted(response: Response, job: Job) -> None:
    """Say in a reply where a new job is, and when to look at it."""
    response.headers["Location"] = job_path(job.id)
    response.headers["Retry-After"] = str(retry_after(job))


def options_of(new: NewJob, settings: ApiSettings) -> JobOptions:
    """The options of a job, checked as those of a Reader.

    Raises:
        ConfigurationError: If one is invalid.
        SourceNotAllowedError: If callbacks are not allowed, or none to this address.
        SourceNotFoundError: If the host of the callback's address is unknown.
    """
    callback = None
    if new.callback_url is not None:
        if settings.callbacks is None:
            raise SourceNotAllowedError(
                "this service does not allow callbacks",
                remedy="Follow the job's events, or ask for it.",
            )
        callback = settings.callbacks.target(new.callback_url, new.callback_secret)
    given = {
        name: value
        for name in ("pages", "task", "resolution", "name", "password")
        if (value := getattr(new, name)) is not None
    }
    return JobOptions(**given, callback=callback)


def body_digest(content: str, new: NewJob) -> str:
    """A hash that is equal for equal requests: of the file and of all fields."""
    fields = [getattr(new, name) for name in sorted(NewJob.__annotations__) if name != "upload_id"]
    return hashlib.sha256(json.dumps([content, *fields]).encode()).hexdigest()


async def _small_body(request: Request, limit: int) -> bytes:
    """A body without a file, on a path to which files are sent as well."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise too_large(limit)
    return bytes(body)


def _checked(body: bytes) -> NewJob:
    try:
        given = from_json(body)
    except ValueError as error:
        raise ConfigurationError(
            "the body is not JSON", remedy="Send a form with the field file, or JSON."
        ) from error
    return _validated(given)


def _validated(given: Any) -> NewJob:  # noqa: ANN401 - what anyone sent
    unknown = set(given) - set(NewJob.__annotations__) if isinstance(given, dict) else ()
    if unknown:
        raise ConfigurationError(
            f"a job has no field {sorted(map(str, unknown))[0][:64]!r}",
            remedy=f"Choose from file, {', '.join(NewJob.__annotations__)}.",
        )
    try:
        return _NEW_JOB.validate_python(given)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error


async def _from_form(request: Request) -> tuple[NewJob, Upload]:
    """The fields of a form, and its file, which is stored as it comes."""
    fields: dict[str, str] = {}
    upload: Upload | None = None
    async for part in form_parts(request):
        if part.filename is not None or part.name == _FILE:
            if upload is not None or part.name != _FILE:
                raise ConfigurationError(
                    "the form has a file that is not expected",
                    remedy="Send one file, in the field file.",
                )
            upload = await _store(request, part)
        elif part.name in fields:
            raise ConfigurationError(
                f"the form has the field {part.name[:64]!r} twice", remedy="Send it once."
            )
        else:
            fields[part.name] = await part.text()
    if upload is None:
        raise ConfigurationError("the form has no file", remedy="Send it in the field file.")
    if "upload_id" in fields:
        raise ConfigurationError(
            "the form has both a file and an upload_id", remedy="Send one of them."
        )
    return _validated(fields), upload


async def _store(request: Request, part: FormPart) -> Upload:
    name = part.filename or "document"
    media_type = part.media_type or "application/octet-stream"
    upload = await change(
        queue_of(request).new_upload, owner_of(request), name[:255], media_type[:127]
    )
    return await store_content(request, upload.id, part.chunks)
