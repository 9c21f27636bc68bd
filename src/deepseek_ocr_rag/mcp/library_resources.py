"""Serves documents and pages as resources: ``dsocr://doc/ID`` and ``dsocr://doc/ID/page/NUMBER``."""

from __future__ import annotations

from typing import Any, Final

import mcp_types as types
from mcp.shared.exceptions import MCPError

from ..errors import ConfigurationError, DeepSeekOCRError
from ..threads import in_thread
from .answer_size import Answered
from .asked_reply import shown_id
from .citation_links import SCHEME, document_link, parse_document_link
from .library_tools import LibraryTools

__all__ = ["LibraryResources"]

LISTED: Final = 50
"""Most resources in one answer; the cursor asks for the next ones."""

MARKDOWN: Final = "text/markdown"


class LibraryResources:
    """The documents of one library as resources."""

    def __init__(self, tools: LibraryTools) -> None:
        self._tools = tools

    @staticmethod
    def templates() -> list[types.ResourceTemplate]:
        """The templates of the addresses."""
        return [
            types.ResourceTemplate(
                name="document",
                title="A document",
                uri_template=f"{SCHEME}{{id}}",
                description="The text of a document from its beginning; it says how it goes on.",
                mime_type=MARKDOWN,
            ),
            types.ResourceTemplate(
                name="page",
                title="A page of a document",
                uri_template=f"{SCHEME}{{id}}/page/{{n}}",
                description="The text of one page, counted from 1.",
                mime_type=MARKDOWN,
            ),
        ]

    async def listed(self, cursor: str | None) -> types.ListResourcesResult:
        """Some documents, from the cursor on.

        Raises:
            MCPError: If the cursor is not one of ours, or the documents cannot be listed.
        """
        if cursor is not None and not (cursor.isdecimal() and len(cursor) < 10):
            raise MCPError(types.INVALID_PARAMS, "the cursor is not one of this server's")
        start = int(cursor or 0)
        try:
            listing = await in_thread(lambda: self._tools.library.listing(""))
        except DeepSeekOCRError as error:
            raise MCPError(types.INTERNAL_ERROR, self._tools.explain(error)) from error
        files = listing.files[start : start + LISTED]
        more = len(listing.files) > start + LISTED
        return types.ListResourcesResult(
            resources=[
                types.Resource(
                    name=shown_id(file.path),
                    uri=document_link(file.path),
                    size=file.size,
                    mime_type=MARKDOWN,
                )
                for file in files
            ],
            next_cursor=str(start + LISTED) if more else None,
        )

    def arguments(self, uri: str) -> dict[str, Any]:
        """The arguments of ``read_document`` for an address.

        Raises:
            MCPError: If it is not the address of a document or a page.
        """
        try:
            link = parse_document_link(uri)
        except ConfigurationError as error:
            raise self.not_read(uri, error) from error
        return {"id": link.id, "pages": str(link.page) if link.page else "", "start": 0}

    def not_read(self, uri: str, error: DeepSeekOCRError) -> MCPError:
        """The protocol's error for a resource that cannot be read."""
        return MCPError(types.INVALID_PARAMS, self._tools.explain(error), {"uri": uri[:1000]})

    def contents(self, uri: str, answer: Answered) -> types.ReadResourceResult:
        """An answer of ``read_document`` as the contents of a resource."""
        text = types.TextResourceContents(uri=uri, text=answer.text, mime_type=MARKDOWN)
        return types.ReadResourceResult(contents=[text])
