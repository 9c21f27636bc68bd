"""The retriever."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.callbacks.base import CallbackManager
from llama_index.core.schema import BaseNode, MetadataMode, NodeWithScore, QueryBundle

from deepseek_ocr_rag import Retriever
from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.records import Record
from deepseek_ocr_rag.setting_names import with_known_settings
from deepseek_ocr_rag.threads import in_thread

__all__ = ["DeepSeekOCRRetriever"]


@with_known_settings()
class DeepSeekOCRRetriever(BaseRetriever):
    """Finds nodes by words, and also by meaning if given an embedding model.

    It ranks with BM25 over nodes, their pages and their documents, counts phrases,
    and prefers the pages, figures and tables that a question names. With embeddings,
    the similarity of the vectors is added. Everything is indexed in memory when the
    retriever is created. Without embeddings, it only finds nodes that share a word with the
    question or are named in it.

    Args:
        nodes: What can be found, in page order for each file: nodes of
            ``DeepSeekOCRNodeParser``, or documents of ``DeepSeekOCRReader``.
        similarity_top_k: How many nodes to return.
        neighbours: How many nodes before and after each hit to return too, in
            document order and without duplicates; their score is 0.
        embed_model: An embedding model of LlamaIndex, or ``"ollama/<model>"``.
            ``Settings.embed_model`` is not used, because it may run on another machine.
        callback_manager: As in LlamaIndex's own retrievers.
        verbose: As in LlamaIndex's own retrievers.

    Raises:
        ConfigurationError: If an argument is invalid.
        EmbeddingModelError: If the embedding model fails.

    Example:
        >>> nodes = DeepSeekOCRNodeParser().get_nodes_from_documents(documents)  # doctest: +SKIP
        >>> DeepSeekOCRRetriever(nodes).retrieve("Who keeps the lamp?")  # doctest: +SKIP
    """

    def __init__(
        self,
        nodes: Sequence[BaseNode],
        *,
        similarity_top_k: int = 4,
        neighbours: int = 0,
        embed_model: BaseEmbedding | str | None = None,
        callback_manager: CallbackManager | None = None,
        verbose: bool = False,
    ) -> None:
        if similarity_top_k < 1 or neighbours < 0:
            raise ConfigurationError(
                f"cannot return {similarity_top_k} nodes with {neighbours} neighbours",
                remedy="Set similarity_top_k to 1 or more, and neighbours to 0 or more.",
            )
        super().__init__(callback_manager=callback_manager, verbose=verbose)
        self._nodes = list(nodes)
        self.similarity_top_k = similarity_top_k
        self.neighbours = neighbours
        self._retriever = Retriever.from_records(
            (
                Record(node.node_id, node.get_content(MetadataMode.NONE), node.metadata)
                for node in self._nodes
            ),
            embeddings=embed_model,
        )

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        ranked = self._retriever.rank(
            query_bundle.query_str, self.similarity_top_k, neighbours=self.neighbours
        )
        return [NodeWithScore(node=self._nodes[index], score=score) for index, score in ranked]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return await in_thread(partial(self._retrieve, query_bundle))
