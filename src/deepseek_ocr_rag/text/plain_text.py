"""Removes markup from text: HTML tags, Markdown marks, LaTeX commands; decodes entities."""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Final

__all__ = ["plain_text", "without_tags"]

_TAG: Final = re.compile(r"</?[A-Za-z][^<>]{0,200}>")
_FRACTION: Final = re.compile(r"(?<=[0-9])(?=[¼-¾⅐-⅞])")
_LATEX: Final = re.compile(r"\\[A-Za-z]+")
_MARKUP: Final = str.maketrans({**dict.fromkeys("{}$\\*`"), **dict.fromkeys("^_~|", " ")})


def without_tags(text: str, replacement: str = " ") -> str:
    """Replaces each HTML tag; the ``<`` of ``a < b`` does not begin one."""
    return _TAG.sub(replacement, text)


def plain_text(text: str) -> str:
    """Removes HTML tags, Markdown marks and LaTeX commands, decodes entities; returns NFKC."""
    text = _FRACTION.sub(" ", html.unescape(without_tags(text)))
    text = unicodedata.normalize("NFKC", text).replace("\\circ", "°").replace("\\%", "%")
    return _LATEX.sub(" ", text).translate(_MARKUP)
