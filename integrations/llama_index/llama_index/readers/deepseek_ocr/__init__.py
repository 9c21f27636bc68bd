"""DeepSeek-OCR for LlamaIndex: a reader, and a node parser that keeps pages and boxes.

::

    from llama_index.readers.deepseek_ocr import DeepSeekOCRNodeParser, DeepSeekOCRReader

    documents = DeepSeekOCRReader().load_data("report.pdf")
    nodes = DeepSeekOCRNodeParser().get_nodes_from_documents(documents)
"""

from .base import DeepSeekOCRReader
from .node_parser import DeepSeekOCRNodeParser, boxes_for

__all__ = ["DeepSeekOCRNodeParser", "DeepSeekOCRReader", "boxes_for"]
