"""DeepSeek-OCR for LlamaIndex: a retriever.

::

    from llama_index.retrievers.deepseek_ocr import DeepSeekOCRRetriever

    retriever = DeepSeekOCRRetriever(nodes, similarity_top_k=3)
    retriever.retrieve("What does Table 2 say on losses?")
"""

from .base import DeepSeekOCRRetriever

__all__ = ["DeepSeekOCRRetriever"]
