"""Errors as problem objects (RFC 9457), with the error's class, its page and its remedy."""

from __future__ import annotations

import logging
import math
import traceback
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import Request

from ... import errors
from ...errors import DeepSeekOCRError
from ...interface_words import service_words

__all__ = [
    "PROBLEM_TYPE",
    "add_problem_handlers",
    "failure",
    "problem",
    "problem_members",
    "problem_of",
]

PROBLEM_TYPE: Final = "application/problem+json"

RETRY_SECONDS: Final = 5
"""Seconds until the next try if the error does not say."""

STATUS_OF_ERRORS: Final[tuple[tuple[str, int], ...]] = (
    ("JobNotFoundError", 404),
    ("JobExpiredError", 410),
    ("JobEndedError", 409),
    ("IdempotencyError", 409),
    ("QueueFullError", 429),
    ("QuotaError", 429),
    ("UploadTooLargeError", 413),
    ("UploadError", 409),
    ("StoreFullError", 507),
    ("ServiceClosingError", 503),
    ("EngineFailedError", 503),
    ("StoreError", 503),
    ("ServiceError", 500),
    ("UnsupportedSourceError", 415),
    ("SourceNotAllowedError", 403),
    ("LimitExceededError", 413),
    ("SourceError", 422),
    ("ConfigurationError", 422),
    ("MissingExtraError", 503),
    ("BusyError", 503),
    ("ReadCancelledError", 409),
    ("OutputError", 507),
    ("LanguageModelTimeoutError", 504),
    ("LanguageModelReplyError", 502),
    ("EmbeddingModelTimeoutError", 504),
    ("EmbeddingModelReplyError", 502),
    ("DeepSeekOCRError", 503),
)
"""An error gets the status of the first class in this list that it is an instance of."""

_LOG: Final = logging.getLogger(__name__)


def problem(
    status: int,
    detail: str,
    *,
    error: str | None = None,
    remedy: str | None = None,
    headers: Mapping[str, str] | None = None,
    **more: Any,  # noqa: ANN401 - members of the problem object
) -> JSONResponse:
    """A reply with a problem object.

    Args:
        status: HTTP status.
        detail: What happened, for people.
        error: Class of the error in :mod:`deepseek_ocr_rag.errors`.
        remedy: What to do about it.
        headers: Further headers.
        **more: Further members: ``source``, ``page``, ``errors``. Members that are None are left
            out.
    """
    members = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "error": error,
        "remedy": remedy,
        **more,
    }
    return JSONResponse(
        {name: value for name, value in members.items() if value is not None},
        status,
        headers,
        PROBLEM_TYPE,
    )


def status_of(error: DeepSeekOCRError) -> int:
    """The HTTP status that fits an error of ours."""
    names = [each.__name__ for each in type(error).__mro__]
    return next(status for name, status in STATUS_OF_ERRORS if name in names)


def problem_members(error: DeepSeekOCRError) -> dict[str, Any]:
    """The members of the problem object of an error of ours."""
    status = status_of(error)
    members = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": error.problem,
        "error": type(error).__name__,
        "remedy": error.remedy and service_words(error.remedy),
        "source": error.source,
        "page": error.page,
    }
    return {name: value for name, value in members.items() if value is not None}


def problem_of(error: DeepSeekOCRError) -> JSONResponse:
    """The reply for an error of ours."""
    members = problem_members(error)
    status = members["status"]
    headers = {}
    if status in (429, 503):
        after = getattr(error, "retry_after", None)
        headers["Retry-After"] = str(max(1, math.ceil(after or RETRY_SECONDS)))
    return JSONResponse(members, status, headers, PROBLEM_TYPE)


def add_problem_handlers(app: FastAPI) -> None:
    """Makes every error of an app a problem object."""

    async def ours(request: Request, error: Exception) -> JSONResponse:
        return problem_of(error) if isinstance(error, DeepSeekOCRError) else failure(error)

    async def http(request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, HTTPException):
            return failure(error)
        detail = str(error.detail)
        if error.status_code == HTTPStatus.NOT_FOUND:
            detail = "there is no such address"
        return problem(error.status_code, detail, headers=error.headers)

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        found = error.errors() if isinstance(error, RequestValidationError) else ()
        # Without "input", which may be a document.
        listed = [
            {"where": ".".join(map(str, each["loc"])), "problem": str(each["msg"])}
            for each in found
        ]
        return problem(
            422,
            "the request is not valid",
            error=errors.ConfigurationError.__name__,
            remedy="Correct what is listed under errors.",
            errors=listed,
        )

    app.add_exception_handler(DeepSeekOCRError, ours)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)


def failure(error: Exception) -> JSONResponse:
    """The reply for a bug. The error's message is not shown, because it may contain a document's text."""
    steps = traceback.extract_tb(error.__traceback__)
    _LOG.error(
        "internal error",
        extra={
            "error": type(error).__name__,
            "steps": [f"{step.filename}:{step.lineno} {step.name}" for step in steps[-12:]],
        },
    )
    return problem(
        500,
        "the service failed because of a bug",
        remedy="Report it with the lines of the service's log at this time.",
    )
