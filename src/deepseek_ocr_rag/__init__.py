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

from .agents.agent_reader import (
    AgentPicture,
    AgentPlaces,
    AgentReader,
    AgentReply,
    AgentSearch,
    Place,
)
from .answering.answer import Answer, Sentence, Timings
from .answering.language_model import LanguageModel, Message, OllamaModel, StructuredLanguageModel
from .answering.qa import Conversation, DocumentQA
from .answering.stream import AnswerStream
from .answering.verification.citation import Citation
from .answering.verification.term_frequencies import Background
from .answering.verification.verifier import Verdict, Verifier
from .backends.auto import BackendStatus, choose_backend, probe_backends
from .backends.base import Backend, PageRequest, Repeatable, Reply, TokenLogprob
from .backends.lite.backend import LiteBackend, LiteBackendWarning
from .backends.local.backend import LocalBackend
from .backends.official.backend import OfficialBackend
from .backends.remote.ollama import OllamaBackend
from .backends.remote.server import ServerBackend
from .backends.replay import RecordingBackend, ReplayBackend
from .backends.transformers.backend import TransformersBackend
from .concurrency.cancellation import run_cancellable
from .document.grammar.parser import ParsedPage, format_page, parse_document, parse_page
from .document.records import (
    OnError,
    Record,
    Split,
    boxes_between,
    document_record,
    page_records,
    page_wanted,
)
from .document.sanitize import markdown_to_html
from .document.tables import Cell, Table, parse_table
from .document.text_layer import TextLayer
from .document.types import Block, Box, OcrDocument, Page
from .errors import (
    BackendError,
    BackendReplyError,
    BackendTimeoutError,
    BackendUnavailableError,
    BusyError,
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
    ReadCancelledError,
    RemoteModelRefusedError,
    SourceError,
    SourceNotAllowedError,
    SourceNotFoundError,
    UnsupportedSourceError,
)
from .export.docling import to_docling
from .export.drawing import crop_boxes, draw_page
from .export.evidence_pictures import AnswerPictures, CitedPage
from .export.folder import FolderWriter, write_folder
from .reading.cache import CacheStatus, PageCache
from .reading.reader import PageStream, Reader
from .retrieval.chunk_records import split_records
from .retrieval.chunking import Chunk, Piece, chunk_document
from .retrieval.embeddings import EmbeddingModel, OllamaEmbeddings
from .retrieval.retriever import Passage, Retriever
from .samples import sample_path
from .sources.allowed_paths import resolve_inside
from .sources.fetch_policy import FetchPolicy
from .sources.limits import Limits
from .sources.source import Source, open_source, render_page
from .text.token_count import estimate_tokens
from .version import __version__

__all__ = [
    "AgentPicture",
    "AgentPlaces",
    "AgentReader",
    "AgentReply",
    "AgentSearch",
    "Answer",
    "AnswerPictures",
    "AnswerStream",
    "Backend",
    "BackendError",
    "BackendReplyError",
    "BackendStatus",
    "BackendTimeoutError",
    "BackendUnavailableError",
    "Background",
    "Block",
    "Box",
    "BusyError",
    "CacheStatus",
    "Cell",
    "Chunk",
    "Citation",
    "CitedPage",
    "ConfigurationError",
    "Conversation",
    "CorruptSourceError",
    "DeepSeekOCRError",
    "DocumentQA",
    "EmbeddingModel",
    "FetchPolicy",
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
    "LocalBackend",
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
    "PageCache",
    "PageRangeError",
    "PageRenderError",
    "PageRequest",
    "PageStream",
    "ParsedPage",
    "Passage",
    "PasswordError",
    "Piece",
    "Place",
    "ReadCancelledError",
    "Reader",
    "Record",
    "RecordingBackend",
    "RemoteModelRefusedError",
    "Repeatable",
    "ReplayBackend",
    "Reply",
    "Retriever",
    "Sentence",
    "ServerBackend",
    "Source",
    "SourceError",
    "SourceNotAllowedError",
    "SourceNotFoundError",
    "Split",
    "StructuredLanguageModel",
    "Table",
    "TextLayer",
    "Timings",
    "TokenLogprob",
    "TransformersBackend",
    "UnsupportedSourceError",
    "Verdict",
    "Verifier",
    "__version__",
    "boxes_between",
    "choose_backend",
    "chunk_document",
    "crop_boxes",
    "document_record",
    "draw_page",
    "estimate_tokens",
    "format_page",
    "markdown_to_html",
    "open_source",
    "page_records",
    "page_wanted",
    "parse_document",
    "parse_page",
    "parse_table",
    "probe_backends",
    "render_page",
    "resolve_inside",
    "run_cancellable",
    "sample_path",
    "split_records",
    "to_docling",
    "write_folder",
]
