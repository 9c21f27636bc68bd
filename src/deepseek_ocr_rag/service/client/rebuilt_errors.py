"""Rebuilds the error of ours that a service reports."""

from __future__ import annotations

from typing import Any, Final

from ... import errors
from ...errors import BackendReplyError, DeepSeekOCRError
from ...text.excerpt import excerpt

__all__ = ["rebuilt_error"]

LONGEST: Final = 2000
"""Most characters that are taken from a service's message."""

MOST_PAGES: Final = 10_000_000


def rebuilt_error(
    name: object, problem: object, remedy: object, page: object, *, source: str | None = None
) -> DeepSeekOCRError:
    """The error with this class name.

    Args:
        name: Class in :mod:`deepseek_ocr_rag.errors`. Any other name gives a BackendReplyError.
        problem: What happened.
        remedy: What to do.
        page: 1-based page.
        source: The document, as the user of this process named it.
    """
    kind = getattr(errors, name, None) if name in errors.__all__ else None
    if not (isinstance(kind, type) and issubclass(kind, DeepSeekOCRError)):
        kind = BackendReplyError
    number = page if isinstance(page, int) and not isinstance(page, bool) else 0
    rebuilt: DeepSeekOCRError = kind(
        _text(problem) or "the service reports an error and does not say which",
        source=source,
        page=number if 0 < number < MOST_PAGES else None,
        remedy=_text(remedy) or None,
    )
    return rebuilt


def _text(value: Any) -> str:  # noqa: ANN401 - whatever the service sent
    return excerpt(value, longest=LONGEST) if isinstance(value, str) else ""
