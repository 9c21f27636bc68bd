"""Makes questions on tables, each with its true answer and those of neighbouring cells.

Part of benchmarks/qa/neighbours.py. A random number is easily found out: the page does not have it.
The figure of the next row, of the next column or of another year is on the page, and often in the
right row; a model that reads a table wrongly writes just that.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

__all__ = ["COLUMN", "ROW", "Asked", "Grid", "amount_in", "digits_of", "questions_on"]

Grid = Sequence[Sequence[str]]
"""The texts of a table; that of a cell which spans columns or rows is in each of them."""

_AMOUNT = re.compile(r"(?P<minus>[-−–(]?)[$€£¥]? ?[(]?(?P<digits>\d[\d,]*(?:\.\d+)?)[MB]? ?%?\)?")
_YEAR = re.compile(r"(?<![0-9.,])(?:19|20)\d\d(?![0-9])")
_NOTE = re.compile(r"\s*(?:\([^()]{0,40}\)|[.…]{2,})\s*")
FEWEST_ROWS = 2
CELLS_EACH = 3
"""Cells of a table that are asked for."""
CALCULATIONS_EACH = 2
"""Questions of each kind of calculation on a table."""
LONGEST_LABEL = 70
HUNDRED = Decimal(100)

ROW, COLUMN = "next row", "next column"


@dataclass(frozen=True)
class Asked:
    """A question with its true answer, and false ones by what they were taken from."""

    kind: str
    question: str
    answer: str
    neighbours: tuple[tuple[str, str], ...]  # what it was taken from, answer


@dataclass(frozen=True)
class Amount:
    text: str
    value: Decimal
    is_percent: bool


@dataclass(frozen=True)
class _Table:
    """The rows with a label of their own, and the columns with a head of their own."""

    labels: tuple[str, ...]
    heads: tuple[str, ...]
    cells: tuple[tuple[Amount | None, ...], ...]

    @property
    def size(self) -> tuple[int, int]:
        return len(self.labels), len(self.heads)


def questions_on(grid: Grid, beside: Sequence[Grid], rng: random.Random) -> Iterator[Asked]:
    """Ask for some cells of a table, and for what follows from some of them.

    Args:
        grid: The table.
        beside: The other tables of its page. A label that one of them has names no row.
        rng: Draws the cells.
    """
    table = _table(grid, frozenset(label for other in beside for label in _labels(other)))
    if table is None:
        return
    yield from _look_ups(table, rng)
    for ask in (_changes, _differences, _shares, _ratios, _sums):
        found = list(ask(table))
        yield from rng.sample(found, min(CALCULATIONS_EACH, len(found)))


def _labels(grid: Grid) -> list[str]:
    return [_NOTE.sub(" ", " ".join(row[0].split())).strip(" .:").casefold() for row in grid]


def _table(grid: Grid, taken: frozenset[str]) -> _Table | None:
    while grid and grid[0] and not any(row[0].strip() for row in grid):
        grid = [row[1:] for row in grid]
    amounts = [[amount_in(text) for text in row[1:]] for row in grid]
    first = next((i for i, row in enumerate(amounts) if any(row)), len(grid))
    width = min(map(len, amounts), default=0)
    heads = [
        " ".join(dict.fromkeys(" ".join(row[c + 1].split()) for row in grid[:first])).strip()
        for c in range(width)
    ]
    labels = [_NOTE.sub(" ", " ".join(row[0].split())).strip(" .:") for row in grid]
    once = {label for label, count in Counter(_labels(grid)).items() if count == 1} - taken
    rows = [
        i
        for i in range(first, len(grid))
        if any(amounts[i])
        and labels[i].casefold() in once
        and (re.search("[A-Za-z]{3}", labels[i]) or _YEAR.fullmatch(labels[i]))
        and len(labels[i]) <= LONGEST_LABEL
    ]
    columns = [
        c
        for c in range(width)
        if _is_head(heads[c], heads) and sum(bool(amounts[r][c]) for r in rows) > 1
    ]
    if len(rows) < FEWEST_ROWS or not columns:
        return None
    cells = tuple(tuple(amounts[r][c] for c in columns) for r in rows)
    return _Table(tuple(labels[r] for r in rows), tuple(heads[c] for c in columns), cells)


def _is_head(head: str, heads: Sequence[str]) -> bool:
    """Whether a head names its column and no other: not where the reader put several heads in one."""
    words = set(head.casefold().split())
    dates = _YEAR.findall(head)
    alike = [other for other in heads if words <= set(other.casefold().split())]
    return bool(words) and len(head) <= LONGEST_LABEL and len(dates) < 2 and len(alike) == 1


def amount_in(text: str) -> Amount | None:
    text = " ".join(text.split())
    match = _AMOUNT.fullmatch(text)
    if match is None or _YEAR.fullmatch(text):
        return None
    value = Decimal(match["digits"].replace(",", ""))
    return Amount(text, -value if match["minus"] else value, "%" in text)


def _look_ups(table: _Table, rng: random.Random) -> Iterator[Asked]:
    rows, columns = table.size
    filled = [(r, c) for r in range(rows) for c in range(columns) if table.cells[r][c]]
    for r, c in rng.sample(filled, min(CELLS_EACH, len(filled))):
        label, head = table.labels[r], table.heads[c]
        is_year = _YEAR.search(head) is not None
        question = f"What was {label} in {head}?" if is_year else f"What is {head} for {label}?"
        beside = [(ROW, r - 1, c), (ROW, r + 1, c), (COLUMN, r, c - 1), (COLUMN, r, c + 1)]
        others = [
            (name, table.cells[i][k].text)
            for name, i, k in beside
            if 0 <= i < rows and 0 <= k < columns and table.cells[i][k]
        ]
        own = table.cells[r][c].text
        sentence = f"{label} was {{}} in {head}." if is_year else f"{head} for {label} is {{}}."
        for kind, form in (("look-up, figure alone", "{}"), ("look-up, sentence", sentence)):
            false = [
                (n, form.replace("{}", t)) for n, t in others if digits_of(t) != digits_of(own)
            ]
            yield Asked(kind, question, form.replace("{}", own), tuple(false))


def _asked(
    kind: str, question: str, answer: str | None, others: Sequence[tuple[str, str | None]]
) -> Iterator[Asked]:
    if answer is not None:
        false = tuple(
            (n, o) for n, o in others if o is not None and digits_of(o) != digits_of(answer)
        )
        yield Asked(kind, question, answer, false)


def _changes(table: _Table) -> Iterator[Asked]:
    """Changes between two years, in percent."""

    def change(r: int, new: int, old: int) -> str | None:
        a, b = _pair(table, (r, new), (r, old))
        if a is None or b is None or b <= 0 or a <= 0 or a == b:
            return None
        percent = HUNDRED * (a - b) / b
        return f"It {'rose' if percent > 0 else 'fell'} by {abs(percent):.1f}%."

    wording = "By what percentage did {} change from {} to {}?"
    return _of_two_years(table, "change", wording, change)


def _years(table: _Table) -> list[tuple[int, int]]:
    """Adjacent columns of two successive years, the later one first."""
    years = [_YEAR.findall(head)[-1:] for head in table.heads]
    found: list[tuple[int, int]] = []
    for c, other in pairwise(range(table.size[1])):
        a, b = years[c], years[other]
        # Of "three months" and "nine months" of two years the question would not say which.
        if a and b and years.count(a) == years.count(b) == 1 and abs(int(a[0]) - int(b[0])) == 1:
            found.append((c, other) if a > b else (other, c))
    return found


def _differences(table: _Table) -> Iterator[Asked]:
    def difference(one: int, other: int, c: int) -> str | None:
        a, b = _pair(table, (one, c), (other, c))
        if a is None or b is None or a - b < 10:
            return None
        return f"By {a - b:,}."

    words = "By how much did {} exceed {} in {}?"
    yield from _of_two_rows(table, "difference", words, difference)


def _shares(table: _Table) -> Iterator[Asked]:
    def share(part: int, whole: int, c: int) -> str | None:
        a, b = _pair(table, (part, c), (whole, c))
        if a is None or b is None or not 0 < a < b or "total" not in table.labels[whole].casefold():
            return None
        return f"{HUNDRED * a / b:.1f}%"

    yield from _of_two_rows(table, "share", "What percentage of {1} was {0} in {2}?", share)


def _ratios(table: _Table) -> Iterator[Asked]:
    def ratio(one: int, other: int, c: int) -> str | None:
        a, b = _pair(table, (one, c), (other, c))
        return None if a is None or b is None or a <= 0 or b <= 0 else f"{a / b:.2f}"

    yield from _of_two_rows(table, "ratio", "What was the ratio of {} to {} in {}?", ratio)


def _of_two_rows(
    table: _Table, kind: str, words: str, value: Callable[[int, int, int], str | None]
) -> Iterator[Asked]:
    rows, columns = table.size
    for c in range(columns):
        for one in range(rows):
            for other in range(rows):
                if one == other:
                    continue
                question = words.format(table.labels[one], table.labels[other], table.heads[c])
                others = [(ROW, value(i, other, c)) for i in _next(one, rows) if i != other]
                others += [(COLUMN, value(one, other, i)) for i in _next(c, columns)]
                yield from _asked(kind, question, value(one, other, c), others)


def _sums(table: _Table) -> Iterator[Asked]:
    """Totals of two years."""

    def total(r: int, new: int, old: int) -> str | None:
        a, b = _pair(table, (r, new), (r, old))
        return None if a is None or b is None or a + b < 10 else f"The total is {a + b:,}."

    return _of_two_years(table, "total", "What was the total of {} in {} and {}?", total)


def _of_two_years(
    table: _Table, kind: str, wording: str, answer: Callable[[int, int, int], str | None]
) -> Iterator[Asked]:
    for r, label in enumerate(table.labels):
        for new, old in _years(table):
            years = [_YEAR.findall(table.heads[c])[-1] for c in (old, new)]
            others = [(ROW, answer(i, new, old)) for i in _next(r, table.size[0])]
            others += [(COLUMN, answer(r, *pair)) for pair in _years(table) if pair != (new, old)]
            yield from _asked(kind, wording.format(label, *years), answer(r, new, old), others)


def _pair(table: _Table, *places: tuple[int, int]) -> tuple[Decimal, Decimal] | tuple[None, None]:
    cells = [table.cells[r][c] for r, c in places]
    if any(cell is None or cell.is_percent for cell in cells):
        return None, None
    return cells[0].value, cells[1].value


def _next(index: int, count: int) -> list[int]:
    return [i for i in (index - 1, index + 1) if 0 <= i < count]


def digits_of(text: str) -> str:
    return re.sub(r"[^0-9.]", "", text).strip(".")
