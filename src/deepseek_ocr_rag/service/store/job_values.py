"""Converts jobs to rows, and rows to jobs."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from ..jobs import CallbackTarget, Job, JobError, JobOptions, JobState

__all__ = ["error_json", "job_of", "options_json", "options_of", "secrets_json", "target_json"]


def options_json(options: JobOptions) -> str:
    """The options without their secrets."""
    callback = options.callback
    return json.dumps(
        {
            "task": options.task,
            "resolution": options.resolution,
            "pages": options.pages,
            "name": options.name,
            "callback": None if callback is None else callback.url,
        },
        sort_keys=True,
    )


def secrets_json(options: JobOptions) -> str | None:
    """The secrets in options, which are removed when the job has ended."""
    return None if options.password is None else json.dumps({"password": options.password})


def options_of(text: str, secrets: str | None = None) -> JobOptions:
    """The inverse of :func:`options_json` and :func:`secrets_json`."""
    options = _public_options(text)
    return replace(options, **json.loads(secrets)) if secrets else options


@lru_cache(maxsize=1024)
def _public_options(text: str) -> JobOptions:
    # Cached: jobs are read far more often than submitted, and most have the same options.
    values: dict[str, Any] = json.loads(text)
    url = values.pop("callback")
    return JobOptions(**values, callback=None if url is None else CallbackTarget(url))


def target_json(target: CallbackTarget) -> str:
    """A callback's address and secret."""
    return json.dumps({"url": target.url, "secret": target.secret})


def error_json(error: JobError | None) -> str | None:
    """A job's error."""
    if error is None:
        return None
    values = {"type": error.type, "message": error.message, "remedy": error.remedy}
    return json.dumps({**values, "page": error.page})


def job_of(
    row: sqlite3.Row,
    *,
    positions: Mapping[str, int] | None = None,
    eta: Mapping[str, float] | None = None,
) -> Job:
    """The job of a row; positions and times to wait come from the queue, by id."""
    state = JobState(row["state"])
    return Job(
        id=row["id"],
        owner=row["owner"],
        state=state,
        name=row["name"],
        sha256=row["sha256"],
        media_type=row["media_type"],
        options=options_of(row["options"]),
        pages_done=row["pages_done"],
        pages_failed=row["pages_failed"],
        pages_total=row["pages_total"],
        document_pages=row["document_pages"],
        queue_position=(positions or {}).get(row["id"]) if state is JobState.QUEUED else None,
        eta_s=(eta or {}).get(row["id"]),
        created=row["created"],
        started=row["started"],
        ended=row["ended"],
        expires=row["expires"],
        error=JobError(**json.loads(row["error"])) if row["error"] else None,
        version=row["version"],
    )
