"""Routes for clients of docling-serve: ``/v1/convert``, ``/v1/status`` and ``/v1/result``.

They answer as docling-serve 1.38 answers its clients: ``docling.service_client``, Open WebUI's loader
"Docling", and others. A task is a job; its id is the job's id.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ...errors import ConfigurationError, JobExpiredError, JobNotFoundError
from ...version import __version__
from ..api.asker import in_worker, look, owner_of, queue_of, settings_of
from ..api.form_parts import form_parts
from ..api.openapi import problems
from ..api.problems import problem
from ..api.upload_turns import in_turn
from ..jobs import Job, JobOptions, JobState, Upload
from .conversions import conversion, document_of_job, wait_for_end
from .docling_options import DoclingOptions
from .docling_replies import check_reply, converted, failed_conversion, task_failure, task_status
from .docling_schema import FILE_BODY, RESULT, SOURCE_BODY, STATUS
from .sent_documents import discard, json_request, store_base64, store_part, store_url
from .task_ids import job_of, reply_of, task_id

__all__ = ["ROUTER"]

ROUTER: Final = APIRouter(tags=["docling"])

SENT: Final = (400, 408, 409, 413, 415, 422, 429, 507)

NO_TASK: Final = "Task not found."
NO_RESULT: Final = "Task result not found. Please wait for a completion status."
"""docling's client tells the two apart by these texts."""

Version = Annotated[str | None, Header(alias="Accept-Docling-Document-Version")]


@ROUTER.post(
    "/v1/convert/file",
    responses={**RESULT, **problems(*SENT, 504)},
    openapi_extra=FILE_BODY,
)
async def convert_file(request: Request, version: Version = None) -> Response:
    """Convert the file of a form; the reply comes when it has been read."""
    upload, options = await _from_form(request, version)
    return await _convert(request, upload, options)


@ROUTER.post(
    "/v1/convert/source",
    responses={**RESULT, **problems(*SENT, 404, 504)},
    openapi_extra=SOURCE_BODY,
)
async def convert_source(request: Request, version: Version = None) -> Response:
    """Convert a document in base64, or at a URL; the reply comes when it has been read."""
    upload, options = await _from_json(request, version)
    return await _convert(request, upload, options)


@ROUTER.post(
    "/v1/convert/file/async",
    responses={**STATUS, **problems(*SENT)},
    openapi_extra=FILE_BODY,
)
async def convert_file_later(request: Request, version: Version = None) -> Response:
    """Take the file of a form; ask for its state, then for its result."""
    upload, options = await _from_form(request, version)
    return await _begin(request, upload, options)


@ROUTER.post(
    "/v1/convert/source/async",
    responses={**STATUS, **problems(*SENT, 404)},
    openapi_extra=SOURCE_BODY,
)
async def convert_source_later(request: Request, version: Version = None) -> Response:
    """Take a document in base64, or at a URL; ask for its state, then for its result."""
    upload, options = await _from_json(request, version)
    return await _begin(request, upload, options)


@ROUTER.get("/v1/status/poll/{task}", responses={**STATUS, **problems(404, 422)})
async def poll_status(
    request: Request, task: str, wait: Annotated[float, Query(ge=0, le=86_400)] = 0.0
) -> Response:
    """The state of a task. With ``wait``, when it has ended, or after this many seconds."""
    seconds = min(wait, settings_of(request).longest_wait)
    try:
        job = await wait_for_end(request, job_of(task), seconds)
    except (JobNotFoundError, JobExpiredError):
        return problem(404, NO_TASK)
    return JSONResponse(task_status(job, task))


@ROUTER.get("/v1/result/{task}", responses={**RESULT, **problems(404, 422)})
async def fetch_result(request: Request, task: str, version: Version = None) -> Response:
    """The result of a task that has ended."""
    options = reply_of(task, version)
    try:
        job = await look(queue_of(request).get, owner_of(request), job_of(task))
        if not job.state.ended:
            return problem(404, NO_RESULT)
        if job.state is JobState.CANCELLED:
            return JSONResponse(task_failure(job))
        return JSONResponse(await in_worker(_reply, request, job, options))
    except (JobNotFoundError, JobExpiredError):
        return problem(404, NO_TASK)


@ROUTER.get("/health")
async def health() -> dict[str, str]:
    """Whether the service answers, as docling's client asks."""
    return {"status": "ok"}


@ROUTER.get("/version")
async def version_of_service() -> dict[str, str]:
    """Which service this is, as docling's client asks."""
    return {"deepseek-ocr-rag": __version__}


async def _convert(request: Request, upload: Upload, options: DoclingOptions) -> Response:
    async with conversion(request, upload, JobOptions(pages=options.pages)) as job:
        return JSONResponse(await in_worker(_reply, request, job, options))


async def _begin(request: Request, upload: Upload, options: DoclingOptions) -> Response:
    queue, owner = queue_of(request), owner_of(request)
    try:
        job = await in_worker(queue.submit, owner, upload.id, JobOptions(pages=options.pages))
    finally:
        await in_worker(queue.delete_upload, owner, upload.id)  # the job keeps its own reference
    return JSONResponse(task_status(job, task_id(job.id, options)))


def _reply(request: Request, job: Job, options: DoclingOptions) -> dict[str, Any]:
    if job.state in (JobState.FAILED, JobState.CANCELLED):
        return failed_conversion(job)
    document = document_of_job(queue_of(request), owner_of(request), job)
    return converted(job, document, options)


async def _from_form(request: Request, version: str | None) -> tuple[Upload, DoclingOptions]:
    """The one file of a form, stored, and its options."""
    fields: dict[str, list[str]] = defaultdict(list)
    upload: Upload | None = None
    try:
        async with in_turn(request) as sent:
            async for part in form_parts(sent):
                if part.filename is None and part.name != "files":
                    fields[part.name].append(await part.text())
                    continue
                if upload is not None or part.name != "files":
                    raise ConfigurationError(
                        "the form has more than one file",
                        remedy="Send one file, in the field files.",
                    )
                upload = await store_part(sent, part)
        if upload is None:
            raise ConfigurationError("the form has no file", remedy="Send it in the field files.")
        return upload, await in_worker(_checked, fields, version)
    except BaseException:
        await discard(request, upload)
        raise


async def _from_json(request: Request, version: str | None) -> tuple[Upload, DoclingOptions]:
    """The one source of a JSON body, stored, and its options."""
    async with json_request(request) as given:
        options = given.get("options", {})
        if not isinstance(options, Mapping):
            raise ConfigurationError("options is not a JSON object")
        outer: dict[str, Any] = {
            name: given[name] for name in ("target", "callbacks") if name in given
        }
        checked = await in_worker(_checked, {**options, **outer}, version)
        sources = given.get("sources")
        if not isinstance(sources, list) or len(sources) != 1 or not isinstance(sources[0], dict):
            raise ConfigurationError(
                "sources does not hold one document", remedy="Send one document a request."
            )
        return await _store_source(request, sources[0]), checked


async def _store_source(request: Request, source: Mapping[str, Any]) -> Upload:
    kind = source.get("kind")
    if kind == "file":
        name = source.get("filename")
        if not isinstance(name, str):
            raise ConfigurationError("the source has no filename")
        return await store_base64(request, source.get("base64_string"), name)
    if kind != "http" or not isinstance(source.get("url"), str):
        raise ConfigurationError(
            "the kind of the source is not known", remedy='Send the kind "file" or "http".'
        )
    if source.get("headers"):
        raise ConfigurationError(
            "a URL is downloaded without headers of the client",
            remedy="Leave headers out, or send the file itself.",
        )
    return await store_url(request, source["url"])


def _checked(given: Mapping[str, Any], version: str | None) -> DoclingOptions:
    """The options, after checking, before anything is read, that their reply can be made."""
    options = DoclingOptions.parse(given, version)
    check_reply(options)
    return options
