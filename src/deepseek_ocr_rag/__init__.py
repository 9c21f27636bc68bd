"""PDFs and scans to Markdown with page and box metadata, and answers that point to them.

Reading, and a question::

    from deepseek_ocr_rag import DocumentQA, Reader, sample_path

    document = Reader().read(sample_path())
    print(document.to_markdown())

    answer = DocumentQA(document).ask("Who keeps the lamp?")
    for citation in answer.citations:
        print(citation.page, citation.boxes, citation.quote)

The names below are the whole public interface; whatever is not listed in
``__all__`` may change without notice.
"""

from .agent import AgentReader, AgentReply
from .backends.auto import BackendStatus, choose_backend, probe_backends
from .backends.base import Backend, PageRequest, Reply, TokenLogprob
from .backends.lite import LiteBackend, LiteBackendWarning
from .backends.official import OfficialBackend
from .backends.ollama import OllamaBackend
from .backends.replay import RecordingBackend, ReplayBackend
from .backends.server import ServerBackend
from .backends.transformers import TransformersBackend
from .chunk_records import split_records
from .chunking import Chunk, Piece, chunk_document
from .docling_export import to_docling
from .document import Block, Box, OcrDocument, Page
from .draw import crop_boxes, draw_page
from .embeddings import EmbeddingModel, OllamaEmbeddings
from .errors import (
    BackendError,
    BackendReplyError,
    BackendTimeoutError,
    BackendUnavailableError,
    ConfigurationError,
    CorruptSourceError,
    DeepSeekOCRError,
    LanguageModelError,
    LanguageModelReplyError,
    LanguageModelTimeoutError,
    LanguageModelUnavailableError,
    LimitExceededError,
    MissingExtraError,
    OutputError,
    PageRangeError,
    PageRenderError,
    PasswordError,
    RemoteModelRefusedError,
    SourceError,
    SourceNotAllowedError,
    SourceNotFoundError,
    UnsupportedSourceError,
)
from .export import FolderWriter, write_folder
from .grammar import ParsedPage, format_page, parse_document, parse_page
from .language_model import LanguageModel, Message, OllamaModel
from .limits import Limits
from .paths import resolve_inside
from .pipeline import PageStream, Reader
from .qa import Answer, AnswerStream, Citation, DocumentQA, Timings
from .records import (
    OnError,
    Record,
    Split,
    boxes_between,
    document_record,
    page_records,
    page_wanted,
)
from .retrieval import Passage, Retriever
from .samples import sample_path
from .source import Source, open_source, render_page
from .tables import Cell, Table, parse_table
from .text_layer import TextLayer
from .tokens import estimate_tokens

__version__ = "0.1.0"

__all__ = [
    "AgentReader",
    "AgentReply",
    "Answer",
    "AnswerStream",
    "Backend",
    "BackendError",
    "BackendReplyError",
    "BackendStatus",
    "BackendTimeoutError",
    "BackendUnavailableError",
    "Block",
    "Box",
    "Cell",
    "Chunk",
    "Citation",
    "ConfigurationError",
    "CorruptSourceError",
    "DeepSeekOCRError",
    "DocumentQA",
    "EmbeddingModel",
    "FolderWriter",
    "LanguageModel",
    "LanguageModelError",
    "LanguageModelReplyError",
    "LanguageModelTimeoutError",
    "LanguageModelUnavailableError",
    "LimitExceededError",
    "Limits",
    "LiteBackend",
    "LiteBackendWarning",
    "Message",
    "MissingExtraError",
    "OcrDocument",
    "OfficialBackend",
    "OllamaBackend",
    "OllamaEmbeddings",
    "OllamaModel",
    "OnError",
    "OutputError",
    "Page",
    "PageRangeError",
    "PageRenderError",
    "PageRequest",
    "PageStream",
    "ParsedPage",
    "Passage",
    "PasswordError",
    "Piece",
    "Reader",
    "Record",
    "RecordingBackend",
    "RemoteModelRefusedError",
    "ReplayBackend",
    "Reply",
    "Retriever",
    "ServerBackend",
    "Source",
    "SourceError",
    "SourceNotAllowedError",
    "SourceNotFoundError",
    "Split",
    "Table",
    "TextLayer",
    "Timings",
    "TokenLogprob",
    "TransformersBackend",
    "UnsupportedSourceError",
    "__version__",
    "boxes_between",
    "choose_backend",
    "chunk_document",
    "crop_boxes",
    "document_record",
    "draw_page",
    "estimate_tokens",
    "format_page",
    "open_source",
    "page_records",
    "page_wanted",
    "parse_document",
    "parse_page",
    "parse_table",
    "probe_backends",
    "render_page",
    "resolve_inside",
    "sample_path",
    "split_records",
    "to_docling",
    "write_folder",
]
