"""Checks that must hold for any text from a model or a page.

Both fuzzers use them: hypothesis in the test suite, and atheris in ``make fuzz``.
"""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

from deepseek_ocr_rag import markdown_to_html, parse_document, parse_page
from deepseek_ocr_rag.document import parse_table
from deepseek_ocr_rag.document.grammar.runtime_noise import encode_noise, find_noise, split_pages
from deepseek_ocr_rag.document.markdown import cut_tables, markdown_parts
from deepseek_ocr_rag.document.sanitize import inert_markdown
from deepseek_ocr_rag.document.tables import MAX_GRID_CELLS
from deepseek_ocr_rag.grammar import ParsedPage, format_page
from deepseek_ocr_rag.text.visible import visible

LINE_END = re.compile(r"\r\n?")

FRAGMENTS = [
    "<|ref|>", "<|/ref|>", "<|det|>", "<|/det|>", "<|ref|>text<|/ref|>", "<|det|>[[1, 2, 3, 4]]<|/det|>",
    "<|ref|>table<|/ref|><|det|>[[0, 0, 999, 999]]<|/det|>\n", "<|ref|>image<|/ref|>", "<|det|>title [1, 2, 3, 4]<|/det|>",
    "[[1, 2, 3, 4], [5, 6, 7, 8]]", "[[", "]]", ", ", "-1", "1e9", "99999999999999999999", "0.5", "١٢", "[[nan]]",
    "<table>", "</table>", "<tr>", "</tr>", "<td>", "</td>", '<td colspan="2">', "<td rowspan='3'>", "<th colspan=9999999>",
    "<td colspan=\"0\">", "<thead>", "<br>", "<br/>", "<sub>", "</sub>", "<center>", "</center>", "<td", "</", "<", ">", "&",
    "&amp;", "&lt;", "&#60;", "&#0;", "&#x110000;", "&notit;", "&nbsp;", "|", "| a | b |", "\n| --- | --- |\n", "\\|",
    "# ", "## ", "\n", "\n\n", " ", "\t", "\r\n", "```", "~~~", "\\[", "\\]", "\\(", "$$", "---", "=" * 21, "[x](y)", "![",
    "<--- Page Split --->", "<PAGE>", "\nBASE:  torch.Size([1, 256, 1280])", "\nNO PATCHES\n" + "=" * 21, "\nimage size:  (1, 2)",
    "===============save results:===============", "<｜end▁of▁sentence｜>", "[Unsupported content type: UsageContent]",
    "image: 0it [00:00, ?it/s]", "INFO 10-25 03:12:45 [a.py:1] x", "<|im_start|>", "<|endoftext|>", "<td>", "a", "word",
    "\x00", "\x1b", "\u2028", "\ufeff", "\ud800", "中文", "\U0001f600", "é", "\u0301",
]  # fmt: skip


def check_grammar(text: str) -> None:
    """A page is parsed, its blocks are where their spans say, and writing it loses no word."""
    page = parse_page(text)
    end = 0
    for block in page.blocks:
        if not end <= block.span[0] <= block.span[1] <= len(page.markdown):
            raise AssertionError(f"span {block.span} after {end}")
        if page.markdown[block.span[0] : block.span[1]] != block.text:
            raise AssertionError("a block is not where it says")
        for box in block.boxes:
            if not (0 <= box.x0 <= box.x1 <= 1 and 0 <= box.y0 <= box.y1 <= 1):
                raise AssertionError(f"box {box}")
        end = block.span[1]
    # format_page expects tables in this form.
    tidy = [b if b.table is None else replace(b, html=b.table.to_html()) for b in page.blocks]
    again = parse_page(format_page(tidy))
    if [text.split() for text in texts_of(again)] != [text.split() for text in texts_of(page)]:
        raise AssertionError("written and read, it is another page")
    json.dumps(parse_document(text, source="x").to_dict())


def texts_of(page: ParsedPage) -> list[str]:
    return [block.text for block in page.blocks if block.html is None and block.text.strip()]


def check_table(text: str) -> None:
    """A table is parsed within bounds and parses the same after writing; its CSV has its cells."""
    table = parse_table(text)
    grid = table.to_rows()
    if sum(map(len, grid)) > 2 * MAX_GRID_CELLS + len(text):
        raise AssertionError("the grid is too large")
    if parse_table(table.to_html()) != table:
        raise AssertionError("written and read, it is another table")
    table.to_markdown()
    rows = list(csv.reader(io.StringIO(table.to_csv(), newline="")))
    grid = tuple(tuple(LINE_END.sub("\n", cell) for cell in row) for row in grid)
    plain = [tuple(visible(cell).replace("'", "") for cell in row) for row in grid if row]
    if [tuple(cell.replace("'", "") for cell in row) for row in rows if row] != plain:
        raise AssertionError("the CSV has other cells")
    if any(cell[:1] in ("=", "@", "\t", "\r") for row in rows for cell in row):
        raise AssertionError("a formula")


def check_noise(text: str) -> None:
    """Runtime noise is found in order, and pages are split without loss."""
    end = 0
    for start, stop in find_noise(text):
        if not end <= start < stop <= len(text):
            raise AssertionError(f"noise at {start}, {stop} after {end}")
        end = stop
    split_pages(text)
    encode_noise(text)


def check_markdown(text: str) -> None:
    """Parts are where their spans say, and the shown text has no tag of its own."""
    end = 0
    for _, part, html, start, stop in markdown_parts(text):
        if not end <= start <= stop <= len(text) or (html is None and text[start:stop] != part):
            raise AssertionError("a part is not where it says")
        end = stop
    list(cut_tables(text))
    shown = markdown_to_html(text).lower()
    if any(f"<{tag}" in shown for tag in ("script", "img", "a ", "a>", "iframe", "svg", "|")):
        raise AssertionError("an active tag")
    inert_markdown(text)


CHECKS = {
    "grammar": check_grammar,
    "tables": check_table,
    "noise": check_noise,
    "markdown": check_markdown,
}
