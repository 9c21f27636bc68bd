"""Everything this package raises on purpose.

::

    DeepSeekOCRError
    ├── ConfigurationError (ValueError)      an argument that cannot be meant
    ├── MissingExtraError (ImportError)      an optional dependency is not installed
    ├── SourceError                          a document that cannot be read
    │   ├── SourceNotFoundError              missing file, folder instead of a file
    │   ├── SourceNotAllowedError            a URL or a path outside what the user allowed
    │   ├── UnsupportedSourceError           neither a PDF nor a picture that we read
    │   ├── CorruptSourceError               empty, truncated, damaged, without pages
    │   ├── PasswordError                    password missing or wrong
    │   ├── PageRangeError (ValueError)      a page that the document does not have
    │   ├── LimitExceededError               larger or slower than the limits allow
    │   └── PageRenderError                  one page that could not be rendered
    ├── ReadCancelledError                   nobody wants the pages any more
    ├── BackendError                         no text for a page image
    │   ├── BusyError                        too many calls at once, try again
    │   ├── BackendUnavailableError          not installed, not running, model missing
    │   ├── BackendTimeoutError              no reply in time
    │   └── BackendReplyError                a reply that breaks the protocol
    ├── OutputError                          a result that cannot be written
    └── LanguageModelError                   no answer to a question
        ├── LanguageModelUnavailableError    Ollama not running, model missing
        ├── LanguageModelTimeoutError        no answer in time
        ├── LanguageModelReplyError          an answer that breaks the protocol or is cut
        └── RemoteModelRefusedError          the model would run on somebody else's machine

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
    "LanguageModelError",
    "LanguageModelReplyError",
    "LanguageModelTimeoutError",
    "LanguageModelUnavailableError",
    "LimitExceededError",
    "MissingExtraError",
    "OutputError",
    "PageRangeError",
    "PageRenderError",
    "PasswordError",
    "ReadCancelledError",
    "RemoteModelRefusedError",
    "SourceError",
    "SourceNotAllowedError",
    "SourceNotFoundError",
    "UnsupportedSourceError",
]


class DeepSeekOCRError(Exception):
    """Root of the tree: ``except DeepSeekOCRError`` catches all of ours.

    Args:
        problem: What happened, a clause without a full stop.
        source: The document it happened to, as the user named it.
        page: Its 1-based page.
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
    """An argument that cannot be meant: an unknown mode, a negative limit."""


class MissingExtraError(DeepSeekOCRError, ImportError):
    """An optional dependency is not installed; the remedy is the exact pip line."""


class SourceError(DeepSeekOCRError):
    """A document that cannot be read."""


class SourceNotFoundError(SourceError):
    """There is no such file, or it is a folder."""


class SourceNotAllowedError(SourceError):
    """A URL where URLs are off, or a path outside of what the user allowed."""


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
    """Nobody wants the pages any more: the read was cancelled, or its stream closed elsewhere."""


class BackendError(DeepSeekOCRError):
    """A backend gave no text for a page image."""


class BusyError(BackendError):
    """As many documents are being read as one reader takes on; a later call may do."""


class BackendUnavailableError(BackendError):
    """The backend is not installed or not running, or its model is missing."""


class BackendTimeoutError(BackendError):
    """The backend did not reply in time."""


class BackendReplyError(BackendError):
    """The backend's reply breaks its protocol, or was cut off."""


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


class RemoteModelRefusedError(LanguageModelError):
    """The model would run on somebody else's machine, which was not allowed."""
