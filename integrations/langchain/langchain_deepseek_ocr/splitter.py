"""The text splitter."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from langchain_core.documents import Document
from langchain_text_splitters import TextSplitter

from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.records import Record, split_records
from deepseek_ocr_rag.setting_names import with_known_settings
from deepseek_ocr_rag.text import estimate_tokens

from .whole_document import full_metadata

__all__ = ["LayoutTextSplitter"]


@with_known_settings()
class LayoutTextSplitter(TextSplitter):
    """Splits documents of this package by their layout, and keeps pages and boxes.

    Blocks under the same heading are joined up to ``max_tokens``. Headings stay with
    what follows them, captions with their figure or table, and every part of a
    long table repeats its head. Paragraphs that continue in the next column or page
    are joined; page furniture is dropped.

    The pages of one file must follow each other, as a loader returns them; any mode
    of the loader works, flat or not. A chunk has the metadata of the page on which
    it begins. The offsets in its ``boxes`` refer to the chunk's own text, so
    :func:`boxes_for` works on chunks as on pages. Each entry has its 0-based
    ``page``. ``spans`` (a list of ``{page, start, end, offset}``) says which part of
    which page is where in the chunk. Documents of other loaders are split by their
    Markdown and have no boxes.

    Args:
        max_tokens: Most tokens of a chunk. Captions and the head of a table may
            exceed it.
        count_tokens: Counts the tokens of a text: your embedding model's tokenizer,
            or ``len`` to count characters. By default an estimate.
        length_function: The same under LangChain's name, for
            ``LayoutTextSplitter.from_tiktoken_encoder(max_tokens=256)``.

    Raises:
        ConfigurationError: If ``max_tokens`` is below 16, or both functions are given.

    Example:
        >>> splitter = LayoutTextSplitter(max_tokens=256)
        >>> chunks = splitter.split_documents(loader.load())  # doctest: +SKIP
        >>> chunks[0].metadata["section"]  # doctest: +SKIP
        'Methods > Sampling'
    """

    def __init__(
        self,
        *,
        max_tokens: int = 400,
        count_tokens: Callable[[str], int] | None = None,
        length_function: Callable[[str], int] | None = None,
    ) -> None:
        if count_tokens is not None and length_function is not None:
            raise ConfigurationError(
                "both count_tokens and length_function were given",
                remedy="Pass one of them; length_function is LangChain's name for count_tokens.",
            )
        split_records((), max_tokens=max_tokens)  # report an invalid max_tokens now
        self._max_tokens = max_tokens
        self._count_tokens = count_tokens or length_function or estimate_tokens
        super().__init__(chunk_size=max_tokens, chunk_overlap=0, length_function=self._count_tokens)

    def split_text(self, text: str) -> list[str]:
        """Split Markdown; pages and boxes are only kept by :meth:`split_documents`."""
        return [chunk.page_content for chunk in self.split_documents([Document(text)])]

    def create_documents(
        self, texts: list[str], metadatas: list[dict[Any, Any]] | None = None
    ) -> list[Document]:
        """Split texts, each with its metadata."""
        given = metadatas or [{}] * len(texts)
        return self.split_documents(
            Document(text, metadata=metadata) for text, metadata in zip(texts, given, strict=True)
        )

    def split_documents(self, documents: Iterable[Document]) -> list[Document]:
        """Split documents, as LangChain's own splitters do.

        Args:
            documents: Pages, blocks or whole files, in document order.

        Returns:
            Chunks in the same order; their ids are derived from those of the documents.
        """
        records = (
            Record(document.id or "", document.page_content, _own_metadata(document))
            for document in documents
        )
        chunks = split_records(
            records, max_tokens=self._max_tokens, count_tokens=self._count_tokens
        )
        return [
            Document(id=chunk.id or None, page_content=chunk.text, metadata=chunk.metadata)
            for chunk in chunks
        ]


def _own_metadata(document: Document) -> dict[str, Any]:
    """Return the metadata with its boxes; chunks have their own, and so need no reference."""
    metadata = full_metadata(document)
    if not metadata.get("boxes"):
        return metadata
    return {key: value for key, value in metadata.items() if key != "layout"}
