"""Lays out words with boxes: reading order, headings, paragraphs, lists, tables."""

from .page import lay_out

__all__ = ["lay_out"]
