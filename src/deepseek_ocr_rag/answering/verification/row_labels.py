"""Finds the labels of table rows, and which of them a text names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import groupby, zip_longest
from typing import Final

from ...document.table_heads import cells_of_row
from ...text.plain_text import plain_text
from ...text.terms import content_terms, terms
from .citable_units import CitableUnit
from .parts.designations import Designation, designations

__all__ = ["TOTAL", "NamedRows", "label_terms", "mark_of_row", "row_label", "rows_apart"]

_AMOUNT: Final = re.compile(
    r"[($€£¥ -]*[0-9]{1,3}(?:,[0-9]{3})*(?:[).% ]+|[$€£¥].*)?|[($€£¥ -]+[0-9].*|[0-9.,]+ ?%"
)
_COUNT: Final = re.compile(r"\([^()]{0,20}[0-9][^()]{0,20}\)")

_SIGN: Final = re.compile(r"^(?:less|plus|add):?\s+(?!than\b)(?=[^\W\d_])", re.IGNORECASE)
"""Stands before a line item that is subtracted or added: "Less valuation allowances"."""

_REMARK: Final = re.compile(r"\([^()]{1,60}\)")

_MARK_ALONE: Final = re.compile(r"[A-Z]{0,2}[0-9]{1,2}|[A-Z]|[IVX]{1,5}")

_BARE_STROKE: Final = re.compile(r"(?<!\\)\|")

TOTAL: Final = frozenset(terms("all net other total"))
"""Words of labels that do not name a row by themselves."""


@lru_cache(maxsize=2**11)
def label_terms(row: str, *, remarks: bool = True) -> frozenset[str]:
    """The terms of the first cell that says what a row is, without notes: "(2)", "(n=612)".

    A number of one or two digits only counts the rows, so the next cell is taken; a row that begins
    with an amount has no label.

    Args:
        row: In the markup of its page.
        remarks: Whether to include words in parentheses: "provided by (used in)".
    """
    for cell in cells_of_row(row):
        label = _SIGN.sub("", _COUNT.sub(" ", plain_text(cell)).strip())
        if not remarks and any(map(str.isalpha, bare := _REMARK.sub(" ", label).strip())):
            label = bare
        found = frozenset(content_terms(label))
        if label.isdigit() and len(label) < 3:
            continue
        if _AMOUNT.fullmatch(label):
            return frozenset()
        if found:
            return found
    return frozenset()


def row_label(unit: CitableUnit, *, remarks: bool = True) -> frozenset[str]:
    """The terms of a row's label, including its designations: "probe a"."""
    return _row_label(unit.text, unit.heads, remarks)


def mark_of_row(unit: CitableUnit) -> Designation | None:
    """The designation of a row whose label is a letter or a number: "A" below "Grade".

    None if the label is a number and the next cell has letters: then the number only counts the rows.
    """
    return _mark_of_row(unit.text, unit.heads)


@lru_cache(maxsize=2**13)
def _row_label(row: str, heads: tuple[str, ...], remarks: bool) -> frozenset[str]:
    if mark := _mark_of_row(row, heads):
        return mark.terms
    found = label_terms(row, remarks=remarks)
    label = (cells_of_row(row) or ("",))[0]
    return found.union(*(each.terms for each in designations(label, ())))


@lru_cache(maxsize=2**12)
def _mark_of_row(row: str, heads: tuple[str, ...]) -> Designation | None:
    cells = cells_of_row(row)
    label = plain_text(cells[0]).strip() if cells else ""
    if len(cells) < 2 or not _MARK_ALONE.fullmatch(label):
        return None
    if label.isdigit() and any(map(str.isalpha, plain_text(cells[1]))):
        return None
    names = (plain_text((cells_of_row(head) or ("",))[0]) for head in reversed(heads))
    words = content_terms(next((name for name in names if any(map(str.isalpha, name))), ""))
    return Designation(words[-1], frozenset((label.casefold(),)), (0, 0)) if words else None


class NamedRows:
    """Knows which rows a text names.

    Args:
        said: The terms of the text, with equivalents that the sources have.
        texts: The texts that the terms are from.
    """

    def __init__(self, said: frozenset[str], texts: Sequence[str]) -> None:
        self._said = said
        self._all = said | TOTAL
        self._marked = frozenset(t.partition(" ")[0] for t in said if " " in t)
        self._counts = [Counter(content_terms(text)) for text in texts]

    def said_among(self, found: Collection[str]) -> set[str]:
        """Those of the given terms of a source that the text has."""
        return {*found} & self._said

    def is_named(self, label: frozenset[str]) -> bool:
        """Whether the text has a whole label; words such as "total" may be missing.

        "Vans" names "Van A", unless the text says which van it means.
        """
        if any(" " in term for term in label):
            label = frozenset(t for t in label if " " not in t or t.split(" ")[0] in self._marked)
        return label <= self._all and not label <= TOTAL

    def may_name(self, row: CitableUnit) -> bool:
        """Whether the text may name this row instead of another one."""
        label = row_label(row)
        known = label & self._said
        if not known:
            return False
        nearly = len(known) > 1 and len(label - known) == 1
        return nearly or self.is_named(label) or self.is_named(row_label(row, remarks=False))

    def is_named_instead(self, other: CitableUnit, row: CitableUnit) -> bool:
        """Whether the text names another row rather than this one."""
        label, rival = row_label(row), row_label(other)
        known, known_rival = label & self._said, rival & self._said
        if not label or label == rival:
            return False
        bare, bare_rival = (row_label(each, remarks=False) for each in (row, other))
        if not bare <= self._said and self.is_named(bare_rival):
            return len(bare_rival) >= len(known)
        # "Diluted" below "Shares used in the computation of" means more than its label says.
        if not (row.terms_above - other.terms_above - rival).isdisjoint(self._said):
            return False
        if known == label:
            return self.is_named(rival) and self._is_meant(label, rival)
        if bare <= self._said:
            return self.is_named(rival) and bare <= rival
        # Some labels have a word that people leave out: "RθJA Junction-to-ambient resistance".
        nearly = len(known_rival) > 1 and len(rival - known_rival) == 1 < len(label - known)
        return nearly and known < known_rival

    def _is_meant(self, label: frozenset[str], longer: frozenset[str]) -> bool:
        """Whether the longer of two labels is meant if the text has all words of both."""
        if not label < longer:
            return False
        return any(
            not all(counts[word] > 1 for word in label)
            for counts in self._counts
            if longer <= counts.keys()
        )


def rows_apart(units: Iterable[CitableUnit]) -> Iterator[CitableUnit]:
    """Split the rows of tables that stand side by side under one head.

    "Age | People | Age | People" is the head of two tables; the label of a figure is the cell to its
    left in its own table. The rows of the left table come first.
    """
    for key, group in groupby(units, key=lambda unit: unit.table):
        if key is None:
            yield from group
            continue
        for parts in zip_longest(*map(_parts_of_row, group)):
            yield from filter(None, parts)


def _parts_of_row(row: CitableUnit) -> tuple[CitableUnit, ...]:
    """The row of each single table that has not ended yet; the row itself if there is only one table."""
    width = _width_of_tables(row.heads)
    cells = cells_of_row(row.text)
    if not width or len(cells) % width:
        return (row,)
    parts: list[CitableUnit] = []
    for start in range(0, len(cells), width):
        own = cells[start : start + width]
        if not any(map(str.strip, own)):
            continue
        if not own[0].strip():
            return (row,)
        text = _as_row(own)
        heads = tuple(_as_row(_names_above(head, start, width)) for head in row.heads)
        found = frozenset(terms(plain_text(text)))
        parts.append(replace(row, text=text, terms=found, heads=heads))
    return tuple(parts)


@lru_cache(maxsize=2**8)
def _width_of_tables(heads: tuple[str, ...]) -> int:
    """The number of columns of each table that stands side by side; 0 if there is only one table."""
    names = [" ".join(cell.split()).casefold() for cell in cells_of_row(heads[-1])] if heads else []
    if not names or not any(map(str.isalpha, names[0])):
        return 0
    for width in range(2, len(names) // 2 + 1):
        if len(names) % width == 0 and names == names[:width] * (len(names) // width):
            return width
    return 0


def _names_above(head: str, start: int, width: int) -> Sequence[str]:
    """The names that a row of a head has above these columns, or else the nearest to their left."""
    names = cells_of_row(head)
    own = names[start : start + width]
    if any(map(str.strip, own)):
        return own
    return [next((name for name in names[start::-1] if name.strip()), "")]


def _as_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(_BARE_STROKE.sub('&#124;', cell.strip()) for cell in cells)} |"
