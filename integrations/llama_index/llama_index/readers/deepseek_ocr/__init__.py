"""DeepSeek-OCR for LlamaIndex: a reader.

::

    from llama_index.readers.deepseek_ocr import DeepSeekOCRReader

    documents = DeepSeekOCRReader().load_data("report.pdf")
"""

from .base import DeepSeekOCRReader

__all__ = ["DeepSeekOCRReader"]
