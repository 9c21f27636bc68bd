"""What the head of a table says above each column of a row, cells that span columns included."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import groupby
from typing import Final

from ...document.table_heads import cells_of_row
from ...document.tables import Table, parse_table

__all__ = ["heads_of_columns"]

_YEAR: Final = re.compile(r"(?<![0-9.,])(?:FY\s?)?(?:19|20)[0-9]{2}(?![0-9])")


@lru_cache(maxsize=2**11)
def heads_of_columns(row: str, heads: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """The texts above each column of a row, from top to bottom.

    A cell that spans columns stands above each of them, unless it spans all behind the label: then
    it tells none apart. One with as many years as the row has filled cells below it names
    each by one of these: "January 28, 2023 January 29, 2022" above two figures.

    Args:
        row: In the markup of its page, as the rows of the head.
        heads: The rows of the table's head.
    """
    cells = cells_of_row(row)
    filled = [column for column, cell in enumerate(cells) if cell.strip()]
    found: list[list[str]] = [[] for _ in cells]
    for names in _spans(heads):
        for text, start, end in names:
            below = [column for column in filled if start <= column < end]
            parts = _parts(text)
            if end - start == 1:
                named = [(start, text)]
            elif len(parts) == len(below) > 1:
                named = list(zip(below, parts, strict=True))
            elif len(parts) > 1:
                # Which year is whose cannot be told.
                named = [(start, text)]
            elif start <= 1 and end >= len(cells):
                named = []
            else:
                named = [(column, text) for column in range(start, end)]
            for column, name in named:
                if column < len(cells) and name.strip():
                    found[column].append(name)
    return tuple(map(tuple, found))


def _spans(heads: Sequence[str]) -> Iterator[list[tuple[str, int, int]]]:
    """For each row of a head its texts, with the first column and the one behind the last."""
    if not any(head.startswith("<") for head in heads):
        for head in heads:
            yield [(text, column, column + 1) for column, text in enumerate(cells_of_row(head))]
        return
    rows = parse_table("".join(heads)).rows
    texts = [cell.text for row in rows for cell in row]
    numbers = iter(range(len(texts)))
    # Cells are told apart by their numbers: neighbours may have the same text.
    numbered = (tuple(replace(cell, text=str(next(numbers))) for cell in row) for row in rows)
    seen: set[str] = set()
    for names in Table(tuple(numbered)).to_rows():
        spans, column = [], 0
        for number, group in groupby(names):
            start, column = column, column + len(list(group))
            # A cell that spans rows counts in the first of them.
            if number and number not in seen:
                spans.append((texts[int(number)], start, column))
        seen.update(names)
        yield spans


def _parts(text: str) -> list[str]:
    """A text cut behind each of its years."""
    ends = [match.end() for match in _YEAR.finditer(text)]
    return [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]
