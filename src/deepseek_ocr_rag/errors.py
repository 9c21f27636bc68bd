"""The exceptions that this package raises on purpose.

::

    DeepSeekOCRError
    ├── ConfigurationError (ValueError)      an invalid argument
    │   └── UnknownSettingError (TypeError)  a setting that does not exist
    ├── MissingExtraError (ImportError)      a dependency is missing or broken
    ├── SourceError                          a document that cannot be read
    │   ├── SourceNotFoundError              missing file, or a folder instead of a file
    │   ├── SourceNotAllowedError            a URL or a path outside what the user allowed
    │   ├── UnsupportedSourceError           neither a PDF nor a picture format that we read
    │   ├── CorruptSourceError               empty, truncated, damaged, without pages
    │   ├── PasswordError                    password missing or wrong
    │   ├── PageRangeError (ValueError)      a page that the document does not have
    │   ├── LimitExceededError               larger or slower than the limits allow
    │   └── PageRenderError                  one page that could not be rendered
    ├── ReadCancelledError                   the read was cancelled
    ├── BusyError                            too many documents or threads at once, try again
    ├── BackendError                         no text for a page image
    │   ├── BackendUnavailableError          not installed, not running, model missing
    │   ├── BackendTimeoutError              no reply in time
    │   ├── BackendReplyError                a reply that breaks the protocol
    │   ├── EngineUnsupportedError           (also a ConfigurationError) cannot run this network or device
    │   ├── EngineLostError                  the engine process ended while writing
    │   ├── PageTooLargeError                a page that does not fit into memory or context, even alone
    │   └── PageUnreadableError              the built-in OCR failed on one picture
    ├── OutputError                          a result that cannot be written
    ├── LanguageModelError                   no answer to a question
    │   ├── LanguageModelUnavailableError    Ollama not running, model missing
    │   ├── LanguageModelTimeoutError        no answer in time
    │   └── LanguageModelReplyError          an answer that breaks the protocol or is cut off
    ├── EmbeddingModelError                  no vectors for texts
    │   ├── EmbeddingModelUnavailableError   Ollama not running, model missing
    │   ├── EmbeddingModelTimeoutError       no vectors in time
    │   └── EmbeddingModelReplyError         vectors that cannot be used
    ├── RerankerError                        no order for texts
    ├── RemoteModelRefusedError              either model would run on another machine
    └── ServiceError                         the service refuses, or cannot do what was asked
        ├── JobNotFoundError                 there is no such job, upload or page
        ├── JobExpiredError                  the job was deleted, or its time is over
        ├── JobEndedError                    the job has ended already
        ├── IdempotencyError                 the same idempotency key with another request
        ├── QueueFullError                   too many jobs wait
        ├── QuotaError                       this key has too many jobs or bytes
        ├── UploadTooLargeError              more bytes than one upload may have
        ├── UploadError                      an upload has no content yet, or has it already
        ├── ServiceClosingError              the service is being stopped
        ├── EngineFailedError                the reading process does not start
        ├── StoreInUseError                  another process owns the data folder
        └── StoreError                       the data folder cannot be used
            └── StoreFullError               there is no space left in it

    InternalError                            raised and caught inside; callers never see one
    ├── BrokenFrameError                     the other end of a pipe ended or sent garbage
    ├── TurnCancelledError                   cancelled while waiting for a slot
    ├── WorkerLostError                      a reading process ended or cannot be trusted
    ├── PathEscapesError                     a path leads out of the allowed folder
    ├── NotARegularFileError                 a path is not a regular file
    ├── ForeignDatabaseError                 an SQLite file that is not ours
    ├── OutOfDeviceMemoryError               a batch did not fit, a smaller one may
    ├── UnexpectedThoughtsError              a model thinks and has no room for it
    ├── UnusableLineError                    a line of training data is not a sample
    └── RetryableError                       a request failed, another attempt may succeed

A message says what happened, to which file and page, and what to do.
Errors of other libraries are wrapped where they enter, with ``from``.
"""

from __future__ import annotations

from functools import partial
from typing import Any

__all__ = [
    "BackendError", "BackendReplyError", "BackendTimeoutError", "BackendUnavailableError",
    "BusyError", "ConfigurationError", "CorruptSourceError", "DeepSeekOCRError",
    "EmbeddingModelError", "EmbeddingModelReplyError", "EmbeddingModelTimeoutError",
    "EmbeddingModelUnavailableError", "EngineFailedError", "EngineLostError",
    "EngineUnsupportedError", "IdempotencyError", "JobEndedError", "JobExpiredError",
    "JobNotFoundError", "LanguageModelError", "LanguageModelReplyError",
    "LanguageModelTimeoutError", "LanguageModelUnavailableError", "LimitExceededError",
    "MissingExtraError", "OutputError", "PageRangeError", "PageRenderError",
    "PageTooLargeError", "PageUnreadableError", "PasswordError", "QueueFullError", "QuotaError",
    "ReadCancelledError", "RemoteModelRefusedError", "RerankerError", "ServiceClosingError",
    "ServiceError", "SourceError", "SourceNotAllowedError", "SourceNotFoundError", "StoreError",
    "StoreFullError", "StoreInUseError", "UnknownSettingError", "UnsupportedSourceError",
    "UploadError", "UploadTooLargeError",
]  # fmt: skip


class DeepSeekOCRError(Exception):
    """Base of all errors that callers can see: ``except DeepSeekOCRError`` catches them all.

    Args:
        problem: What happened, a clause without a full stop.
        source: The document it happened to, as the user named it.
        page: The 1-based number of the page it happened on.
        remedy: What to do about it, a whole sentence.
    """

    def __init__(
        self,
        problem: str,
        *,
        source: str | None = None,
        page: int | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.source = source
        self.page = page
        self.remedy = remedy

    def __str__(self) -> str:
        location = self.source or ""
        if self.page is not None:
            location = f"{location}, page {self.page}" if location else f"page {self.page}"
        text = f"{location}: {self.problem}" if location else self.problem
        return f"{text}. {self.remedy}" if self.remedy else text

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only arguments do not survive Exception's own pickling, and
        # errors cross process borders (SimpleDirectoryReader's workers).
        location: dict[str, Any] = {"source": self.source, "page": self.page, "remedy": self.remedy}
        return partial(type(self), self.problem, **location), ()


class ConfigurationError(DeepSeekOCRError, ValueError):
    """An invalid argument: an unknown resolution, a negative limit."""


class UnknownSettingError(ConfigurationError, TypeError):
    """A setting that does not exist, often a misspelling; the remedy names the closest one."""


class MissingExtraError(DeepSeekOCRError, ImportError):
    """A dependency is not installed, or broken; the remedy is the exact pip command."""


class SourceError(DeepSeekOCRError):
    """A document that cannot be read."""


class SourceNotFoundError(SourceError):
    """There is no such file, or it is a folder."""


class SourceNotAllowedError(SourceError):
    """A URL although URLs are not allowed, or a path outside what the user allowed."""


class UnsupportedSourceError(SourceError):
    """Neither a PDF nor a picture in a format that we read."""


class CorruptSourceError(SourceError):
    """Empty, truncated or damaged beyond repair, or without any page."""


class PasswordError(SourceError):
    """The document is encrypted and the password is missing or wrong."""


class PageRangeError(SourceError, ValueError):
    """A page selection that is malformed or names a page that is not there."""


class LimitExceededError(SourceError):
    """The document is larger, or takes longer, than the limits allow."""


class PageRenderError(SourceError):
    """One page could not be rendered; the others may be fine."""


class ReadCancelledError(DeepSeekOCRError):
    """The pages are no longer wanted: the read was cancelled, or its stream closed elsewhere."""


class BusyError(DeepSeekOCRError):
    """There are too many documents, or too many threads in this process; try again later."""


class BackendError(DeepSeekOCRError):
    """A backend gave no text for a page image."""


class BackendUnavailableError(BackendError):
    """The backend is not installed or not running, or its model is missing."""


class BackendTimeoutError(BackendError):
    """The backend did not reply in time."""


class BackendReplyError(BackendError):
    """The backend's reply breaks its protocol, or was cut off."""


class EngineUnsupportedError(BackendError, ConfigurationError):
    """The engine cannot run this network, or cannot run on this device."""


class EngineLostError(BackendError):
    """The engine process ended while it was writing a page; a new process may read the page."""


class PageTooLargeError(BackendError):
    """The page does not fit, even alone: into the device's memory, or the model's context."""


class PageUnreadableError(BackendError):
    """The built-in OCR failed on one picture; others may be fine."""


class OutputError(DeepSeekOCRError):
    """A result cannot be written: no permission, no space."""


class LanguageModelError(DeepSeekOCRError):
    """The language model gave no answer."""


class LanguageModelUnavailableError(LanguageModelError):
    """Ollama is not running, or the model is not there."""


class LanguageModelTimeoutError(LanguageModelError):
    """The language model did not answer in time."""


class LanguageModelReplyError(LanguageModelError):
    """The answer breaks the protocol, or was cut off."""


class EmbeddingModelError(DeepSeekOCRError):
    """The embedding model gave no vectors."""


class EmbeddingModelUnavailableError(EmbeddingModelError):
    """Ollama is not running, or the model is not there or cannot embed."""


class EmbeddingModelTimeoutError(EmbeddingModelError):
    """The embedding model did not reply in time."""


class EmbeddingModelReplyError(EmbeddingModelError):
    """The reply breaks the protocol, or its vectors cannot be used."""


class RerankerError(DeepSeekOCRError):
    """The reranker failed, or its scores cannot be used."""


class RemoteModelRefusedError(DeepSeekOCRError):
    """A language or embedding model would run on another machine, which was not allowed."""


class ServiceError(DeepSeekOCRError):
    """The service refuses a request, or cannot do what was asked.

    Attributes:
        retry_after: Seconds after which another attempt may succeed; None if that is unknown.
    """

    retry_after: float | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return (*super().__reduce__(), {"retry_after": self.retry_after})


class JobNotFoundError(ServiceError):
    """There is no such job, upload or page, or it belongs to another key."""


class JobExpiredError(ServiceError):
    """The job was there once; it was deleted, or the time for which results are kept is over."""


class JobEndedError(ServiceError):
    """The job has ended, so that it cannot be cancelled any more."""


class IdempotencyError(ServiceError):
    """An idempotency key was used again, but with a different request."""


class QueueFullError(ServiceError):
    """Too many jobs wait; try again after ``retry_after`` seconds."""


class QuotaError(ServiceError):
    """The key has as many waiting jobs, or stores as many bytes, as it may."""


class UploadTooLargeError(ServiceError):
    """An upload has more bytes than the service accepts."""


class UploadError(ServiceError):
    """An upload has no content yet, or has its content already, or ended early."""


class ServiceClosingError(ServiceError):
    """The service is being stopped and takes no new work."""


class EngineFailedError(ServiceError):
    """The process that reads the pages does not start, or ends again and again."""


class StoreInUseError(ServiceError):
    """Another process owns the service's data folder."""


class StoreError(ServiceError):
    """The service's data folder cannot be used."""


class StoreFullError(StoreError):
    """There is no space left for the service's data."""


class InternalError(Exception):
    """Base of the errors that one part of this package raises for another; callers never see them."""


class BrokenFrameError(InternalError):
    """The process at the other end of a pipe ended, or sent something that is not a frame."""


class TurnCancelledError(InternalError):
    """The caller was cancelled while waiting for a slot."""


class WorkerLostError(InternalError):
    """A reading process ended, or broke the protocol and cannot be trusted any more.

    ``late`` says that it was ended because it took too long, ``memory`` that it used too much.
    """

    def __init__(self, how: str, *, late: bool = False, memory: bool = False) -> None:
        super().__init__(how)
        self.late = late
        self.memory = memory


class PathEscapesError(InternalError):
    """A path leads out of the allowed folder."""


class NotARegularFileError(InternalError):
    """The path exists but is not a regular file."""


class ForeignDatabaseError(InternalError):
    """An SQLite file that this package did not write, or that is damaged."""


class OutOfDeviceMemoryError(InternalError):
    """A batch did not fit into the device's memory; the runtime is still usable."""


class UnexpectedThoughtsError(InternalError):
    """A model thinks although it was told not to, and has no room for it; ask once more."""


class UnusableLineError(InternalError):
    """A line of training data is not a sample; the message says why."""


class RetryableError(InternalError):
    """A request failed; after ``after`` seconds another may succeed. If not, report ``error``."""

    def __init__(self, error: DeepSeekOCRError, after: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.after = after
