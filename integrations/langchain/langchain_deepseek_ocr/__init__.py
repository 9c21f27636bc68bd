"""DeepSeek-OCR for LangChain: a document loader, a blob parser and a tool for agents.

::

    from langchain_deepseek_ocr import DeepSeekOCRLoader

    for document in DeepSeekOCRLoader("report.pdf").lazy_load():
        print(document.metadata["page_label"], document.page_content)
"""

from .boxes import boxes_for
from .loader import DeepSeekOCRLoader
from .options import ReaderOptions
from .parser import DeepSeekOCRParser
from .splitter import LayoutTextSplitter
from .tool import DeepSeekOCRTool, ReadDocumentInput

__all__ = [
    "DeepSeekOCRLoader",
    "DeepSeekOCRParser",
    "DeepSeekOCRTool",
    "LayoutTextSplitter",
    "ReadDocumentInput",
    "ReaderOptions",
    "boxes_for",
]
