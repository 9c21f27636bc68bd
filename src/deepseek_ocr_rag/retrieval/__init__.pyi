from .chunking import Chunk, ChunkPiece, chunk_document
from .embeddings import EmbeddingModel, OllamaEmbeddings
from .reranking import Reranker
from .retriever import Passage, Retriever

__all__ = [
    "Chunk",
    "ChunkPiece",
    "EmbeddingModel",
    "OllamaEmbeddings",
    "Passage",
    "Reranker",
    "Retriever",
    "chunk_document",
]
