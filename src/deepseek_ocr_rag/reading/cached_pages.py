"""The pages of one document that were finished before, read in the same way."""

from __future__ import annotations

import json
import logging
import os
import zlib
from dataclasses import dataclass, replace
from typing import Any

from ..backends.base import Backend, fingerprint_of
from ..document.types import Page
from ..errors import ConfigurationError
from .cache import PageCache
from .cache_key import PageKey

__all__ = ["KeptPage", "KeptPages", "cache_named", "page_from_json", "page_to_json"]

_log = logging.getLogger("deepseek_ocr_rag")


@dataclass(frozen=True, slots=True)
class KeptPage:
    """A page that waits for its turn; packed, because thousands may wait for one.

    Attributes:
        packed: Its JSON, compressed.
    """

    packed: bytes

    @classmethod
    def of(cls, content: str) -> KeptPage:
        """Pack the JSON of a page."""
        return cls(zlib.compress(content.encode("ascii"), 1))

    def page(self) -> Page:
        """The page."""
        return page_from_json(zlib.decompress(self.packed).decode("ascii"))


@dataclass(frozen=True, slots=True)
class KeptPages:
    """What a cache has of one document, for one way to read it.

    Attributes:
        cache: Where.
        key: Of any page of the document; the number in it does not count.
    """

    cache: PageCache
    key: PageKey

    def read_by(self, backend: Backend) -> KeptPages | None:
        """Those that a backend read; None where it cannot say what its text depends on."""
        fingerprint = fingerprint_of(backend)
        if fingerprint is None:
            return None
        key = replace(self.key, backend=backend.name, model=backend.model, fingerprint=fingerprint)
        return replace(self, key=key)

    def find(self, number: int) -> KeptPage | None:
        """The page with that number, if it was finished before."""
        content = self.cache.get(replace(self.key, page=number).digest())
        return None if content is None else KeptPage.of(content)

    def keep(self, page: Page) -> None:
        """Keep a page, unless it failed."""
        if not page.ok:
            return
        content = page_to_json(page)
        # Text that JSON does not give back (halves of a surrogate pair side by
        # side) is better read again.
        if page_from_json(content) == page:
            self.cache.put(replace(self.key, page=page.number).digest(), content)


def page_to_json(page: Page) -> str:
    """A page as ASCII, exactly: :meth:`Page.to_dict` rounds boxes."""
    data = page.to_dict()
    blocks: list[dict[str, Any]] = data["blocks"]
    for block, exact in zip(blocks, page.blocks, strict=True):
        block["boxes"] = [box.as_tuple() for box in exact.boxes]
    return json.dumps(data, separators=(",", ":"))


def page_from_json(content: str) -> Page:
    """The inverse of :func:`page_to_json`."""
    return Page.from_dict(json.loads(content))


def cache_named(cache: PageCache | str | os.PathLike[str] | bool) -> PageCache | None:
    """The cache that :class:`~deepseek_ocr_rag.Reader` was told to use, None for none.

    Raises:
        ConfigurationError: If a folder that was named cannot be meant. Where only
            this user's own is wanted and there is none, that is logged.
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
        _log.warning("finished pages are not kept: %s", error)
        return None
