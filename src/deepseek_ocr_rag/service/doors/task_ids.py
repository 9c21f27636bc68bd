"""Makes the ids of docling's tasks from the job's id and what the reply is to contain.

A job knows how a document is read, but not what a client wants in its reply. The task's id has that,
because clients send it back unchanged, and a restart loses nothing.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Final

from .docling_options import FORMATS, DoclingOptions

__all__ = ["job_of", "reply_of", "task_id"]

_SEPARATOR: Final = "~"
"""A separator that occurs in no job's id and needs no quoting in a URL."""

_LONGEST: Final = 2000


def task_id(job_id: str, options: DoclingOptions) -> str:
    """The id of a task."""
    written = json.dumps([list(options.to_formats), options.page_break]).encode()
    return job_id + _SEPARATOR + base64.urlsafe_b64encode(written).decode().rstrip("=")


def job_of(given: str) -> str:
    """The id of the job in the id of a task."""
    return given.partition(_SEPARATOR)[0]


def reply_of(given: str, version: str | None) -> DoclingOptions:
    """What the reply of a task is to contain; Markdown and JSON if the id does not say.

    Raises:
        ConfigurationError: If the id says something that cannot be asked for.
    """
    written = given.partition(_SEPARATOR)[2][:_LONGEST]
    try:
        formats, page_break = json.loads(
            base64.urlsafe_b64decode(written + "=" * (-len(written) % 4))
        )
        asked = {"to_formats": list(formats), "md_page_break_placeholder": str(page_break)}
    except (binascii.Error, ValueError, TypeError, RecursionError):
        asked = {"to_formats": list(FORMATS[:2])}
    return DoclingOptions.parse(asked, version)
