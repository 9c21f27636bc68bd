"""Replaces the figures of known answers by those of neighbouring cells, for benchmarks/qa/neighbours.py.

The questions are those of ../shared/corpus, as people ask: "How much was spent on stock?" where the
table has "Repurchases of common stock".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from itertools import permutations

from questions import Question
from table_questions import COLUMN, ROW, Asked, Grid, amount_in, digits_of

__all__ = ["asked_again"]

NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
STEPS = ((ROW, -1, 0), (ROW, 1, 0), (COLUMN, 0, -1), (COLUMN, 0, 1))
HUNDRED = Decimal(100)
OPERATIONS: tuple[Callable[[Decimal, Decimal], Decimal], ...] = (
    lambda a, b: a - b,
    lambda a, b: a + b,
    lambda a, b: a / b,
    lambda a, b: HUNDRED * a / b,
    lambda a, b: HUNDRED * (a - b) / b,
    lambda a, b: (a + b) / 2,
)

_Slot = tuple[int, int]


def asked_again(question: Question, grids: Sequence[Grid]) -> Iterator[Asked]:
    """A known question with false answers, if its figures are in the tables of its pages once."""
    found = list(NUMBER.finditer(question.answer))
    for grid in grids:
        false: list[tuple[str, str]] = []
        for match in found:
            slots = _having(grid, match[0])
            others = grid and sum(len(_having(other, match[0])) for other in grids)
            if len(slots) == 1 and others == 1:
                false += _beside(grid, slots[0], question.answer, match)
        operands = [_having(grid, figure) for figure in question.figures]
        if not false and len(operands) == 2 and all(len(slots) == 1 for slots in operands):
            false += _calculated(grid, [slots[0] for slots in operands], question.answer, found)
        if false:
            yield Asked(question.kind, question.question, question.answer, tuple(false))
            return


def _having(grid: Grid, figure: str) -> list[_Slot]:
    """The cells that hold a figure."""
    wanted = digits_of(figure)
    return [
        (r, c)
        for r, row in enumerate(grid)
        for c, text in enumerate(row)
        if wanted and amount_in(text) is not None and digits_of(text) == wanted
    ]


def _at(grid: Grid, slot: _Slot) -> str:
    row, column = slot
    return grid[row][column] if 0 <= row < len(grid) and 0 <= column < len(grid[row]) else ""


def _beside(
    grid: Grid, slot: _Slot, answer: str, match: re.Match[str]
) -> Iterator[tuple[str, str]]:
    for name, down, right in STEPS:
        other = _at(grid, (slot[0] + down, slot[1] + right))
        if amount_in(other) is not None and digits_of(other) not in {
            digits_of(number) for number in NUMBER.findall(answer)
        }:
            digits = NUMBER.search(other)
            if digits is not None:
                yield name, f"{answer[: match.start()]}{digits[0]}{answer[match.end() :]}"


def _calculated(
    grid: Grid, slots: Sequence[_Slot], answer: str, numbers: Sequence[re.Match[str]]
) -> Iterator[tuple[str, str]]:
    for match in numbers:
        places = len(match[0].partition(".")[2])
        shown = Decimal(match[0].replace(",", ""))
        for operation in OPERATIONS:
            for order in permutations(slots):
                value = _value(grid, order, operation)
                if value is None or round(abs(value), places) != shown:
                    continue
                for name, down, right in STEPS:
                    moved = [(row + down, column + right) for row, column in order]
                    other = _value(grid, moved, operation)
                    if other is not None and round(abs(other), places) != shown:
                        false = f"{abs(other):,.{places}f}"
                        yield name, f"{answer[: match.start()]}{false}{answer[match.end() :]}"
                return


def _value(
    grid: Grid, slots: Sequence[_Slot], operation: Callable[[Decimal, Decimal], Decimal]
) -> Decimal | None:
    amounts = [amount_in(_at(grid, slot)) for slot in slots]
    if any(amount is None or not amount.value for amount in amounts):
        return None
    one, other = (amount.value for amount in amounts if amount is not None)
    return operation(one, other)
