"""Writes structured logs: one JSON object per line, and never a document's text."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

__all__ = ["JsonLines", "json_log"]

FIELDS: Final = (
    *("request", "method", "route", "status", "ms", "owner", "bytes"),
    *("job", "state", "pages", "error", "steps"),
)
"""The fields that a record may have besides its message; nothing else is written."""


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON: time, level, logger, message and :data:`FIELDS`.

    Only the class of an exception is written, because its message may contain a document's text.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
        line |= {
            name: value
            for name in FIELDS
            if (value := getattr(record, name, None)) is not None and name not in line
        }
        return json.dumps(line, default=str)


@contextmanager
def json_log(level: int = logging.INFO) -> Iterator[None]:
    """Write the log of this package and of the HTTP server to standard error, as JSON lines."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    loggers = [logging.getLogger(name) for name in ("deepseek_ocr_rag", "uvicorn.error")]
    before = [(each.level, each.handlers[:], each.propagate) for each in loggers]
    for each in loggers:
        each.setLevel(level)
        each.handlers = [handler]
        each.propagate = False
    try:
        yield
    finally:
        for each, (old_level, handlers, propagate) in zip(loggers, before, strict=True):
            each.setLevel(old_level)
            each.handlers = handlers
            each.propagate = propagate
