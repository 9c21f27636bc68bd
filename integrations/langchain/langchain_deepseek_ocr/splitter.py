"""The text splitter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from langchain_core.documents import BaseDocumentTransformer, Document

from deepseek_ocr_rag.records import Record, split_records
from deepseek_ocr_rag.text import estimate_tokens

__all__ = ["LayoutTextSplitter"]


class LayoutTextSplitter(BaseDocumentTransformer):
    """Split documents of this package by their layout, and keep pages and boxes.

    Blocks are joined under their headings up to a budget. Headings stay with
    what follows them, captions with their figure or table, and the parts of a
    long table each repeat its head. Paragraphs that run over a column or page
    are joined, page furniture is dropped.

    Pages of one file are to follow each other, as a loader gives them, in any of
    its modes, flat or not. The chunks have the metadata of the page on which
    they begin; ``boxes`` count from the chunk's own text, so :func:`boxes_for`
    works on chunks as it does on pages, and each entry has its 0-based ``page``.
    ``spans`` (a list of ``{page, start, end, offset}``) says which part of which
    page stands where in the chunk. Documents of other loaders are split by their
    Markdown and have no boxes.

    Args:
        max_tokens: Budget for a chunk. Captions and the head of a table may
            exceed it.
        count_tokens: Tokens of a text: your embedding model's tokenizer, or
            ``len`` for a budget in characters. An estimate without it.

    Raises:
        ConfigurationError: If ``max_tokens`` is below 16.

    Example:
        >>> splitter = LayoutTextSplitter(max_tokens=256)
        >>> chunks = splitter.split_documents(loader.load())  # doctest: +SKIP
        >>> chunks[0].metadata["section"]  # doctest: +SKIP
        'Methods > Sampling'
    """

    def __init__(
        self, *, max_tokens: int = 400, count_tokens: Callable[[str], int] = estimate_tokens
    ) -> None:
        self._max_tokens = max_tokens
        self._count_tokens = count_tokens
        split_records((), max_tokens=max_tokens)  # a wrong budget is told here, not when splitting

    def split_documents(self, documents: Iterable[Document]) -> list[Document]:
        """Split documents, as LangChain's own splitters do.

        Args:
            documents: Pages, blocks or whole files, in their order.

        Returns:
            Chunks in the same order; their ids are made of those of the documents.
        """
        records = (
            Record(document.id or "", document.page_content, document.metadata)
            for document in documents
        )
        chunks = split_records(
            records, max_tokens=self._max_tokens, count_tokens=self._count_tokens
        )
        return [
            Document(id=chunk.id or None, page_content=chunk.text, metadata=chunk.metadata)
            for chunk in chunks
        ]

    def transform_documents(
        self,
        documents: Sequence[Document],
        **kwargs: Any,  # noqa: ANN401 - as in the base class
    ) -> Sequence[Document]:
        """:meth:`split_documents`, under the name that document pipelines call."""
        return self.split_documents(documents)
