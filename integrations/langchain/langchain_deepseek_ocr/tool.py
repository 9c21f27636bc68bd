"""The agent tools: read a document, search it, look at a page, locate something on it."""

from __future__ import annotations

import base64
from typing import Any

from langchain_core.documents import Document
from langchain_core.messages.content import create_image_block, create_text_block
from langchain_core.tools.base import ArgsSchema

from deepseek_ocr_rag import Passage
from deepseek_ocr_rag.agents import AgentPicture
from deepseek_ocr_rag.records import Record, page_records

from .agent_tool import AgentTool
from .documents import to_document
from .inputs import LocateInput, LookAtInput, ReadDocumentInput, SearchDocumentInput

__all__ = ["DeepSeekOCRTool", "LocateTool", "LookAtTool", "SearchDocumentTool"]


class DeepSeekOCRTool(AgentTool):
    """Lets an agent read PDFs and scans in portions, with page numbers.

    The message to the model is short: it begins with the pages that it shows, marks
    every page, and ends with how to ask for the next ones. The artifact is the list
    of full :class:`Document` objects of these pages, with boxes, and with ``source``
    relative to ``root_dir``. Pages are remembered, so continuing in a document does
    not read it again.

    For settings and failures see :class:`AgentSettings` and :class:`AgentTool`.

    Example:
        >>> from langchain.agents import create_agent  # doctest: +SKIP
        >>> tool = DeepSeekOCRTool(root_dir="papers")  # doctest: +SKIP
        >>> agent = create_agent("ollama:qwen3", tools=[tool])  # doctest: +SKIP
    """

    name: str = "read_document"
    description: str = (
        "Read a PDF or a scanned page as Markdown text with page numbers. Use it whenever "
        "the answer may be in such a file. A long document comes in portions: "
        "the end of each reply says how to ask for the next pages."
    )
    args_schema: ArgsSchema | None = ReadDocumentInput

    def _run(
        self, path: str, pages: str | None = None, start: int = 0
    ) -> tuple[str, list[Document]]:
        reply = self._call(lambda: self._agent.read(path, pages, start))
        shown = reply.document
        documents = [
            to_document(record, flat=self.flat_metadata)
            for page in shown
            for record in page_records(page, source=shown.source, total_pages=shown.total_pages)
        ]
        return reply.text, documents


class SearchDocumentTool(AgentTool):
    """Lets an agent search a document; returns a few passages at a time, with pages and boxes.

    The artifact is the list of these passages as :class:`Document` objects with
    ``source``, 0-based ``page``, ``page_label``, ``boxes``, ``section`` and ``score``.
    """

    name: str = "search_document"
    description: str = (
        "Search a PDF or a scan for passages that match a question, best first, with their pages "
        "and boxes. Use it for a long document instead of reading all of it. "
        "More results come with offset."
    )
    args_schema: ArgsSchema | None = SearchDocumentInput

    def _run(
        self, path: str, query: str, pages: str | None = None, offset: int = 0
    ) -> tuple[str, list[Document]]:
        found = self._call(lambda: self._agent.search(path, query, pages, offset))
        return found.text, [self._document(passage) for passage in found.passages]

    def _document(self, passage: Passage) -> Document:
        boxes = [
            {"kind": piece.kind, "bbox": list(box.as_tuple()), "start": piece.offset}
            | {"end": piece.end, "page": piece.page - 1}
            for piece in passage.pieces
            for box in piece.boxes
        ]
        metadata: dict[str, Any] = {
            "source": passage.source,
            "page": passage.page - 1,
            "page_label": str(passage.page),
            "boxes": boxes,
            "section": " > ".join(passage.section),
            "score": passage.score,
        }
        record = Record("", passage.text, metadata)
        flat = record.flat() if self.flat_metadata else record
        return Document(page_content=flat.text, metadata=flat.metadata)


class LookAtTool(AgentTool):
    """Lets an agent with vision look at a page, or at a part of it.

    The message has the picture as an image content block. The artifact is the
    :class:`deepseek_ocr_rag.agents.AgentPicture`. Do not give this tool to a model that
    accepts no images in tool messages.
    """

    name: str = "look_at"
    description: str = (
        "Look at a page of a PDF or a scan, or at a part of it, as a picture: for figures, "
        "signatures, stamps, and to check what was read. Boxes come from search_document "
        "and locate."
    )
    args_schema: ArgsSchema | None = LookAtInput

    def _run(
        self, path: str, page: int, box: list[float] | None = None
    ) -> tuple[list[Any], AgentPicture]:
        shown = self._call(lambda: self._agent.look_at(path, page, box))
        picture = create_image_block(
            base64=base64.b64encode(shown.png).decode("ascii"), mime_type="image/png"
        )
        return [create_text_block(shown.text), picture], shown


class LocateTool(AgentTool):
    """Lets an agent ask where something is; returns pages and boxes.

    The artifact is a list of dictionaries with 1-based ``page``, ``boxes`` and ``text``.
    """

    name: str = "locate"
    description: str = (
        "Find where something is in a PDF or a scan: 'the total', 'the signature'. "
        "Returns pages and boxes, which look_at can show."
    )
    args_schema: ArgsSchema | None = LocateInput

    def _run(
        self, path: str, what: str, pages: str | None = None
    ) -> tuple[str, list[dict[str, Any]]]:
        found = self._call(lambda: self._agent.locate(path, what, pages))
        return found.text, [location.to_dict() for location in found.locations]
