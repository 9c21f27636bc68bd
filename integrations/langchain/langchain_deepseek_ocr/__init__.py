"""DeepSeek-OCR for LangChain: a loader, a blob parser, a splitter, a retriever and agent tools.

::

    from langchain_deepseek_ocr import DeepSeekOCRLoader

    for document in DeepSeekOCRLoader("report.pdf").lazy_load():
        print(document.metadata["page_label"], document.page_content)
"""

from .agent_tool import AgentSettings, AgentTool
from .boxes import boxes_for
from .inputs import (
    ListDocumentsInput,
    LocateInput,
    LookAtInput,
    ReadDocumentInput,
    SearchDocumentInput,
    SearchDocumentsInput,
)
from .loader import DeepSeekOCRLoader
from .options import ReaderOptions
from .parser import DeepSeekOCRParser
from .retriever import DocumentRetriever
from .splitter import LayoutTextSplitter
from .tool import (
    DeepSeekOCRTool,
    ListDocumentsTool,
    LocateTool,
    LookAtTool,
    SearchDocumentsTool,
    SearchDocumentTool,
)
from .toolkit import DeepSeekOCRToolkit

__all__ = [
    "AgentSettings",
    "AgentTool",
    "DeepSeekOCRLoader",
    "DeepSeekOCRParser",
    "DeepSeekOCRTool",
    "DeepSeekOCRToolkit",
    "DocumentRetriever",
    "LayoutTextSplitter",
    "ListDocumentsInput",
    "ListDocumentsTool",
    "LocateInput",
    "LocateTool",
    "LookAtInput",
    "LookAtTool",
    "ReadDocumentInput",
    "ReaderOptions",
    "SearchDocumentInput",
    "SearchDocumentTool",
    "SearchDocumentsInput",
    "SearchDocumentsTool",
    "boxes_for",
]
