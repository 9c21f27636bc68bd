"""DeepSeek-OCR for LangChain: a loader, a blob parser, a splitter, a retriever and agent tools.

::

    from langchain_deepseek_ocr import DeepSeekOCRLoader

    for document in DeepSeekOCRLoader("report.pdf").lazy_load():
        print(document.metadata["page_label"], document.page_content)
"""

from .agent_tool import AgentSettings, AgentTool
from .batch_loader import BatchLoader
from .boxes import boxes_for
from .chat_model import language_model
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
from .verifier import AnswerVerifier
from .whole_document import WholeDocument

__all__ = [
    "AgentSettings",
    "AgentTool",
    "AnswerVerifier",
    "BatchLoader",
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
    "WholeDocument",
    "boxes_for",
    "language_model",
]
