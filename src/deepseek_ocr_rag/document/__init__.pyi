from .sanitize import markdown_to_html
from .tables import Cell, Table, parse_table
from .text_layer import TextLayer
from .types import Block, Box, OcrDocument, Page

__all__ = [
    "Block",
    "Box",
    "Cell",
    "OcrDocument",
    "Page",
    "Table",
    "TextLayer",
    "markdown_to_html",
    "parse_table",
]
