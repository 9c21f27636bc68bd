"""Makes replies in the form of docling-serve 1.38: the converted document, the state of a task."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from ...document.sanitize import markdown_to_html
from ...document.types import OcrDocument, Page
from ...errors import ConfigurationError
from ...export.docling import to_docling
from ..jobs import Job, JobState
from .docling_options import DoclingOptions

if TYPE_CHECKING:
    from docling_core.types.doc import DoclingDocument

__all__ = ["check_reply", "converted", "failed_conversion", "task_failure", "task_status"]

TASK_STATES: Final[Mapping[JobState, str]] = {
    JobState.QUEUED: "pending",
    JobState.RUNNING: "started",
    JobState.SUCCEEDED: "success",
    JobState.PARTIAL: "success",
    # In docling, a document that cannot be read is a successful task whose reply reports a failure.
    JobState.FAILED: "success",
    JobState.CANCELLED: "failure",
}

_VERSION: Final = re.compile(r"1\.([0-9]{1,4})\.[0-9]{1,4}")


def check_reply(options: DoclingOptions) -> None:
    """Check, before anything is read, that a reply can be made.

    Raises:
        MissingExtraError: If a format needs docling-core, which is not installed.
        ConfigurationError: If no document of the client's version can be made.
    """
    if options.needs_docling:
        nothing = to_docling(OcrDocument("nothing"))
        if "json" in options.to_formats:
            _projected(nothing, options.version)


def converted(job: Job, document: OcrDocument, options: DoclingOptions) -> dict[str, Any]:
    """The reply for a document that was read, with the pages that could not be read as errors.

    Raises:
        MissingExtraError, ConfigurationError: As :func:`check_reply`.
    """
    made: dict[str, Any] = {"filename": job.name}
    formats = options.to_formats
    if "md" in formats:
        made["md_content"] = document.to_markdown()
    if options.needs_docling:
        docling = to_docling(document)
        if "md" in formats and options.page_break:
            made["md_content"] = _marked(document, docling, options.page_break)
        if "json" in formats:
            made["json_content"] = _projected(docling, options.version)
        if "text" in formats:
            made["text_content"] = docling.export_to_text()
        if "doctags" in formats:
            made["doctags_content"] = docling.export_to_doctags()
    if "html" in formats:
        body = "\n".join(markdown_to_html(page.markdown) for page in document.pages)
        made["html_content"] = f'<!doctype html><meta charset="utf-8">{body}'
    errors = [
        _error(page.error or "the page could not be read", page=page.number)
        for page in document.failed_pages
    ]
    return {
        "document": made,
        "status": "partial_success" if errors else "success",
        "errors": errors,
        "processing_time": _seconds(job),
        "timings": {},
    }


def failed_conversion(job: Job) -> dict[str, Any]:
    """The reply, with status 200, for a document that could not be read."""
    return {
        "document": {"filename": job.name},
        "status": "failure",
        "errors": [_error(failure_text(job), page=job.error.page if job.error else None)],
        "processing_time": _seconds(job),
        "timings": {},
    }


def task_status(job: Job, task: str) -> dict[str, Any]:
    """The state of a task; ``task`` is its id."""
    state = TASK_STATES[job.state]
    reply: dict[str, Any] = {
        "task_id": task,
        "task_type": "convert",
        "task_status": state,
        "task_position": job.queue_position,
        "task_meta": {
            "num_docs": 1,
            "num_processed": int(job.state.ended),
            "num_succeeded": int(job.state is JobState.SUCCEEDED),
            "num_partially_succeeded": int(job.state is JobState.PARTIAL),
            "num_failed": int(job.state in (JobState.FAILED, JobState.CANCELLED)),
        },
    }
    if state == "failure":
        reply |= {"error_message": failure_text(job), "failure": task_failure(job)["failure"]}
    return reply


def task_failure(job: Job) -> dict[str, Any]:
    """The result of a task that was cancelled."""
    failure = {
        "category": "unknown",
        "message": failure_text(job),
        "retryable": True,
        "phase": "execution",
        "details": {},
    }
    return {"kind": "TaskFailureResult", "failure": failure}


def failure_text(job: Job) -> str:
    """Why a job has no result, and what to do."""
    if job.error is None:
        return "the job was cancelled"
    return f"{job.error.message}. {job.error.remedy}" if job.error.remedy else job.error.message


def _marked(document: OcrDocument, docling: DoclingDocument, page_break: str) -> str:
    """The text of the pages, with a mark between every two.

    docling marks only pages that have content, and readers take the page numbers from the document
    that comes with it (``prov[].page_no``). If a page with text has no boxes there, every page gets
    a mark, so that readers can count.
    """
    numbered = _pages_of_items(docling)
    pages: Sequence[Page] = [page for page in document.pages if page.number in numbered]
    if any(page.markdown and page.number not in numbered for page in document.pages):
        pages = document.pages
    # A page whose text contains the mark would shift the numbers of the pages after it.
    spare = "\n" if page_break.isspace() else ""
    texts = [page.markdown.replace(page_break, spare) for page in pages]
    return f"\n\n{page_break}\n\n".join(texts)


def _pages_of_items(docling: DoclingDocument) -> set[int]:
    """Pages on which items of the body begin."""
    return {
        item.prov[0].page_no
        for item in (*docling.texts, *docling.tables, *docling.pictures)
        if item.prov and item.content_layer.value == "body"
    }


def _projected(docling: DoclingDocument, version: str | None) -> dict[str, Any]:
    """The document as JSON, in the version that the client reads."""
    if version is not None:
        asked, own = _VERSION.fullmatch(version), _VERSION.fullmatch(docling.version)
        if asked is None or own is None:
            raise ConfigurationError(
                f"unparseable Accept-Docling-Document-Version {version[:40]!r}"
            )
        if int(asked[1]) < int(own[1]):
            return _older(docling, version)
    return docling.model_dump(mode="json", by_alias=True, exclude_none=True)


def _older(docling: DoclingDocument, version: str) -> dict[str, Any]:
    try:
        from docling_core.compat import project_to

        older = project_to(docling, version)
    except (ImportError, ValueError, RuntimeError) as error:
        raise ConfigurationError(
            f"no DoclingDocument of version {version[:40]!r} can be made",
            remedy="Update docling-core where the client runs.",
        ) from error
    # Leave out fields that only the current version has, as docling-serve does.
    return older.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True)


def _error(message: str, *, page: int | None) -> dict[str, Any]:
    return {
        "component_type": "pipeline",
        "module_name": "deepseek_ocr_rag",
        "error_message": message,
        "category": "unknown",
        "page_no": page,
    }


def _seconds(job: Job) -> float:
    begun = job.started or job.created
    return 0.0 if job.ended is None else max(0.0, job.ended - begun)
