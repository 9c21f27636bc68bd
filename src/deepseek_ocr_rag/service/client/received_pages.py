"""Checks the pages that a service sends, which may be anything."""

from __future__ import annotations

import math
from typing import Any, Final, get_args

from ...document.types import Block, FinishReason, Page
from ...errors import BackendReplyError

__all__ = ["received_page"]

_REASONS: Final = frozenset(get_args(FinishReason))


def received_page(data: Any, source: str) -> Page:  # noqa: ANN401 - any JSON value
    """The page in the JSON that a service sent.

    Raises:
        BackendReplyError: If it is not a page: a part is missing, or has another type.
    """
    try:
        page = Page.from_dict(data)
        if _is_well_formed(page):
            return page
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise _not_a_page(source) from error
    raise _not_a_page(source)


def _not_a_page(source: str) -> BackendReplyError:
    return BackendReplyError(
        "the service sent something that is not a page",
        source=source,
        remedy="Check that it has the same version: dsocr doctor --service URL.",
    )


def _is_well_formed(page: Page) -> bool:
    texts = (page.markdown, page.backend, page.model, page.resolution, *page.warnings)
    return (
        _is_whole(page.number)
        and _is_whole(page.attempts)
        and all(isinstance(each, str) for each in texts)
        and all(each is None or isinstance(each, str) for each in (page.label, page.error))
        and all(_is_number(each) for each in (page.width, page.height))
        and (page.confidence is None or _is_number(page.confidence))
        and page.finish_reason in _REASONS
        and all(_is_block_of(block, page.markdown) for block in page.blocks)
    )


def _is_block_of(block: Block, markdown: str) -> bool:
    start, end = block.span
    return (
        all(isinstance(each, str) for each in (block.kind, block.text, *block.section))
        and (block.html is None or isinstance(block.html, str))
        and (block.confidence is None or _is_number(block.confidence))
        and all(_is_number(each) for box in block.boxes for each in box.as_tuple())
        and _is_whole(start)
        and _is_whole(end)
        and markdown[start:end] == block.text
    )


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
