"""Converts errors and settings to plain values for frames to and from the reading process."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ...errors import (
    BackendTimeoutError,
    BackendUnavailableError,
    BusyError,
    DeepSeekOCRError,
    EngineLostError,
)
from ...interface_words import service_words
from ..jobs import JobError
from ..service_limits import ReaderSettings

__all__ = ["error_of", "error_values", "is_passing", "settings_values"]

_PASSING = (BackendUnavailableError, BackendTimeoutError, EngineLostError, BusyError)
"""Errors that are not the document's fault: another attempt may succeed."""


def error_values(error: DeepSeekOCRError) -> dict[str, Any]:
    """An error as the service stores it."""
    return {
        "type": type(error).__name__,
        "message": error.problem,
        "remedy": service_words(error.remedy or ""),
        "page": error.page,
    }


def error_of(values: dict[str, Any]) -> JobError:
    """The inverse of :func:`error_values`."""
    return JobError(values["type"], values["message"], values["remedy"], values["page"])


def is_passing(error: DeepSeekOCRError) -> bool:
    """Whether another attempt may succeed."""
    return isinstance(error, _PASSING)


def settings_values(settings: ReaderSettings, log_level: int) -> dict[str, Any]:
    """The contents of the first frame that the reading process gets."""
    return {**asdict(settings), "log_level": log_level}
