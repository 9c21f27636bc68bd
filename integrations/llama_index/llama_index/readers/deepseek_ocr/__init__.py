"""DeepSeek-OCR for LlamaIndex: a reader, and a node parser that keeps pages and boxes.

::

    from llama_index.readers.deepseek_ocr import DeepSeekOCRNodeParser, DeepSeekOCRReader

    documents = DeepSeekOCRReader().load_data("report.pdf")
    nodes = DeepSeekOCRNodeParser().get_nodes_from_documents(documents)
"""

from .base import DeepSeekOCRReader
from .chat_model import language_model
from .node_parser import DeepSeekOCRNodeParser, boxes_for
from .verifier import AnswerVerifier

__all__ = [
    "AnswerVerifier",
    "DeepSeekOCRNodeParser",
    "DeepSeekOCRReader",
    "boxes_for",
    "language_model",
]
