"""What a finished page depends on: :class:`PageKey`. Pages of the same key are the same page."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from ..model.prompts import Mode, Task
from ..version import __version__

__all__ = ["PageKey", "renderer_version"]

FORMAT: Final = 1
"""Of the stored JSON; another number makes everything kept before a miss."""

_DISTRIBUTIONS: Final = {"pdfium": "pypdfium2", "pymupdf": "pymupdf"}


@dataclass(frozen=True, slots=True)
class PageKey:
    """Everything that a page's text, boxes and remarks depend on.

    Attributes:
        sha256: Hash of the file's bytes, 64 hex digits.
        page: 1-based.
        renderer: See :func:`renderer_version`.
        task: What is asked.
        mode: How large the model sees the page.
        page_objects: As in :class:`~deepseek_ocr_rag.Limits`: it decides how many
            lines of a page's drawing are seen, without an error.
        backend: Who reads.
        model: With which model.
        fingerprint: See :class:`~deepseek_ocr_rag.backends.base.Repeatable`.
        version: Of this package.
    """

    sha256: str
    page: int
    renderer: str
    task: Task
    mode: Mode
    page_objects: int
    backend: str = ""
    model: str = ""
    fingerprint: str = ""
    version: str = __version__

    def digest(self) -> str:
        """The SHA-256 of all of it, 64 hex digits."""
        data = json.dumps([FORMAT, asdict(self)], sort_keys=True)
        return hashlib.sha256(data.encode("ascii")).hexdigest()


@cache
def renderer_version(renderer: str) -> str:
    """A renderer with its version, and Pillow's, which opens pictures and scales.

    The renderer is asked for by its distribution, which is pinned to the library
    that it wraps, so that this process need not load it.
    """
    return ", ".join(
        _installed(name) for name in (_DISTRIBUTIONS.get(renderer, renderer), "pillow")
    )


def _installed(distribution: str) -> str:
    try:
        return f"{distribution} {version(distribution)}"
    except PackageNotFoundError:
        return distribution
