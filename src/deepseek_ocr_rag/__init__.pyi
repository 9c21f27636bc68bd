from .answering.answer import Answer, Sentence
from .answering.models.ollama_model import OllamaModel
from .answering.models.openai_model import OpenAIModel
from .answering.qa import Conversation, DocumentQA
from .answering.verification.citation import Citation
from .answering.verify import verify
from .backends.lite.backend import LiteBackend
from .backends.local.backend import LocalBackend
from .backends.official.backend import OfficialBackend
from .backends.remote.ollama import OllamaBackend
from .backends.remote.server import ServerBackend
from .backends.replay import RecordingBackend, ReplayBackend
from .backends.transformers.backend import TransformersBackend
from .document.grammar.parser import parse_document, parse_page
from .document.sanitize import markdown_to_html
from .document.tables import Table
from .document.types import Block, Box, OcrDocument, Page
from .errors import BackendError, DeepSeekOCRError, LanguageModelError, SourceError
from .export.docling import to_docling
from .export.drawing import crop_boxes, draw_page
from .export.folder import write_folder
from .reading.cache import PageCache
from .reading.reader import Reader
from .retrieval.chunking import Chunk, chunk_document
from .retrieval.embeddings import OllamaEmbeddings
from .retrieval.retriever import Passage, Retriever
from .samples import sample_path
from .sources.fetch_policy import FetchPolicy
from .sources.limits import Limits
from .sources.source import open_source, render_page
from .version import __version__

__all__ = [
    "Answer",
    "BackendError",
    "Block",
    "Box",
    "Chunk",
    "Citation",
    "Conversation",
    "DeepSeekOCRError",
    "DocumentQA",
    "FetchPolicy",
    "LanguageModelError",
    "Limits",
    "LiteBackend",
    "LocalBackend",
    "OcrDocument",
    "OfficialBackend",
    "OllamaBackend",
    "OllamaEmbeddings",
    "OllamaModel",
    "OpenAIModel",
    "Page",
    "PageCache",
    "Passage",
    "Reader",
    "RecordingBackend",
    "ReplayBackend",
    "Retriever",
    "Sentence",
    "ServerBackend",
    "SourceError",
    "Table",
    "TransformersBackend",
    "__version__",
    "chunk_document",
    "crop_boxes",
    "draw_page",
    "markdown_to_html",
    "open_source",
    "parse_document",
    "parse_page",
    "render_page",
    "sample_path",
    "to_docling",
    "verify",
    "write_folder",
]
