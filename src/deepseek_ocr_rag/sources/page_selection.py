"""Parses page selections such as "1-3,7"."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import PageRangeError

__all__ = ["parse_page_selection"]

_MOST_DIGITS = 18
"""Most digits of a page number: enough for any page, and cheap to convert."""

_FORM = 'Count from 1, and write pages like "3", "1-3,7" or "5-" (from 5 to the end).'


def parse_page_selection(
    selection: str | int | Iterable[int] | None, page_count: int, source: str | None = None
) -> tuple[int, ...]:
    """Parse a selection of pages.

    Args:
        selection: Pages and ranges separated by commas ("1-3,7", "5-" up to the end, "2-~9" up to 9
            or the end of a shorter document), page numbers, or None for all. "-3" is an error: some
            would read it as the first three pages, others as the third from the end.
        page_count: Number of pages in the document.
        source: The name of the document for messages.

    Returns:
        The selected 1-based page numbers, each once, ascending.

    Raises:
        PageRangeError: If the selection is malformed or empty, or names pages that the document
            does not have.
    """
    if selection is None:
        return tuple(range(1, page_count + 1))
    if isinstance(selection, str):
        ranges = [_range(item.strip(), page_count, source) for item in selection.split(",")]
    else:
        numbers = [selection] if isinstance(selection, int) else selection
        ranges = [_single(number, page_count, source) for number in numbers]
    if not ranges:
        raise _error("the page selection is empty", page_count, source)
    return _merged(ranges)


def _range(item: str, page_count: int, source: str | None) -> tuple[int, int]:
    left, dash, right = (part.strip() for part in item.partition("-"))
    at_most, right = right.startswith("~"), right.removeprefix("~")
    if not (left or right) or not (_is_number(left) and _is_number(right)):
        shown = item if len(item) <= 40 else f"{item[:40]}..."
        raise _error(f"{shown!r} is not a page or a range of pages", page_count, source)
    last = int(right) if right else page_count
    if not left:
        problem = f"{item!r} does not say on which page it begins"
        if last < 1:
            raise _error(problem, page_count, source)
        meant = '"1" for the first page' if last == 1 else f'"1-{last}" for pages 1 to {last}'
        ask = f"Write {meant}; pages are not counted from the end."
        raise _error(problem, page_count, source, remedy=ask)
    first = int(left)
    last = last if dash else first
    if at_most:
        last = min(last, page_count)
    for number in (first, last):
        _single(number, page_count, source)
    if first > last:
        raise _error(f"the range {item!r} runs backwards", page_count, source)
    return first, last


def _is_number(part: str) -> bool:
    """Whether one end of a range is a page number, or left out."""
    return not part or (part.isascii() and part.isdigit() and len(part) <= _MOST_DIGITS)


def _single(number: object, page_count: int, source: str | None) -> tuple[int, int]:
    if not isinstance(number, int) or isinstance(number, bool):
        raise _error(f"{number!r} is not a page number", page_count, source)
    if number < 0:
        raise _error(f"there is no page {number}", page_count, source)
    if not 1 <= number <= page_count:
        ask = "Ask for page 1." if page_count == 1 else f"Ask for pages from 1 to {page_count}."
        raise _error(f"there is no page {number}", page_count, source, remedy=ask)
    return number, number


def _merged(ranges: list[tuple[int, int]]) -> tuple[int, ...]:
    pages: list[int] = []
    done = 0
    for first, last in sorted(ranges):
        pages.extend(range(max(first, done + 1), last + 1))
        done = max(done, last)
    return tuple(pages)


def _error(
    problem: str, page_count: int, source: str | None, *, remedy: str = _FORM
) -> PageRangeError:
    count = "1 page" if page_count == 1 else f"{page_count} pages"
    return PageRangeError(f"{problem}; the document has {count}", source=source, remedy=remedy)
