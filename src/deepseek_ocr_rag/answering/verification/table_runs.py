"""Finds the tables within a passage, their head rows, and the rows that introduce others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ...document.table_heads import cells_of_row, count_head_rows, is_group_row
from ...retrieval.retriever import Passage

__all__ = ["TABLE_STARTS", "TableRun", "introduces", "is_repeated", "table_runs"]

TABLE_STARTS: Final = ("|", "<t", "</t")

LONGEST_INTRODUCTION: Final = 300
"""Most characters of a line that introduces the rows or the list below it."""

_RULE: Final = frozenset("|-: ")


@dataclass(frozen=True, slots=True)
class TableRun:
    """The rows of one table as far as a passage has them, as indices among the passage's units."""

    head: tuple[int, ...]
    body: tuple[int, ...]
    columns: int


def table_runs(
    passage: Passage, spans: Sequence[tuple[int, int]], first: int, last: int
) -> Iterator[TableRun]:
    """The tables among consecutive units from ``first`` up to but not including ``last``.

    Args:
        passage: The passage that has the units.
        spans: The spans of all its units.
        first: Index of the first unit that is a table row.
        last: Index after the last such unit.
    """
    rows: list[int] = []
    for index in range(first, last):
        text = passage.text[slice(*spans[index])]
        if _is_rule(text):
            # A second table in pipes begins with the row above its rule.
            if len(rows) > 1 and rows[-1] == index - 1 and _is_pipes(passage, spans[rows[-2]]):
                yield _run(passage, spans, rows[:-1])
                rows = rows[-1:]
            continue
        other = rows and text.startswith("|") != _is_pipes(passage, spans[rows[-1]])
        if rows and (other or text.startswith("<table")):
            yield _run(passage, spans, rows)
            rows = []
        rows.append(index)
    if rows:
        yield _run(passage, spans, rows)


def introduces(text: str) -> bool:
    """Whether a line introduces what follows it: a caption, a unit, or words with a colon."""
    text = text.rstrip(" *_")
    if len(text) > LONGEST_INTRODUCTION:
        return False
    return text.endswith(":") or not text.endswith((".", "!", "?", ";"))


def _run(passage: Passage, spans: Sequence[tuple[int, int]], rows: Sequence[int]) -> TableRun:
    texts = [passage.text[slice(*spans[index])] for index in rows]
    repeated = 0
    while (
        repeated < len(rows)
        and is_repeated(passage, spans[rows[repeated]][0])
        and not (repeated and is_group_row(texts[repeated]))
    ):
        repeated += 1
    head = repeated or count_head_rows(texts)
    columns = max(len(cells_of_row(text)) for text in texts[: head + 1])
    return TableRun(tuple(rows[:head]), tuple(rows[head:]), columns)


def is_repeated(passage: Passage, start: int) -> bool:
    """Whether the table row at an offset is repeated from an earlier chunk."""
    return any(
        piece.repeated and piece.kind == "table" and piece.offset <= start < piece.end
        for piece in passage.pieces
    )


def _is_pipes(passage: Passage, span: tuple[int, int]) -> bool:
    return passage.text.startswith("|", span[0])


def _is_rule(text: str) -> bool:
    return text.startswith("|") and "-" in text and _RULE.issuperset(text)
