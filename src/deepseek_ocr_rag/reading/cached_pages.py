"""Finds and stores a document's pages in the cache, keyed by everything that they depend on."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import zlib
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from ..backends.base import Backend, fingerprint_of
from ..document.types import Page
from ..errors import ConfigurationError
from ..model.prompts import Mode, Task
from ..version import __version__
from .cache import PageCache

__all__ = [
    "CachedPage",
    "CachedPages",
    "PageKey",
    "page_from_json",
    "page_to_json",
    "renderer_version",
    "resolve_cache",
]

_log = logging.getLogger("deepseek_ocr_rag")


FORMAT: Final = 1
"""Version of the stored JSON; changing it invalidates all cached pages."""

_DISTRIBUTIONS: Final = {"pdfium": "pypdfium2", "pymupdf": "pymupdf"}


@dataclass(frozen=True, slots=True)
class PageKey:
    """Everything that a page's text, boxes and warnings depend on.

    The limit ``page_objects`` is part of it because objects beyond it are ignored without an
    error.
    """

    sha256: str  # of the file's bytes, 64 hex digits
    page: int  # 1-based
    renderer: str  # with its version
    task: Task
    mode: Mode
    page_objects: int
    backend: str = ""
    model: str = ""
    fingerprint: str = ""
    version: str = __version__  # of this package

    def digest(self) -> str:
        """SHA-256 of all the attributes, 64 hex digits."""
        data = json.dumps([FORMAT, asdict(self)], sort_keys=True)
        return hashlib.sha256(data.encode("ascii")).hexdigest()


@dataclass(frozen=True, slots=True)
class CachedPage:
    """A page's JSON, compressed: thousands may wait in memory for a page that is being read."""

    compressed: bytes

    @classmethod
    def from_json(cls, content: str) -> CachedPage:
        """Compress the JSON of a page."""
        return cls(zlib.compress(content.encode("ascii"), 1))

    def page(self) -> Page:
        """Decompress the page."""
        return page_from_json(zlib.decompress(self.compressed).decode("ascii"))


@dataclass(frozen=True, slots=True)
class CachedPages:
    """The cached pages of one document that were read with the same settings."""

    cache: PageCache
    key: PageKey  # of any of the pages; its page number is replaced

    def read_by(self, backend: Backend) -> CachedPages | None:
        """The pages read by this backend; None if its pages must not be cached."""
        fingerprint = fingerprint_of(backend)
        if fingerprint is None:
            return None
        key = replace(self.key, backend=backend.name, model=backend.model, fingerprint=fingerprint)
        return replace(self, key=key)

    def find(self, number: int) -> CachedPage | None:
        """The page with this number, or None if it is not in the cache."""
        content = self.cache.get(replace(self.key, page=number).digest())
        return None if content is None else CachedPage.from_json(content)

    def store(self, page: Page) -> None:
        """Store a page, unless it failed."""
        if not page.ok:
            return
        content = page_to_json(page)
        # JSON does not return every text unchanged (two halves of a surrogate pair side
        # by side become one character). Such a page is read again instead.
        if page_from_json(content) == page:
            self.cache.put(replace(self.key, page=page.number).digest(), content)


def page_to_json(page: Page) -> str:
    """Convert a page to ASCII JSON without loss (:meth:`Page.to_dict` alone rounds boxes)."""
    data = page.to_dict()
    blocks: list[dict[str, Any]] = data["blocks"]
    for block, exact in zip(blocks, page.blocks, strict=True):
        block["boxes"] = [box.as_tuple() for box in exact.boxes]
    return json.dumps(data, separators=(",", ":"))


def page_from_json(content: str) -> Page:
    """The inverse of :func:`page_to_json`."""
    return Page.from_dict(json.loads(content))


def resolve_cache(cache: PageCache | str | os.PathLike[str] | bool) -> PageCache | None:
    """The cache that the ``cache`` argument of :class:`~deepseek_ocr_rag.Reader` means, or None.

    Also None, with a warning in the log, for True if this user has no folder for caches.
    """
    if isinstance(cache, PageCache):
        return cache
    if cache is False:
        return None
    try:
        return PageCache(None if cache is True else cache)
    except ConfigurationError as error:
        if cache is not True:
            raise
        _log.warning("finished pages are not cached: %s", error)
        return None


@cache
def renderer_version(renderer: str) -> str:
    """The versions of a renderer and of Pillow, which opens pictures and scales pages.

    They come from the installed distributions, so that this process need not import the renderer.
    """
    return ", ".join(
        _installed(name) for name in (_DISTRIBUTIONS.get(renderer, renderer), "pillow")
    )


def _installed(distribution: str) -> str:
    try:
        return f"{distribution} {version(distribution)}"
    except PackageNotFoundError:
        return distribution
