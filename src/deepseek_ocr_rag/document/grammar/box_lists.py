"""Reads box lists like ``[[1, 2, 3, 4], [5, 6, 7, 8]]``, and finds the remains of broken ones."""

from __future__ import annotations

import re

from ..types import Box

__all__ = [
    "MAX_JUNK",
    "box_list",
    "is_broken_list",
    "list_at_head",
    "odd_list",
    "open_list",
    "read_boxes",
]

MAX_JUNK = 16
"""Most stray characters in a box list (the model wrote "clef", or one Chinese word); a
list with more of them is text."""

_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_JUNK = re.compile(r"[^0-9\[\](){},.:;\s-]")
_OPEN_LIST = re.compile(r"[ \t]*(\[[0-9\[\],. \t-]*)")
_LINE = re.compile(r"([0-9\[\](){},.:; \t-]+)(?=\n|\Z)")
_BETWEEN = re.compile(r"[\[\](){},:; \t]+")
_COORDINATE = re.compile(r"-?[0-9]{1,6}(?:\.[0-9]{1,9})?")
_EMPTY = re.compile(r",*[\[\]][\[\],]*")
_ROUND = re.compile(r"[({]+ *[0-9.]+ *(?:, *[0-9.]+ *)+[)}]+")
_EMPTIES = re.compile(r"(?:\[\]){2,}|\[\[\]\]")
_NAME = re.compile(
    r"<(?:bbox|box)>|(?:bbox(?:es)?|box(?:es)?|bounding[ _]box(?:es)?|coord(?:inate)?s?)[ \t]*[=:]",
    re.IGNORECASE,
)
_NAME_END = re.compile(r"</(?:bbox|box)>\Z", re.IGNORECASE)
_BETWEEN_ODD = re.compile(r"[<>\[\](){},:; \t]+")
_PAIRS = {"[": "]", "(": ")", "{": "}"}
_OPENING, _CLOSING = tuple("<[({"), tuple(">])}")


def read_boxes(text: str) -> tuple[tuple[Box, ...], bool]:
    """Reads a box list, whatever is between the numbers.

    Also returns whether the list could be read: it must have a multiple of four numbers, or be ``[]``
    or missing.
    """
    # Longer numbers are clamped to the page anyway; float() must stay cheap.
    values = [float(digits[:12]) for digits in _NUMBER.findall(text)]
    if not values or len(values) % 4:
        return (), text in ("[]", "")
    return tuple(Box.from_grid(*values[i : i + 4]) for i in range(0, len(values), 4)), True


def box_list(text: str) -> tuple[str, str, str]:
    """Cuts the contents of a closed ``<|det|>`` into text, box list, and text after the list.

    A few other characters are accepted in a list with double brackets or a multiple of four
    numbers; otherwise everything is text.
    """
    text = text.strip()
    written, rest = list_at_head(text)
    if rest or not written:
        written = odd_list(text)
    if written:
        return "", written, ""
    first, last = text.find("["), text.rfind("]")
    if first < 0:
        return ("", text, "") if not _JUNK.search(text) else (text, "", "")
    if last < first:
        last = len(text)
    numbers = text[first : last + 1]
    junk = len(_JUNK.findall(numbers))
    whole = numbers.startswith("[[") and numbers.endswith("]]")
    if "\n" in numbers or junk > MAX_JUNK or (junk and not whole and not read_boxes(numbers)[0]):
        return text, "", ""
    return text[:first].rstrip(), numbers, text[last + 1 :].lstrip()


def open_list(text: str) -> tuple[str, str]:
    """Cuts the text after an unclosed ``<|det|>`` into its coordinates and the rest.

    They are coordinates if they end with ``]]`` or with their line; otherwise everything is text.
    """
    written, rest = list_at_head(text)
    if written:
        return written, rest
    line, newline, rest = text.partition("\n")
    if written := odd_list(line, closed=False):
        return written, newline + rest
    match = _OPEN_LIST.match(text)
    if match is None:
        return "", text
    written = match[1]
    end = match.end()
    if "]]" in written:
        cut = written.rindex("]]") + 2
        end -= len(written) - cut
        written = written[:cut]
    elif text[end : end + 1] not in ("", "\n"):
        return "", text
    if written.startswith("[[") or read_boxes(written)[0]:
        return written, text[end:]
    return "", text


def list_at_head(text: str) -> tuple[str, str]:
    """Cuts off the coordinates that fill the first line of a text; ("", text) if there are none.

    Use it where a box list should be. The list may be broken (``[][]``, ``[0.5, 0.5]``,
    ``((1, 897, 528, 925]]``): brackets alone, or at least two numbers with brackets around them.
    ``[12]`` and ``12(3), 4`` are text.
    """
    match = _LINE.match(text)
    if match is None or not _are_coordinates(match[1].strip()):
        return "", text
    return match[1].strip(), text[match.end() :]


def odd_list(text: str, *, closed: bool = True) -> str:
    """Converts a text in the place of a box list to a list, if it is one in another notation; else "".

    Other notations are a multiple of four numbers in angle brackets (``<1, 2, 3, 4>``) or after a
    name (``bbox=[1, 2, 3, 4]``), and ``bbox=`` alone. ``<1, 2>`` is text, and so is
    ``Box: 1, 2, 3, 4`` unless the tag is ``closed``.
    """
    text = text.strip()
    name = _NAME.match(text)
    inside = _NAME_END.sub("", text[name.end() :] if name else text).strip(" \t\"'`")
    if not name and not (inside[:1] in _OPENING and inside[-1:] in _CLOSING and "," in inside):
        return ""
    if name and name[0].endswith(":") and not closed and inside[:1] not in _OPENING:
        return ""
    numbers = [piece for piece in _BETWEEN_ODD.split(inside) if piece]
    if not numbers and (not name or name[0].endswith(":")):
        return ""
    if len(numbers) % 4 or not all(map(_COORDINATE.fullmatch, numbers)):
        return ""
    return f"[{', '.join(numbers)}]"


def is_broken_list(text: str) -> bool:
    """Whether a line is certainly a broken box list, wherever it is.

    This is true of empty lists, and of boxes on the 0..999 grid with brackets that do not match.
    """
    if _EMPTIES.fullmatch(text):
        return True
    values = _NUMBER.findall(text)
    return (
        _are_coordinates(text)
        and bool(values)
        and len(values) % 4 == 0
        and all(digits.isdecimal() and int(digits[:6]) <= 999 for digits in values)
        and not _fit(text)
    )


def _are_coordinates(written: str) -> bool:
    numbers = [piece for piece in _BETWEEN.split(written) if piece]
    if not numbers:
        return _EMPTY.fullmatch(written) is not None
    if len(numbers) < 2 or not all(map(_COORDINATE.fullmatch, numbers)):
        return False
    if "[" not in written and "]" not in written:
        return len(numbers) % 4 == 0 and _ROUND.fullmatch(written) is not None
    return written[0] in _PAIRS or written[-1] in _PAIRS.values()


def _fit(text: str) -> bool:
    """Whether each bracket is closed by a bracket of the same kind."""
    due: list[str] = []
    for character in text:
        if character in _PAIRS:
            due.append(_PAIRS[character])
        elif character in _PAIRS.values() and (not due or due.pop() != character):
            return False
    return not due
