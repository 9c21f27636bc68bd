"""Cuts Markdown without layout tags into blocks, and HTML tables out of text."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["LINE_BREAK", "cut_tables", "heading_level", "markdown_parts"]

LINE_BREAK = re.compile(r"<br[ \t]{0,9}/?>", re.I)
"""The HTML tag for a line break."""

_TABLE_EDGE = re.compile(r"<(/?)table\b[^<>]*>|<table\b", re.I)
_ATX = re.compile(r"(#{1,6})(?:[ \t]|$)")
_FENCES = ("```", "~~~")
_RULE = frozenset("|-: \t")


def heading_level(line: str) -> int:
    """Counts the ``#`` at the start of a line, 0 if it is not a Markdown heading."""
    match = _ATX.match(line)
    return len(match[1]) if match else 0


def cut_tables(text: str) -> Iterator[tuple[str, str | None, int, int]]:
    """Separates the HTML tables in a text from the text around them.

    An unclosed table reaches to the end. Text that is only white space and ``<br>`` is left out.

    Yields:
        ``(text, None, start, end)`` or ``("", the table's HTML, start, end)`` in order.
    """
    position = depth = 0
    start = -1
    for edge in _TABLE_EDGE.finditer(text):
        if not edge[1]:
            if depth == 0:
                start = edge.start()
                yield from _between(text, position, start)
            depth += 1
        elif depth:
            depth -= 1
            if depth == 0:
                position = edge.end()
                yield "", text[start:position], start, position
    if depth:
        yield "", text[start:].strip(), start, len(text)
    else:
        yield from _between(text, position, len(text))


def _between(text: str, start: int, end: int) -> Iterator[tuple[str, None, int, int]]:
    piece = text[start:end]
    if LINE_BREAK.sub("", piece).strip():
        yield piece, None, start, end


def markdown_parts(text: str) -> Iterator[tuple[str, str, str | None, int, int]]:
    """Cuts Markdown at empty lines, headings, tables, code fences and display formulas.

    Yields:
        ``(kind, text, html, start, end)``. The kind is title (one ``#``), sub_title, text,
        equation, code or table; ``html`` is None for all but an HTML table.
    """
    for piece, html, start, end in cut_tables(text):
        if html is not None:
            yield "table", "", html, start, end
        else:
            for lines, before in _paragraphs(piece.split("\n")):
                part = "\n".join(lines)
                at = start + before
                yield _kind_of(lines), part, None, at, at + len(part)


def _paragraphs(lines: list[str]) -> Iterator[tuple[list[str], int]]:
    """Yields the lines of each paragraph, and the number of characters before it."""
    paragraph: list[str] = []
    until = ""  # The mark that ends the open code fence or formula.
    first = position = 0
    for line in lines:
        bare = line.strip()
        here, position = position, position + len(line) + 1
        if until:
            paragraph.append(line)
            if bare.endswith(until) if until == "\\]" else bare.startswith(until):
                until = ""
                yield paragraph, first
                paragraph = []
            continue
        if paragraph and (not bare or heading_level(bare) or bare.startswith((*_FENCES, "\\["))):
            yield paragraph, first
            paragraph = []
        if not bare:
            continue
        first = first if paragraph else here
        paragraph.append(line)
        if heading_level(bare):
            yield paragraph, first
            paragraph = []
        elif bare.startswith(_FENCES):
            until = bare[:3]
        elif bare.startswith("\\[") and "\\]" not in bare:
            until = "\\]"
    while paragraph and not paragraph[-1].strip():
        paragraph.pop()  # An empty line at the end of an unclosed fence.
    if paragraph:
        yield paragraph, first


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
