"""Exit codes of ``dsocr``, and the notes that say why a command failed.

0 success; 1 any other error of ours; 2 wrong usage; 3 a document that cannot be
read; 4 a backend or a service that does not work; 5 a language or embedding model that does not
answer; 6 some pages failed and the rest was printed; 7 an optional package is not installed; 129,
130, 143 ended by SIGHUP, Ctrl-C, SIGTERM.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..document.types import Page
from ..errors import (
    BackendError,
    ConfigurationError,
    DeepSeekOCRError,
    EmbeddingModelError,
    LanguageModelError,
    MissingExtraError,
    RemoteModelRefusedError,
    RerankerError,
    ServiceError,
    SourceError,
)
from .output import print_note

__all__ = [
    "INCOMPLETE",
    "PAGES_FAILED",
    "SERVICE_FAILED",
    "report_error",
    "report_failed_pages",
    "report_warnings",
]

_EXIT_CODES: Final[tuple[tuple[type[DeepSeekOCRError], int], ...]] = (
    (ConfigurationError, 2),
    (MissingExtraError, 7),
    (SourceError, 3),
    (BackendError, 4),
    (ServiceError, 4),
    (LanguageModelError, 5),
    (EmbeddingModelError, 5),
    (RemoteModelRefusedError, 5),
    (RerankerError, 5),
    (DeepSeekOCRError, 1),
)
PAGES_FAILED: Final = 6
"""Some pages could not be read."""

INCOMPLETE: Final = 1
"""Some pages of ``dsocr batch`` are in no shard."""

MOST_PAGES: Final = 10
"""Pages that a note names."""

SERVICE_FAILED: Final = 4
"""A service that ``dsocr doctor --service`` checked cannot be used."""


def report_error(error: DeepSeekOCRError) -> int:
    """Print an error and return its exit code."""
    print_note(str(error))
    return next(code for kind, code in _EXIT_CODES if isinstance(error, kind))


def report_failed_pages(pages: Iterable[Page], file: str) -> int:
    """Print the error of every page that failed and return the exit code."""
    failed = [page for page in pages if not page.ok]
    for page in failed:
        print_note(page.error or f"{file}, page {page.number}: failed")
    return PAGES_FAILED if failed else 0


def report_warnings(pages: Iterable[Page], file: str) -> None:
    """Print what a user should know about pages that were read, each warning once with its pages."""
    found: dict[str, list[str]] = {}
    for page in pages:
        for warning in dict.fromkeys(page.warnings):
            found.setdefault(warning, []).append(str(page.number))
    for warning, numbers in found.items():
        shown = ", ".join(numbers[:MOST_PAGES])
        more = f" and {len(numbers) - MOST_PAGES} more" if len(numbers) > MOST_PAGES else ""
        print_note(f"{file}, page{'s' if len(numbers) > 1 else ''} {shown}{more}: {warning}")
