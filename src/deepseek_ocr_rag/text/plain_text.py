"""Text without markup: tags, LaTeX, Markdown signs."""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Final

__all__ = ["plain_text"]


_TAG: Final = re.compile(r"</?[A-Za-z][^<>]{0,200}>")


_FRACTION: Final = re.compile(r"(?<=[0-9])(?=[¼-¾⅐-⅞])")


_LATEX: Final = re.compile(r"\\[A-Za-z]+")


_MARKUP: Final = str.maketrans({**dict.fromkeys("{}$\\*`"), **dict.fromkeys("^_~|", " ")})


def plain_text(text: str) -> str:
    """A text without HTML tags and entities, Markdown marks and LaTeX commands, in NFKC."""
    text = _FRACTION.sub(" ", html.unescape(_TAG.sub(" ", text)))
    text = unicodedata.normalize("NFKC", text).replace("\\circ", "°").replace("\\%", "%")
    return _LATEX.sub(" ", text).translate(_MARKUP)
