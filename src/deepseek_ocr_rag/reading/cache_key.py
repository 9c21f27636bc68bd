"""The cache key of a page: :class:`PageKey`, everything that its content depends on."""

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
"""Version of the stored JSON; changing it invalidates all cached pages."""

_DISTRIBUTIONS: Final = {"pdfium": "pypdfium2", "pymupdf": "pymupdf"}


@dataclass(frozen=True, slots=True)
class PageKey:
    """Everything that a page's text, boxes and warnings depend on.

    Attributes:
        sha256: Hash of the file's bytes, 64 hex digits.
        page: Page number, 1-based.
        renderer: Renderer and version, see :func:`renderer_version`.
        task: What the model was asked.
        mode: Resolution at which the model saw the page.
        page_objects: As in :class:`~deepseek_ocr_rag.Limits`. It belongs to the key
            because objects beyond it are ignored without an error.
        backend: Name of the backend.
        model: Name of the model.
        fingerprint: See :class:`~deepseek_ocr_rag.backends.Repeatable`.
        version: Version of this package.
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
        """SHA-256 of all the attributes, 64 hex digits."""
        data = json.dumps([FORMAT, asdict(self)], sort_keys=True)
        return hashlib.sha256(data.encode("ascii")).hexdigest()


@cache
def renderer_version(renderer: str) -> str:
    """The versions of a renderer and of Pillow, which opens pictures and scales pages.

    They are the versions of the installed distributions, so that this process need
    not import the renderer.
    """
    return ", ".join(
        _installed(name) for name in (_DISTRIBUTIONS.get(renderer, renderer), "pillow")
    )


def _installed(distribution: str) -> str:
    try:
        return f"{distribution} {version(distribution)}"
    except PackageNotFoundError:
        return distribution
