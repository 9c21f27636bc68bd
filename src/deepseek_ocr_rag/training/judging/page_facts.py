"""Checks whether a text has the facts of olmOCR-bench about a page.

Written from the benchmark's README and the fields of its files. Formulas are compared as text,
without spaces and the marks that only change their looks; the benchmark draws them in a browser and
compares the drawings, so its own program may find more of them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from ...errors import UnusableLineError
from .marked_text import between
from .table_neighbours import CellGrid, tables_in

__all__ = ["FACTS", "FIELDS", "check_fact", "checked_fact", "near_places", "normal_text"]

Fact = Mapping[str, Any]

FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "present": ("text",),
    "absent": ("text",),
    "order": ("before", "after"),
    "table": ("cell",),
    "math": ("math",),
    "baseline": (),
    "format": ("text", "format"),
    "footnote": ("marker",),
}
"""The kinds of facts, and the fields that each must have beside pdf, page and id."""

SIDES: Final = (
    *("up", "down", "left", "right", "top_heading", "left_heading"),
    *("appears_before_marker", "appears_after_marker"),
)
ROUNDING: Final = 1e-9
NEAR: Final = 200
"""Characters beside a footnote's mark that are searched for its text."""
LONGEST_REPEAT: Final = 30
"""Repetitions of up to five characters at the end of a text, above which it is a loop."""
SAME: Final = {
    **dict.fromkeys("‘’‚", "'"),
    **dict.fromkeys("“”„", '"'),
    **dict.fromkeys("–—‑‒−", "-"),
    "＿": "_",
    "µ": "μ",
}
_TAG: Final = re.compile(r"</?[bi]>")
_BREAK: Final = re.compile(r"<br\s*/?>")
_MARKS: Final = str.maketrans("", "", "*_")
_SPACE: Final = re.compile(r"\s+")
_LOOKS: Final = re.compile(
    r"\\(?:left|right|displaystyle|limits|mathrm|mathbf|boldsymbol|text|[bB]igg?[lr]?)(?![a-zA-Z])"
    r"|\\[,;:! ]|\\q?quad(?![a-zA-Z])|[\s{}]"
)
_FOREIGN: Final = re.compile("[一-鿿぀-ヿ\U0001f300-\U0001f6ff\U0001f1e0-\U0001f1ff]")
_HIGH: Final = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_IMAGE: Final = re.compile(r"!\[[^\]\n]{0,500}\]\([^)\n]{0,500}\)")
_FORMATS: Final = ("heading", "bold", "italic")


def normal_text(text: str) -> str:
    """Normalise a text for comparing: single spaces, plain quotes and hyphens, no bold or italics."""
    text = _TAG.sub("", _BREAK.sub(" ", text)).translate(_MARKS)
    text = unicodedata.normalize("NFC", _SPACE.sub(" ", text))
    return "".join(SAME.get(letter, letter) for letter in text)


def check_fact(fact: Fact, text: str) -> bool:
    """Return whether a page's Markdown has a fact. :data:`FIELDS` says what a fact must have."""
    return FACTS[str(fact["type"])](fact, text)


def near_places(wanted: str, text: str, edits: int) -> Iterator[int]:
    """Yield where a text that equals ``wanted``, except for some edits, ends (Sellers, 1980)."""
    if not edits:
        place = text.find(wanted)
        while place >= 0:
            yield place + len(wanted)
            place = text.find(wanted, place + 1)
        return
    row = list(range(len(wanted) + 1))
    for place, letter in enumerate(text, 1):
        before, row[0] = row[0], 0
        for number, other in enumerate(wanted, 1):
            before, row[number] = (
                row[number],
                min(before + (letter != other), row[number] + 1, row[number - 1] + 1),
            )
        if row[-1] <= edits:
            yield place


def _edits(fact: Fact) -> int:
    return int(fact.get("max_diffs") or 0)


def _least(fact: Fact, text: str) -> float:
    """Return how alike two texts must be, 0..1."""
    return 1 - _edits(fact) / max(1, len(text)) - ROUNDING


def _like(one: str, other: str) -> float:
    from rapidfuzz import fuzz

    return fuzz.ratio(one, other) / 100


def _part_like(wanted: str, text: str) -> float:
    from rapidfuzz import fuzz

    if len(text) < len(wanted):  # otherwise the roles of both texts would be swapped
        return _like(wanted, text)
    return fuzz.partial_ratio(wanted, text) / 100


def _present(fact: Fact, text: str) -> bool:
    wanted, text = normal_text(fact["text"]), normal_text(text)
    if not fact.get("case_sensitive", True):
        wanted, text = wanted.lower(), text.lower()
    first, last = int(fact.get("first_n") or 0), int(fact.get("last_n") or 0)
    if first or last:
        text = text[:first] + (text[-last:] if last else "")
    return _part_like(wanted, text) >= _least(fact, wanted)


def _order(fact: Fact, text: str) -> bool:
    text, edits = normal_text(text), _edits(fact)
    before, after = normal_text(fact["before"]), normal_text(fact["after"])
    first = next(near_places(before, text, edits), None)
    last = next(near_places(after[::-1], text[::-1], edits), None)
    # ``first`` is where ``before`` ends; ``last`` is where ``after`` begins, counted from the end.
    return first is not None and last is not None and first - len(before) < len(text) - last


def _table(fact: Fact, text: str) -> bool:
    return any(
        _in_table(fact, grid, number)
        for grid in tables_in(text)
        for number, cell in enumerate(grid.cells)
        if _same_cell(fact, fact["cell"], cell.text)
    )


def _in_table(fact: Fact, grid: CellGrid, number: int) -> bool:
    """Return whether everything that the fact says about a cell's neighbours holds."""
    beside = {side: grid.neighbours(number, side) for side in ("up", "down", "left", "right")}
    beside["top_heading"] = grid.headings(number, "up")
    beside["left_heading"] = grid.headings(number, "left")
    return all(
        any(_same_cell(fact, fact[side], grid.cells[each].text) for each in found)
        for side, found in beside.items()
        if fact.get(side)
    )


def _same_cell(fact: Fact, wanted: str, found: str) -> bool:
    wanted = normal_text(wanted)
    return _like(wanted, normal_text(found)) >= max(0.5, _least(fact, wanted))


def _math(fact: Fact, text: str) -> bool:
    wanted = _formula(fact["math"])
    return any(wanted in _formula(each) for each in _formulas(text))


def _formulas(text: str) -> Iterator[str]:
    yield from between(text, "\\(", "\\)")
    yield from between(text, "\\[", "\\]")
    parts = text.split("$$")
    yield from parts[1:-1:2]
    yield from "".join(parts[::2]).split("$")[1:-1:2]


def _formula(text: str) -> str:
    """Remove spaces, braces and the marks that only change a formula's looks."""
    return _LOOKS.sub("", text.replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac"))


def _baseline(fact: Fact, text: str) -> bool:
    if fact.get("max_length") is not None and fact.get("max_length_skips_image_alt_tags"):
        text = _IMAGE.sub("", text)
    letters = sum(letter.isalnum() for letter in text)
    if fact.get("max_length") is not None:
        return letters <= int(fact["max_length"])
    if not letters or (fact.get("check_disallowed_characters", True) and _FOREIGN.search(text)):
        return False
    most = int(fact.get("max_repeats") or LONGEST_REPEAT)
    return all(_repeats(_SPACE.sub(" ", text), size) <= most for size in range(1, 6))


def _repeats(text: str, size: int) -> int:
    """Count how often the last characters are repeated at the end of a text."""
    count, last = 0, text[-size:]
    while len(text) >= size * (count + 1) and text.endswith(last, 0, len(text) - size * count):
        count += 1
    return count


def _format(fact: Fact, text: str) -> bool:
    wanted = normal_text(fact["text"])
    return any(
        _part_like(wanted, normal_text(each)) >= _least(fact, wanted)
        for each in _formatted(text, fact["format"])
    )


def _formatted(text: str, kind: str) -> Iterator[str]:
    if kind == "heading":
        lines = (line for line in text.splitlines() if line.startswith("#"))
        yield from (line for line in lines if line.lstrip("#").startswith(" "))
        for level in "123456":
            yield from between(text, f"<h{level}>", f"</h{level}>")
        return
    double, single, tags = "**", "__", ("b", "strong")
    if kind == "italic":
        text = text.replace(double, "").replace(single, "")
        double, single, tags = "*", "_", ("i", "em")
    yield from between(text, double, double)
    yield from between(text, single, single)
    for tag in tags:
        yield from between(text, f"<{tag}>", f"</{tag}>")


def _footnote(fact: Fact, text: str) -> bool:
    marker = re.escape(fact["marker"])
    forms = [rf"\[\^{marker}\](?!:)", rf"<sup[^<>]{{0,100}}>{marker}</sup>"]
    if fact["marker"].isdecimal():
        forms.append(fact["marker"].translate(_HIGH))
    places = [match.span() for form in forms for match in re.finditer(form, text)]
    before, after = (
        _letters(str(fact.get(f"appears_{side}_marker") or "")) for side in ("before", "after")
    )
    # Near the mark: twice as many letters as are wanted.
    left = [_letters(text[max(0, start - NEAR) : start])[-2 * len(before) :] for start, _ in places]
    right = [_letters(text[end : end + NEAR])[: 2 * len(after)] for _, end in places]
    return bool(places) and all(
        not wanted or any(_part_like(wanted, each) >= _least(fact, wanted) for each in found)
        for wanted, found in ((before, left), (after, right))
    )


def _letters(text: str) -> str:
    return "".join(letter for letter in normal_text(text) if letter.isalnum()).lower()


FACTS: Final[Mapping[str, Callable[[Fact, str], bool]]] = {
    "present": _present,
    "absent": lambda fact, text: not _present(fact, text),
    "order": _order,
    "table": _table,
    "math": _math,
    "baseline": _baseline,
    "format": _format,
    "footnote": _footnote,
}


def checked_fact(fact: object) -> dict[str, Any]:
    """Check the fields of a fact, and return it.

    Raises:
        UnusableLineError: If a field is wrong; the message says which.
    """
    if not isinstance(fact, dict):
        raise UnusableLineError("not a JSON object")
    kind = fact.get("type")
    if not isinstance(kind, str) or kind not in FIELDS:
        raise UnusableLineError(f"there are no facts of the type {kind!r:.60}")
    for name in ("pdf", "id", *FIELDS[kind]):
        if not isinstance(fact.get(name), str) or not fact[name].strip():
            raise UnusableLineError(f"{name!r} must be text")
    if type(fact.get("page")) is not int or fact["page"] < 1:
        raise UnusableLineError("'page' must be a whole number from 1")
    for name in ("max_diffs", "first_n", "last_n", "max_length", "max_repeats"):
        value = fact.get(name)
        if value is not None and (type(value) is not int or value < 0):
            raise UnusableLineError(f"{name!r} must be a whole number")
    for name in SIDES:
        if not isinstance(fact.get(name) or "", str):
            raise UnusableLineError(f"{name!r} must be text")
    if kind == "format" and fact["format"] not in _FORMATS:
        raise UnusableLineError(f"there is no format {fact['format']!r:.60}")
    return fact
