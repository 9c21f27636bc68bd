"""The grammar of the model's output: turns its text into blocks with boxes, and back."""

from .document.grammar.confidence import TokenLogprob
from .document.grammar.parser import ParsedPage, format_page, parse_document, parse_page

__all__ = ["ParsedPage", "TokenLogprob", "format_page", "parse_document", "parse_page"]
