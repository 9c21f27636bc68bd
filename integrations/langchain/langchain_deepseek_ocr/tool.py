"""The agent tools: list documents, search all or one, read, look at a page, locate something."""

from __future__ import annotations

import base64
from typing import Any

from langchain_core.documents import Document
from langchain_core.messages.content import create_image_block, create_text_block
from langchain_core.tools.base import ArgsSchema

from deepseek_ocr_rag import Passage
from deepseek_ocr_rag.agents import FORMS
from deepseek_ocr_rag.records import Record, page_records, text_of_boxes

from .agent_tool import AgentTool
from .documents import to_document
from .inputs import (
    ListDocumentsInput,
    LocateInput,
    LookAtInput,
    ReadDocumentInput,
    SearchDocumentInput,
    SearchDocumentsInput,
)

__all__ = [
    "DeepSeekOCRTool",
    "ListDocumentsTool",
    "LocateTool",
    "LookAtTool",
    "SearchDocumentTool",
    "SearchDocumentsTool",
]


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
        >>> from langchain_ollama import ChatOllama  # doctest: +SKIP
        >>> model = ChatOllama(model="qwen3", num_ctx=16384)  # doctest: +SKIP
        >>> tool = DeepSeekOCRTool(root_dir="papers", llm=model)  # doctest: +SKIP
        >>> agent = create_agent(model, tools=[tool])  # doctest: +SKIP
    """

    name: str = "read_document"
    description: str = FORMS["read_document"].description
    args_schema: ArgsSchema | None = ReadDocumentInput

    def _run(self, path: str, pages: str = "", start: int = 0) -> tuple[str, list[Document]]:
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
    description: str = FORMS["search_document"].description
    args_schema: ArgsSchema | None = SearchDocumentInput

    def _run(
        self, path: str, query: str, pages: str = "", offset: int = 0
    ) -> tuple[str, list[Document]]:
        found = self._call(lambda: self._agent.search(path, query, pages, offset))
        return found.text, [_document(each, flat=self.flat_metadata) for each in found.passages]


class SearchDocumentsTool(AgentTool):
    """Lets an agent search all documents below ``root_dir`` at once.

    A call reads at most 100 pages that were not read before; the reply says how many
    documents were searched, and that further calls search the rest. The artifact is the same
    as that of :class:`SearchDocumentTool`.
    """

    name: str = "search_documents"
    description: str = FORMS["search_documents"].description
    args_schema: ArgsSchema | None = SearchDocumentsInput

    def _run(self, query: str, folder: str = "", offset: int = 0) -> tuple[str, list[Document]]:
        found = self._call(lambda: self._agent.search_documents(query, folder, offset))
        return found.text, [_document(each, flat=self.flat_metadata) for each in found.passages]


class ListDocumentsTool(AgentTool):
    """Lets an agent list the documents below ``root_dir``.

    The artifact is the list of the paths that the reply shows.
    """

    name: str = "list_documents"
    description: str = FORMS["list_documents"].description
    args_schema: ArgsSchema | None = ListDocumentsInput

    def _run(self, folder: str = "", offset: int = 0) -> tuple[str, list[str]]:
        listed = self._call(lambda: self._agent.list_documents(folder, offset))
        return listed.text, list(listed.paths)


def _document(passage: Passage, *, flat: bool) -> Document:
    """Make a document of a passage."""
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
        **text_of_boxes(boxes, passage.text),
    }
    record = Record("", passage.text, metadata)
    shown = record.flat() if flat else record
    return Document(page_content=shown.text, metadata=shown.metadata)


class LookAtTool(AgentTool):
    """Lets an agent with vision look at a page, or at a part of it.

    The message has the picture as an image content block. The artifact is a dictionary
    with ``source``, 1-based ``page`` and ``box`` (None for the whole page). Do not give this
    tool to a model that accepts no images in tool messages.
    """

    name: str = "look_at"
    description: str = FORMS["look_at"].description
    args_schema: ArgsSchema | None = LookAtInput

    def _run(
        self, path: str, page: int, box: list[float] | None = None
    ) -> tuple[list[Any], dict[str, Any]]:
        shown = self._call(lambda: self._agent.look_at(path, page, box))
        picture = create_image_block(
            base64=base64.b64encode(shown.png).decode("ascii"), mime_type="image/png"
        )
        return [create_text_block(shown.text), picture], shown.to_dict()


class LocateTool(AgentTool):
    """Lets an agent ask where something is; returns pages and boxes.

    The artifact is a list of dictionaries with 1-based ``page``, ``boxes`` and ``text``.
    """

    name: str = "locate"
    description: str = FORMS["locate"].description
    args_schema: ArgsSchema | None = LocateInput

    def _run(self, path: str, what: str, pages: str = "") -> tuple[str, list[dict[str, Any]]]:
        found = self._call(lambda: self._agent.locate(path, what, pages))
        return found.text, [location.to_dict() for location in found.locations]
