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
    │   ├── PageTooLargeError                a page that does not fit into GPU memory even alone
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
    └── RemoteModelRefusedError              either model would run on another machine

    InternalError                            raised and caught inside; callers never see one
    ├── BrokenFrameError                     the other end of a pipe ended or sent garbage
    ├── TurnCancelledError                   cancelled while waiting for a slot
    ├── WorkerLostError                      a reading process ended or cannot be trusted
    ├── PathEscapesError                     a path leads out of the allowed folder
    ├── NotARegularFileError                 a path is not a regular file
    ├── ForeignDatabaseError                 an SQLite file that is not ours
    ├── OutOfDeviceMemoryError               a batch did not fit, a smaller one may
    └── RetryableError                       a request failed, another attempt may succeed

A message says what happened, to which file and page, and what to do.
Errors of other libraries are wrapped where they enter, with ``from``.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "BackendError",
    "BackendReplyError",
    "BackendTimeoutError",
    "BackendUnavailableError",
    "BusyError",
    "ConfigurationError",
    "CorruptSourceError",
    "DeepSeekOCRError",
    "EmbeddingModelError",
    "EmbeddingModelReplyError",
    "EmbeddingModelTimeoutError",
    "EmbeddingModelUnavailableError",
    "EngineLostError",
    "EngineUnsupportedError",
    "LanguageModelError",
    "LanguageModelReplyError",
    "LanguageModelTimeoutError",
    "LanguageModelUnavailableError",
    "LimitExceededError",
    "MissingExtraError",
    "OutputError",
    "PageRangeError",
    "PageRenderError",
    "PageTooLargeError",
    "PageUnreadableError",
    "PasswordError",
    "ReadCancelledError",
    "RemoteModelRefusedError",
    "RerankerError",
    "SourceError",
    "SourceNotAllowedError",
    "SourceNotFoundError",
    "UnknownSettingError",
    "UnsupportedSourceError",
]


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
        place = self.source or ""
        if self.page is not None:
            place = f"{place}, page {self.page}" if place else f"page {self.page}"
        text = f"{place}: {self.problem}" if place else self.problem
        return f"{text}. {self.remedy}" if self.remedy else text

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only arguments do not survive Exception's own pickling, and
        # errors cross process borders (SimpleDirectoryReader's workers).
        return (_rebuild, (type(self), self.problem, self.source, self.page, self.remedy))


def _rebuild(
    kind: type[DeepSeekOCRError],
    problem: str,
    source: str | None,
    page: int | None,
    remedy: str | None,
) -> DeepSeekOCRError:
    return kind(problem, source=source, page=page, remedy=remedy)


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
    """The page does not fit into the device's memory, even alone."""


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


class InternalError(Exception):
    """Base of the errors that one part of this package raises for another; callers never see them."""


class BrokenFrameError(InternalError):
    """The process at the other end of a pipe ended, or sent something that is not a frame."""


class TurnCancelledError(InternalError):
    """The caller was cancelled while waiting for a slot."""


class WorkerLostError(InternalError):
    """A reading process ended, or broke the protocol and cannot be trusted any more.

    Attributes:
        late: Whether it was ended because it took too long.
        memory: Whether it ended because it used too much memory.
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


class RetryableError(InternalError):
    """A request failed, and another attempt may succeed.

    Attributes:
        error: What to report if no attempt succeeds.
        after: Seconds that the server asks us to wait, or None.
    """

    def __init__(self, error: BackendError, after: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.after = after
