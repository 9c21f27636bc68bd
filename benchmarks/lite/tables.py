"""Measures the tables of the built-in backend on text layers.

    python benchmarks/lite/tables.py [--data ../shared/corpus] [--peer pdfplumber] [--peer liteparse]
                                     [--each]

*Relations* (ICDAR 2013 table competition, Göbel et al.): for each cell with text, its neighbour to
the right and its neighbour below, if these have text. Two relations are the same if both texts
(without white space) and the direction are. Precision, recall and F1 count the relations of all
tables of all documents; "by document" is the mean of the documents' F1. *Rows whole*: of the rows
with at least two texts, those that one row of a table of ours has with the same texts in the same
order, and no other. A peer is another package, in the same run; install it first. Documents are taken in
turn for choosing settings and for reporting: those whose number in the alphabet is even are printed
as *chosen on*, the others as *held out*.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from xml.etree import ElementTree

from deepseek_ocr_rag.backends.lite.layout import lay_out
from deepseek_ocr_rag.document.grammar.parser import format_page, parse_page
from deepseek_ocr_rag.document.tables import Table
from deepseek_ocr_rag.sources.source import open_source

__all__ = ["main"]

Relation = tuple[str, str, str]
Slot = tuple[int, int]
Grid = dict[Slot, tuple[int, str]]
"""Each slot of a table: number and text of the cell that covers it."""


@dataclass(frozen=True, slots=True)
class Score:
    """Relations of one document."""

    right: int
    found: int
    wanted: int
    whole: int
    rows: int

    @property
    def f1(self) -> float:
        return 2 * self.right / max(1, self.found + self.wanted)


def bare(text: str) -> str:
    return "".join(text.split())


def relations(grid: Grid) -> Counter[Relation]:
    """A cell and its neighbour count once, however many slots they share."""
    seen: set[tuple[int, int, str]] = set()
    counted: Counter[Relation] = Counter()
    for (row, column), (number, text) in grid.items():
        for step, name in (((0, 1), "right"), ((1, 0), "below")):
            other = grid.get((row + step[0], column + step[1]))
            if other is None or other[0] == number or not (text and other[1]):
                continue
            if (number, other[0], name) not in seen:
                seen.add((number, other[0], name))
                counted[text, other[1], name] += 1
    return counted


def rows_of(grid: Grid) -> Counter[tuple[str, ...]]:
    """The texts of each row that has at least two, from left to right; a cell counts once."""
    rows: dict[int, dict[int, str]] = {}
    for (number, _), (cell, text) in sorted(grid.items()):
        if text:
            rows.setdefault(number, {})[cell] = text
    return Counter(tuple(texts.values()) for texts in rows.values() if len(texts) > 1)


def true_tables(structure: Path) -> Iterator[Grid]:
    for table in ElementTree.parse(structure).getroot().iter("table"):
        grid: Grid = {}
        # Parts of one table on several pages count their rows anew.
        for number, region in enumerate(table.iter("region")):
            for count, cell in enumerate(region.iter("cell")):
                content = cell.find("content")
                text = bare("".join(content.itertext())) if content is not None else ""
                rows, columns = (
                    range(
                        int(cell.get(f"start-{way}", 0)),
                        int(cell.get(f"end-{way}", cell.get(f"start-{way}", 0))) + 1,
                    )
                    for way in ("row", "col")
                )
                for row in rows:
                    for column in columns:
                        grid[10_000 * number + row, column] = (1_000_000 * number + count, text)
        yield grid


def ours(pdf: Path) -> Iterator[Grid]:
    with open_source(pdf) as source:
        for number in range(1, source.page_count + 1):
            layer = source.text_layer(number)
            if layer is None:
                continue
            for block in parse_page(format_page(lay_out(layer))).blocks:
                if block.table is not None:
                    rows = block.table.rows
                    numbers = {
                        (r, c): 1_000 * r + c for r, row in enumerate(rows) for c in range(len(row))
                    }
                    yield {
                        slot: (numbers[cell], bare(rows[cell[0]][cell[1]].text))
                        for slot, cell in slots(block.table)
                    }


def slots(table: Table) -> Iterator[tuple[Slot, Slot]]:
    taken: set[tuple[int, int]] = set()
    for row, cells in enumerate(table.rows):
        column = 0
        for index, cell in enumerate(cells):
            while (row, column) in taken:
                column += 1
            for i in range(cell.rowspan):
                for k in range(cell.colspan):
                    taken.add((row + i, column + k))
                    yield (row + i, column + k), (row, index)


def pdfplumber_tables(pdf: Path) -> Iterator[Grid]:
    import pdfplumber

    with pdfplumber.open(pdf) as document:
        for page in document.pages:
            for rows in page.extract_tables():
                yield {
                    (r, c): (1000 * r + c, bare(text or ""))
                    for r, row in enumerate(rows)
                    for c, text in enumerate(row)
                }


def liteparse_tables(pdf: Path) -> Iterator[Grid]:
    from liteparse import LiteParse

    for page in LiteParse(ocr_enabled=False, extract_blocks=True, quiet=True).parse(pdf).pages:
        for block in page.blocks or ():
            if block.kind == "table":
                rows = [*([block.header] if block.header else []), *(block.rows or ())]
                yield {
                    (r, c): (1000 * r + c, bare(cell.text))
                    for r, row in enumerate(rows)
                    for c, cell in enumerate(row)
                }


PEERS = {"pdfplumber": pdfplumber_tables, "liteparse": liteparse_tables}


def score(reader: Callable[[Path], Iterator[Grid]], pdf: Path) -> Score:
    wanted: Counter[Relation] = Counter()
    found: Counter[Relation] = Counter()
    true_rows: Counter[tuple[str, ...]] = Counter()
    found_rows: Counter[tuple[str, ...]] = Counter()
    for grid in true_tables(pdf.with_name(f"{pdf.stem}-str.xml")):
        wanted += relations(grid)
        true_rows += rows_of(grid)
    for grid in reader(pdf):
        found += relations(grid)
        found_rows += rows_of(grid)
    return Score(
        (wanted & found).total(),
        found.total(),
        wanted.total(),
        (true_rows & found_rows).total(),
        true_rows.total(),
    )


def row(name: str, scores: list[Score], seconds: float) -> str:
    right, found, wanted, whole, rows = (
        sum(getattr(s, n) for s in scores) for n in ("right", "found", "wanted", "whole", "rows")
    )
    precision, recall = right / max(1, found), right / max(1, wanted)
    f1 = 2 * right / max(1, found + wanted)
    return (
        f"{name:<28}{len(scores):>5}{precision:>11.3f}{recall:>9.3f}{f1:>7.3f}"
        f"{mean(s.f1 for s in scores):>13.3f}{whole / max(1, rows):>12.3f}{seconds / len(scores):>9.2f}"
    )


def main() -> None:
    """Prints one table."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    options.add_argument("--data", type=Path, default=Path("../shared/corpus"))
    options.add_argument("--peer", action="append", choices=list(PEERS), default=[])
    options.add_argument("--each", action="store_true", help="also print each document")
    arguments = options.parse_args()
    warnings.simplefilter("ignore")
    pdfs = sorted((arguments.data / "ocr/icdar2013").glob("*.pdf"))
    readers: dict[str, Callable[[Path], Iterator[Grid]]] = {"lite": ours}
    readers |= {name: PEERS[name] for name in arguments.peer}
    print(
        f"{'ICDAR 2013 relations':<28}{'docs':>5}{'precision':>11}{'recall':>9}{'F1':>7}{'by document':>13}{'rows whole':>12}{'s/doc':>9}"
    )
    for name, reader in readers.items():
        start = time.monotonic()
        scores = [score(reader, pdf) for pdf in pdfs]
        seconds = time.monotonic() - start
        print(row(name, scores, seconds))
        print(row(f"{name}, chosen on", scores[::2], seconds / 2))
        print(row(f"{name}, held out", scores[1::2], seconds / 2))
        if arguments.each:
            for pdf, each in zip(pdfs, scores, strict=True):
                print(
                    f"    {pdf.stem:<12}{each.f1:>7.3f}{each.right:>6} of {each.wanted:<6}{each.found:>6} found"
                )


if __name__ == "__main__":
    main()
