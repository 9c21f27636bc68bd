"""Understands the values that language models write for arguments.

Models write numbers as text, lists and objects as JSON within a text, and null for omitted arguments.
Each function turns any value whose meaning is clear into one canonical form, and refuses others with
a ConfigurationError that names the argument. All take linear time.
"""

from __future__ import annotations

import json
import math
import numbers
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..errors import ConfigurationError
from ..text.control_tokens import one_line
from .page_phrases import page_ranges_in

__all__ = [
    "LONGEST_ARGUMENT",
    "box_value",
    "decoded",
    "is_absent",
    "number_value",
    "page_value",
    "pages_value",
    "text_value",
]

LONGEST_ARGUMENT: Final = 1000
"""Most characters of a path, a page selection or a box."""

LONGEST_WORDS: Final = 5000
"""Most characters of a question, or of what to look for."""

MOST_ITEMS: Final = 500
"""Most entries of a list."""

LARGEST_NUMBER: Final = 10**9

_PATHS: Final = frozenset({"path", "folder", "id"})
"""Arguments that name a file or a folder; for them, a list of words is not joined."""

_ABSENT: Final = frozenset(
    {"", "null", "none", "nil", "undefined", "n/a", "na", "nan", "[]", "{}", "()", "[null]"}
)
_ALL_PAGES: Final = frozenset(
    {"all", "all pages", "every", "every page", "any", "full", "whole", "entire", "*", "1-end"}
    | {"entire document", "whole document", "full document", "all of them", "the whole document"}
)
_WHOLE_PAGE: Final = frozenset(
    {"all", "full", "whole", "entire", "page", "whole page", "full page", "entire page"}
    | {"the whole page"}
)
_BOX_KEYS: Final = (
    ("left", "top", "right", "bottom"),
    ("x0", "y0", "x1", "y1"),
    ("x1", "y1", "x2", "y2"),
    ("xmin", "ymin", "xmax", "ymax"),
)
_SIZE_KEYS: Final = (("x", "y", "width", "height"), ("left", "top", "width", "height"))
_ROUNDING: Final = 0.005
"""How far outside the page a fraction may be, because models round."""


def is_absent(value: object) -> bool:
    """Whether a value means that the argument was left out."""
    if isinstance(value, str):
        return len(value) < 20 and value.strip().strip("'\"").lower() in _ABSENT
    return value is None or (isinstance(value, Mapping | Sequence) and len(value) == 0)


def text_value(name: str, value: object, *, remedy: str) -> str:
    """Free text, such as a question; a number or a list of words becomes text."""
    value = _words(_unwrapped(name, value))
    if isinstance(value, list | tuple) and 0 < len(value) <= MOST_ITEMS:
        parts = [_scalar_text(each) for each in value]
        if None not in parts and (len(parts) == 1 or name not in _PATHS):
            value = " ".join(part for part in parts if part is not None)
    text = _scalar_text(value)
    if text is None:
        if value is None or (isinstance(value, Mapping | list | tuple) and not value):
            raise ConfigurationError(f"{name} is missing", remedy=remedy)
        raise _refused(name, value, remedy)
    if not text.strip():
        raise ConfigurationError(f"{name} is empty", remedy=remedy)
    longest = LONGEST_ARGUMENT if name in _PATHS else LONGEST_WORDS
    if len(text) > longest:
        raise ConfigurationError(
            f"{name} has {len(text)} characters, more than {longest}", remedy=remedy
        )
    return text


def path_text(text: str) -> str:
    """A path without the quotes that a model put around it."""
    text = text.strip(" \t\n")
    for quote in "'\"`":
        if len(text) > 2 and text[0] == text[-1] == quote:
            return text[1:-1].strip(" \t\n")
    return text


def number_value(name: str, value: object, *, default: int, least: int = 0) -> int:
    """A whole number of at least ``least``; the default if it was omitted."""
    remedy = f"Give {name} as a whole number, {least} or more, or leave it out."
    value = _named_off(name, _unwrapped(name, value))
    if is_absent(value):
        return default
    number = _whole(value)
    if number is None or not least <= number <= LARGEST_NUMBER:
        raise _refused(name, value, remedy)
    return number


def page_value(name: str, value: object) -> int:
    """One page number, from 1."""
    remedy = f"Give {name} as the number of one page, counted from 1, like 3."
    value = _named_off(name, _unwrapped(name, value))
    if is_absent(value):
        raise ConfigurationError(f"{name} is missing", remedy=remedy)
    number = _whole(value)
    if number is None and isinstance(value, str) and len(value) <= LONGEST_ARGUMENT:
        ranges = page_ranges_in(_plain(value)) or []
        if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
            number = ranges[0][0]
    if number is None or not 1 <= number <= LARGEST_NUMBER:
        raise _refused(name, value, remedy)
    return number


def pages_value(name: str, value: object) -> str | None:
    """A page selection in the form "1-3,7"; None for all pages."""
    value = _named_off(name, _unwrapped(name, value))
    if is_absent(value) or (isinstance(value, str) and _plain(value).lower() in _ALL_PAGES):
        return None
    ranges = _ranges(value, 3)
    if not ranges or any(not _ordered(first, last) for first, last in ranges):
        raise _refused(
            name,
            value,
            f"Give {name} counted from 1, like '3', '1-3,7' or '5-' (from 5 to the end), or leave it out.",
        )
    return ",".join(_range_text(first, last) for first, last in ranges)


def box_value(name: str, value: object) -> tuple[float, float, float, float] | None:
    """Four fractions of the page; None for the whole page."""
    value = _named_off(name, _unwrapped(name, value))
    if is_absent(value) or (isinstance(value, str) and _plain(value).lower() in _WHOLE_PAGE):
        return None
    found = _four(value, 3)
    if found is None or not all(-_ROUNDING <= each <= 1 + _ROUNDING for each in found):
        raise _refused(
            name,
            value,
            "Give four fractions of the page from 0 to 1: left, top, right, bottom, as "
            f"search_document and locate print them; leave {name} out for the whole page.",
        )
    x0, y0, x1, y1 = (min(1.0, max(0.0, each)) for each in found)
    return x0, y0, x1, y1


def decoded(text: str) -> object:
    """Decode JSON, even with single quotes; return the text itself if it is not JSON."""
    stripped = text.strip()
    if len(stripped) > 4 * LONGEST_ARGUMENT or stripped[:1] not in ("[", "{", '"'):
        return text
    for form in (stripped, stripped.replace("'", '"').replace("None", "null")):
        try:
            found: object = json.loads(form)
        except (ValueError, RecursionError):
            continue
        return found
    return text


def _refused(name: str, value: object, remedy: str) -> ConfigurationError:
    return ConfigurationError(f"{name} cannot be {_shown(value)}", remedy=remedy)


def _shown(value: object) -> str:
    if isinstance(value, str):
        text = one_line(value[:60])
        return f"'{text}'" if len(value) <= 60 else f"'{text}…'"
    if isinstance(value, bool) or value is None:
        return (
            {True: "true", False: "false"}.get(bool(value), "null") if value is not None else "null"
        )
    if isinstance(value, int):
        return str(value) if abs(value) < 10**18 else "a number of that size"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        inside = ", ".join(
            _shown(each) if not isinstance(each, list) else "…" for each in value[:6]
        )
        return f"[{inside}{', …' if len(value) > 6 else ''}]"
    return f"a {type(value).__name__}"


def _unwrapped(name: str, value: object) -> object:
    """The value inside an object that has only it, such as ``{"value": 3}`` or ``{"page": 3}``."""
    for _ in range(3):
        if isinstance(value, str):
            inner = decoded(value)
            if not isinstance(inner, Mapping):
                return value
        elif isinstance(value, Mapping):
            inner = value
        else:
            return value
        keys = {str(key)[:40].lower() for key in inner} - {"type", "title", "description"}
        if len(keys) != 1 or not keys <= {"value", name, "default"}:
            return value
        value = next(v for k, v in inner.items() if str(k)[:40].lower() in keys)
    return value


def _named_off(name: str, value: object) -> object:
    """A text without the argument's own name before it, as in ``pages="3-9"``."""
    if isinstance(value, str) and value.lstrip().lower().startswith(name):
        rest = value.lstrip()[len(name) :].lstrip()
        return rest[1:] if rest[:1] in ("=", ":") else value
    return value


def _words(value: object) -> object:
    """The list that a text has as JSON, if all its items are texts; otherwise the value itself."""
    inner = decoded(value) if isinstance(value, str) and value.lstrip()[:1] == "[" else None
    texts = isinstance(inner, list) and all(isinstance(each, str) for each in inner)
    return inner if inner and texts else value


def _plain(text: str) -> str:
    """Text in its compatibility form, on one line, without quotes around it."""
    text = " ".join(unicodedata.normalize("NFKC", text[:LONGEST_ARGUMENT]).split())
    return text.strip("'\"` ")


def _scalar_text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return str(value) if abs(value) < 10**18 else None


def _whole(value: object, depth: int = 3) -> int | None:
    if isinstance(value, str):
        if len(value) > 100:
            return None
        inner = decoded(value)
        if not isinstance(inner, str):
            return _whole(inner, depth)
        value = _number(_plain(value))
    if isinstance(value, list | tuple) and len(value) == 1 and depth:
        return _whole(value[0], depth - 1)
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return None
    if isinstance(value, numbers.Integral):
        return int(value)
    number = float(value)
    return int(number) if math.isfinite(number) and number.is_integer() else None


def _number(text: str) -> int | float | None:
    """A number as JSON or a person would write it."""
    if not text or len(text) > 30 or not set(text) <= set("0123456789+-.eE"):
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return None


Range = tuple[int | None, int | None]
"""First and last page; None for the document's own."""


def _ranges(value: object, depth: int) -> list[Range] | None:
    """The ranges that a value names, or None if it names none."""
    if isinstance(value, str):
        if len(value) > LONGEST_ARGUMENT:
            return None
        inner = decoded(value)
        if not isinstance(inner, str):
            return _ranges(inner, depth - 1) if depth else None
        return page_ranges_in(_plain(inner).strip("[](){}").rstrip("."))
    if isinstance(value, Mapping):
        return _range_of_object(value, depth)
    if isinstance(value, list | tuple | range | set | frozenset):
        if not depth or len(value) > MOST_ITEMS:
            return None
        found: list[Range] = []
        for each in value:
            inside = None if isinstance(each, list) and len(value) > 1 else _ranges(each, depth - 1)
            if inside is None:
                return None
            found += inside
        return found
    number = _whole(value)
    return None if number is None else [(number, number)]


def _range_of_object(value: Mapping[Any, Any], depth: int) -> list[Range] | None:
    keys = {str(key)[:40].lower(): each for key, each in value.items()}
    for first, last in (("start", "end"), ("from", "to"), ("first", "last"), ("begin", "end")):
        if set(keys) == {first, last}:
            ends = _whole(keys[first]), _whole(keys[last])
            return None if None in ends else [ends]
    if len(keys) == 1 and next(iter(keys)) in ("page", "pages", "page_number", "number") and depth:
        return _ranges(next(iter(keys.values())), depth - 1)
    return None


def _ordered(first: int | None, last: int | None) -> bool:
    low, high = 1 if first is None else first, LARGEST_NUMBER if last is None else last
    return 1 <= low <= high <= LARGEST_NUMBER


def _range_text(first: int | None, last: int | None) -> str:
    if first == last and first is not None:
        return str(first)
    return f"{first or 1}-{'' if last is None else last}"


def _four(value: object, depth: int) -> tuple[float, float, float, float] | None:
    """Four numbers, if the value has exactly these."""
    if isinstance(value, str):
        if len(value) > LONGEST_ARGUMENT:
            return None
        inner = decoded(value)
        if not isinstance(inner, str):
            return _four(inner, depth - 1) if depth else None
        separated = _plain(inner).strip("[](){}<> ").replace(",", " ").replace(";", " ")
        value = separated.split()
    if isinstance(value, Mapping):
        return _four_of_object(value)
    if not isinstance(value, list | tuple) or not depth:
        return None
    if len(value) == 1:
        return _four(value[0], depth - 1)
    if len(value) == 2 and all(isinstance(each, list | tuple) and len(each) == 2 for each in value):
        value = [*value[0], *value[1]]
    found = [_fraction(each) for each in value] if len(value) == 4 else []
    if len(found) != 4 or None in found:
        return None
    x0, y0, x1, y1 = (each for each in found if each is not None)
    return x0, y0, x1, y1


def _four_of_object(value: Mapping[Any, Any]) -> tuple[float, float, float, float] | None:
    keys = {str(key)[:40].lower().replace("_", ""): each for key, each in value.items()}
    for names in _BOX_KEYS:
        if set(names) == set(keys):
            return _four([keys[name] for name in names], 1)
    for names in _SIZE_KEYS:
        if set(names) == set(keys):
            found = _four([keys[name] for name in names], 1)
            return found and (found[0], found[1], found[0] + found[2], found[1] + found[3])
    return None


def _fraction(value: object) -> float | None:
    share = 1.0
    if isinstance(value, str):
        text = _plain(value)
        if text.endswith("%"):
            text, share = text[:-1].strip(), 0.01
        value = _number(text)
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return None
    try:
        number = float(value) * share
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
