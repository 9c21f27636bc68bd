from .chunking import Chunk, ChunkPiece, chunk_document
from .embeddings import EmbeddingModel, OllamaEmbeddings
from .retriever import Passage, Retriever

__all__ = [
    "Chunk",
    "ChunkPiece",
    "EmbeddingModel",
    "OllamaEmbeddings",
    "Passage",
    "Retriever",
    "chunk_document",
]
