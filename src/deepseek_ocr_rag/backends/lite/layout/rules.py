"""Joins drawn rules that continue each other, and groups those that cross."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "MAX_RULES",
    "LevelRules",
    "RulePiece",
    "connected",
    "distinct_positions",
    "whole_rules",
]

MAX_RULES = 1500
"""A page with more rules, counted after joining, is a drawing."""


@dataclass(frozen=True, slots=True)
class RulePiece:
    """A rule in the frame of the pieces."""

    horizontal: bool
    at: float  # its y if horizontal, else its x
    start: float  # its smaller x (or y)
    end: float  # its larger x (or y)

    @property
    def middle(self) -> float:
        """The x (or y) of its middle."""
        return (self.start + self.end) / 2


class LevelRules:
    """The horizontal rules of a page, to be looked up by their height.

    Args:
        rules: All rules of the page; a drawing has none that count.
        usual: Typical height of a word.
    """

    def __init__(self, rules: Sequence[RulePiece], usual: float) -> None:
        whole = whole_rules([rule for rule in rules if rule.horizontal], 0.35 * usual)
        self._rules = sorted(whole, key=lambda r: r.at) if len(whole) <= MAX_RULES else []
        self._heights = [rule.at for rule in self._rules]

    def between(self, top: float, bottom: float) -> Sequence[RulePiece]:
        """Return the rules between two heights."""
        first, last = bisect_left(self._heights, top), bisect_right(self._heights, bottom)
        return self._rules[first:last]


def whole_rules(rules: Sequence[RulePiece], tolerance: float) -> list[RulePiece]:
    """Join rules that continue or overlap each other, as cells are often drawn one by one."""
    whole: list[RulePiece] = []
    for horizontal in (True, False):
        alike = sorted((r for r in rules if r.horizontal is horizontal), key=lambda r: r.at)
        start = 0
        for end in range(1, len(alike) + 1):
            if end == len(alike) or alike[end].at - alike[end - 1].at > 0.3 * tolerance:
                whole.extend(_chained(alike[start:end], tolerance))
                start = end
    return whole


def _chained(rules: Sequence[RulePiece], tolerance: float) -> list[RulePiece]:
    chains: list[RulePiece] = []
    for rule in sorted(rules, key=lambda r: r.start):
        last = chains[-1] if chains else None
        if last is not None and rule.start <= last.end + tolerance:
            end = max(last.end, rule.end)
            chains[-1] = RulePiece(last.horizontal, last.at, last.start, end)
        else:
            chains.append(rule)
    return chains


def connected(rules: Sequence[RulePiece], tolerance: float) -> list[list[RulePiece]]:
    """Group rules that are connected by crossings; return the groups of at least four."""
    parent = list(range(len(rules)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    level = [i for i, r in enumerate(rules) if r.horizontal]
    upright = [i for i, r in enumerate(rules) if not r.horizontal]
    for i in level:
        for j in upright:
            if _meet(rules[i], rules[j], tolerance):
                parent[root(i)] = root(j)
    groups: dict[int, list[RulePiece]] = {}
    for i, rule in enumerate(rules):
        groups.setdefault(root(i), []).append(rule)
    return [g for g in groups.values() if len(g) >= 4]


def _meet(level: RulePiece, upright: RulePiece, tolerance: float) -> bool:
    return (
        level.start - tolerance <= upright.at <= level.end + tolerance
        and upright.start - tolerance <= level.at <= upright.end + tolerance
    )


def distinct_positions(values: Sequence[float], tolerance: float) -> list[float]:
    """Return distinct positions: the means of values that differ only by inexact drawing."""
    groups: list[list[float]] = []
    for value in sorted(values):
        if groups and value - groups[-1][-1] <= tolerance:
            groups[-1].append(value)
        else:
            groups.append([value])
    return [sum(group) / len(group) for group in groups]
