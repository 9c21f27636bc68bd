"""The retriever."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import Field, PrivateAttr, model_validator

from deepseek_ocr_rag import Retriever
from deepseek_ocr_rag.records import Record
from deepseek_ocr_rag.setting_names import refuse_unknown

from .options import refuse_unknown_fields
from .splitter import LayoutTextSplitter
from .whole_document import full_metadata

__all__ = ["DocumentRetriever"]


class DocumentRetriever(BaseRetriever):
    """Finds documents by words, and also by meaning if given an embedding model.

    It ranks with BM25 over chunks, their pages and their documents, counts phrases,
    and prefers the pages, figures and tables that a question names. With embeddings,
    the similarity of the vectors is added. Everything is indexed in memory when the
    retriever is created.

    It returns the documents as they were given, so :func:`boxes_for` works on them.
    Without embeddings, it only finds documents that share a word with the question
    or are named in it.

    Attributes:
        documents: What can be found, in page order for each file: chunks of
            :class:`LayoutTextSplitter`, blocks, or whole pages. To split pages
            first, use :meth:`from_documents`.
        k: How many documents to return; ``invoke(query, k=...)`` overrides it.
        neighbours: How many documents before and after each hit to return too, in
            document order and without duplicates.
        embeddings: A LangChain embedding model, or ``"ollama/<model>"``.

    Raises:
        ValidationError: If an argument is invalid.
        EmbeddingModelError: If the embedding model fails.

    Example:
        >>> pages = DeepSeekOCRLoader("report.pdf").load()  # doctest: +SKIP
        >>> retriever = DocumentRetriever.from_documents(pages, k=3)  # doctest: +SKIP
        >>> retriever.invoke("What does Table 2 say on losses?")  # doctest: +SKIP
    """

    documents: list[Document] = Field(repr=False)
    k: int = Field(default=4, ge=1)
    neighbours: int = Field(default=0, ge=0)
    embeddings: Any = Field(default=None, exclude=True, repr=False)

    _retriever: Retriever = PrivateAttr()

    @model_validator(mode="before")
    @classmethod
    def _check_names(cls, values: object) -> object:
        return refuse_unknown_fields(cls, values)

    @model_validator(mode="after")
    def _index(self) -> DocumentRetriever:
        self._retriever = Retriever.from_records(
            (Record(d.id or "", d.page_content, full_metadata(d)) for d in self.documents),
            embeddings=self.embeddings,
        )
        return self

    @classmethod
    def from_documents(
        cls,
        documents: Iterable[Document],
        *,
        max_tokens: int = 400,
        **fields: Any,  # noqa: ANN401 - the fields of the class
    ) -> DocumentRetriever:
        """Split documents by their layout and index the chunks.

        Args:
            documents: Pages, as :class:`DeepSeekOCRLoader` loads them.
            max_tokens: Most tokens of a chunk, see :class:`LayoutTextSplitter`.
            **fields: ``k``, ``neighbours`` and ``embeddings``.
        """
        refuse_unknown(f"{cls.__name__}.from_documents", fields, {"max_tokens", *cls.model_fields})
        chunks = LayoutTextSplitter(max_tokens=max_tokens).split_documents(documents)
        return cls(documents=chunks, **fields)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        """Find the best documents; ``BaseRetriever`` runs it in a thread for ``ainvoke``."""
        wanted = self.k if k is None else k
        ranked = self._retriever.rank(query, wanted, neighbours=self.neighbours)
        return [self.documents[index] for index, _ in ranked]
