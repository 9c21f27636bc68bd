r"""Markdown without layout tags, cut into blocks; HTML tables cut out of text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .sections import heading_level

__all__ = ["cut_tables", "markdown_parts"]

_TABLE_EDGE = re.compile(r"<(/?)table\b[^<>]*>|<table\b", re.I)
_BREAK = re.compile(r"<br[ \t]{0,9}/?>")
_FENCES = ("```", "~~~")
_RULE = frozenset("|-: \t")


def cut_tables(text: str) -> Iterator[tuple[str, str | None]]:
    """Yields the pieces of a text in their order: ``(text, None)`` or ``("", table's HTML)``.

    A table that is not closed reaches to the end. Bare ``<br>`` between tables
    are left out.
    """
    position = depth = 0
    start = -1
    for edge in _TABLE_EDGE.finditer(text):
        if not edge[1]:
            if depth == 0:
                start = edge.start()
                yield from _between(text[position:start])
            depth += 1
        elif depth:
            depth -= 1
            if depth == 0:
                position = edge.end()
                yield "", text[start:position]
    if depth:
        yield "", text[start:].strip()
    else:
        yield from _between(text[position:])


def _between(text: str) -> Iterator[tuple[str, None]]:
    if text and not text.isspace():
        if "<br" in text and not _BREAK.sub("", text).strip():
            return
        yield text, None


def markdown_parts(text: str) -> Iterator[tuple[str, str, str | None]]:
    """Cuts Markdown at empty lines, headings, tables, code fences and display formulas.

    Returns:
        ``(kind, text, html)`` for each part: title (one ``#``), sub_title, text,
        equation, code, or table (with its HTML, or as a pipe table without).
    """
    for piece, html in cut_tables(text):
        if html is not None:
            yield "table", "", html
        else:
            for lines in _paragraphs(piece.split("\n")):
                yield _kind_of(lines), "\n".join(lines), None


def _paragraphs(lines: list[str]) -> Iterator[list[str]]:
    paragraph: list[str] = []
    until = ""  # what ends the open code fence or formula
    for line in lines:
        bare = line.strip()
        if until:
            paragraph.append(line)
            if bare.endswith(until) if until == "\\]" else bare.startswith(until):
                until = ""
                yield paragraph
                paragraph = []
            continue
        if paragraph and (not bare or heading_level(bare) or bare.startswith((*_FENCES, "\\["))):
            yield paragraph
            paragraph = []
        if not bare:
            continue
        paragraph.append(line)
        if heading_level(bare):
            yield paragraph
            paragraph = []
        elif bare.startswith(_FENCES):
            until = bare[:3]
        elif bare.startswith("\\[") and "\\]" not in bare:
            until = "\\]"
    if paragraph:
        yield paragraph


def _kind_of(lines: list[str]) -> str:
    first = lines[0].strip()
    level = heading_level(first)
    if level:
        return "title" if level == 1 else "sub_title"
    if first.startswith(_FENCES):
        return "code"
    if first.startswith("\\["):
        return "equation"
    if len(lines) > 1 and "|" in first and "---" in lines[1] and set(lines[1]) <= _RULE:
        return "table"
    return "text"
