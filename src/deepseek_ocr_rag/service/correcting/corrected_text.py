"""Puts the text that people have corrected into a page: :func:`with_corrections`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from ...document.headings import HEADING_KINDS
from ...document.markdown import heading_level
from ...document.tables import Cell, Table, parse_table
from ...document.types import Block, Page
from ...errors import ConfigurationError

__all__ = ["LONGEST_CORRECTION", "corrected_block", "with_corrections"]

LONGEST_CORRECTION: Final = 100_000
"""Most characters of a block; the longest page of text has a tenth of this."""

_HTML_TABLE: Final = re.compile("<table", re.IGNORECASE)
_CELL_EDGE: Final = re.compile(r"(?<!\\)\|")
_RULE_OF_TABLE: Final = re.compile(r"[|\s:-]+")


def with_corrections(page: Page, texts: Mapping[int, str]) -> Page:
    """Replace the texts of some blocks of a page; the spans of all blocks are updated.

    Boxes, kinds and the headings above each block stay as they were read.

    Args:
        page: As it was read.
        texts: The corrected text of each block, by its index in :attr:`Page.blocks`.

    Raises:
        ConfigurationError: If a block does not exist or cannot have that text.
    """
    if not texts:
        return page
    blocks: list[Block] = []
    pieces: list[str] = []
    position = length = 0
    for index, block in enumerate(page.blocks):
        start, end = block.span
        if start < position:
            raise ConfigurationError(
                "the blocks of this page overlap, so they cannot be corrected", page=page.number
            )
        changed = corrected_block(page, index, texts[index]) if index in texts else block
        gap = page.markdown[position:start]
        if changed is not block and not changed.text:
            gap = ""  # Otherwise the empty lines around the block would remain.
        pieces += (gap, changed.text)
        begin = length + len(gap)
        length = begin + len(changed.text)
        blocks.append(replace(changed, span=(begin, length)))
        position = end
    pieces.append(page.markdown[position:])
    if missing := sorted(set(texts) - set(range(len(page.blocks)))):
        raise _no_block(page, missing[0])
    return replace(page, markdown="".join(pieces), blocks=tuple(blocks))


def corrected_block(page: Page, index: int, text: str) -> Block:
    """A block of a page with another text, in the form that the parser would write.

    A heading keeps its ``#``, and a table may be HTML or a Markdown table. The span is not changed.

    Raises:
        ConfigurationError: If there is no such block, it has no text, or cannot have this one.
    """
    if not 0 <= index < len(page.blocks):
        raise _no_block(page, index)
    block = page.blocks[index]
    if not block.text:
        raise ConfigurationError(
            f"block {index} is a picture or empty: it has no text to correct",
            page=page.number,
            remedy="Correct a block that has text.",
        )
    if len(text) > LONGEST_CORRECTION:
        raise ConfigurationError(
            f"a text of {len(text):,} characters is longer than a block can be",
            page=page.number,
            remedy=f"Give at most {LONGEST_CORRECTION:,} characters.",
        )
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    plain = "\n".join(line.rstrip() for line in lines).strip()
    original = block.text if block.original is None else block.original
    if block.html is not None and plain:
        table = _table(page, index, plain)
        plain = table.to_html() if table.has_spans else table.to_markdown()
        return replace(block, text=plain, html=table.to_html(), original=original)
    level = HEADING_KINDS.get(block.kind, 0)
    if level and plain and heading_level(original) and not heading_level(plain):
        plain = f"{'#' * heading_level(original)} {plain}"
    return replace(block, text=plain, original=original)


def _table(page: Page, index: int, text: str) -> Table:
    """Parse a text as a table, HTML or Markdown."""
    if _HTML_TABLE.match(text):
        table = parse_table(text)
    else:
        table = Table(tuple(_cells(row) for row in text.split("\n") if not _is_rule(row)))
    if not table.rows or not (_HTML_TABLE.match(text) or text.startswith("|")):
        raise ConfigurationError(
            f"block {index} is a table, and its new text is not",
            page=page.number,
            remedy="Write rows such as | a | b |, or <table>...</table>.",
        )
    return table


def _cells(row: str) -> tuple[Cell, ...]:
    inner = row.strip().removeprefix("|")
    if inner.endswith("|") and not inner.endswith("\\|"):
        inner = inner[:-1]
    return tuple(
        Cell(part.strip().replace("\\|", "|").replace("<br>", "\n"))
        for part in _CELL_EDGE.split(inner)
    )


def _is_rule(row: str) -> bool:
    return {"|", "-"} <= {*row} and _RULE_OF_TABLE.fullmatch(row) is not None


def _no_block(page: Page, index: int) -> ConfigurationError:
    return ConfigurationError(
        f"the page has no block {index}",
        page=page.number,
        remedy=f"It has blocks 0 to {len(page.blocks) - 1}." if page.blocks else "It has none.",
    )
