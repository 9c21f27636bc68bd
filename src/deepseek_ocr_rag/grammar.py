"""The model's output grammar: from the text that a model writes to blocks with boxes, and back."""

from .document.grammar.confidence import TokenLogprob
from .document.grammar.parser import ParsedPage, format_page, parse_document, parse_page

__all__ = ["ParsedPage", "TokenLogprob", "format_page", "parse_document", "parse_page"]
