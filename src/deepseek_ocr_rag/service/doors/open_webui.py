"""The route for Open WebUI's "external" document loader: ``PUT /process``.

The request is that of ``ExternalDocumentLoader`` in Open WebUI 0.12: the file is the body, its type is
in ``Content-Type``, its name in ``X-Filename``, the key in ``Authorization``. The reply is a list of
documents in LangChain's form. The loader has no timeout, so the service's timeout applies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header
from starlette.requests import Request

from ...document.types import OcrDocument, Page
from ..api.asker import Owner, Queue, in_worker
from ..api.openapi import binary_body, problems
from ..api.upload_routes import store_content
from ..api.upload_turns import in_turn
from ..jobs import Job, JobOptions, JobState
from .conversions import conversion, document_of_job, error_of_job
from .document_names import name_of_open_webui

__all__ = ["ROUTER"]

ROUTER: Final = APIRouter(tags=["open webui"])


@dataclass(frozen=True, slots=True)
class LoadedPage:
    """A page, as LangChain's documents are.

    Attributes:
        page_content: Its Markdown; "" for a page that is blank or could not be read.
        metadata: ``page`` counts from 0, ``error`` says why a page could not be read.
    """

    page_content: str
    metadata: dict[str, Any]


@ROUTER.put(
    "/process",
    responses=problems(400, 408, 409, 410, 413, 415, 422, 429, 504, 507),
    openapi_extra=binary_body("The bytes of the file."),
)
async def process_document(
    request: Request,
    owner: Owner,
    queue: Queue,
    x_filename: Annotated[str | None, Header()] = None,
    content_type: Annotated[str | None, Header()] = None,
) -> list[LoadedPage]:
    """Read a document for Open WebUI; the reply comes when it has been read."""
    name = name_of_open_webui(x_filename)
    kind = (content_type or "application/octet-stream")[:127]
    new = await in_worker(queue.new_upload, owner, name, kind)
    async with in_turn(request) as sent:
        upload = await store_content(sent, new.id, sent.stream())
    async with conversion(request, upload, JobOptions()) as job:
        if job.state not in (JobState.SUCCEEDED, JobState.PARTIAL):
            raise error_of_job(job)
        document = await in_worker(document_of_job, queue, owner, job)
        return [_loaded(page, document, job) for page in document.pages]


def _loaded(page: Page, document: OcrDocument, job: Job) -> LoadedPage:
    metadata: dict[str, Any] = {
        "source": job.name,
        "page": page.number - 1,
        "page_label": page.label or str(page.number),
        "total_pages": document.total_pages,
        "backend": page.backend,
        "model": page.model,
        "finish_reason": page.finish_reason,
    }
    if page.error:
        metadata["error"] = page.error
    return LoadedPage(page.markdown, metadata)
