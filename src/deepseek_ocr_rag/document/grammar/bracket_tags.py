"""Layout tags whose marks a server has dropped: ``label[[x0, y0, x1, y1]]`` on a line of its own.

llama.cpp's server (and Ollama from 0.30 on, which runs it) never sends control tokens,
so that of ``<|ref|>title<|/ref|><|det|>[[108, 62, 489, 95]]<|/det|>`` only
``title[[108, 62, 489, 95]]`` arrives. A page's own text may hold such brackets too;
what tells a tag is where it stands (a line of its own, at the start of the page, after a blank
line or after another tag) and, for a label that the model is not known to write, a box that
could lie on a page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

__all__ = ["BracketTag", "bracket_tags"]

BracketTag = tuple[int, int, int]
"""Offsets of one tag in the page's text: its start, the end of its label, and its end."""

LEAST_SIDE: Final = 4
"""Of 999: no block of a page is narrower or lower, but ``see[[1, 2, 3, 4]]`` in a text is."""

_TAG_LINE: Final = re.compile(r"^[ \t]*([^\n]{0,300}?)[ \t]?(\[\[[^\n]*\]\])[ \t]*$", re.MULTILINE)
_CLEAN_LIST: Final = re.compile(
    r"\[\[ *\d{1,4}(?:, *\d{1,4}){3} *\](?:, *\[ *\d{1,4}(?:, *\d{1,4}){3} *\])*\]"
)
_NUMBER: Final = re.compile(r"\d+")


def bracket_tags(text: str, labels: frozenset[str]) -> list[BracketTag]:
    """Finds the tags of a page that came without their marks.

    Args:
        text: One page of model text in which no mark stands.
        labels: The labels that the model is known to write.

    Returns:
        The tags in order; none where the brackets are the page's own text.

    Example:
        >>> bracket_tags("title[[108, 62, 489, 95]]\\n# Report", frozenset({"title"}))
        [(0, 5, 25)]
    """
    candidates = list(_candidates(text, labels))
    if any(is_known for _, is_known in candidates):
        # Brackets under another name count only where the page itself begins with a tag.
        starts_with_tag = not text[: candidates[0][0][0]].strip()
        return [tag for tag, is_known in candidates if is_known or starts_with_tag]
    # "OCR this image" writes a line of the page in the place of each label, and nothing else.
    lines = sum(1 for line in text.splitlines() if line.strip())
    return [tag for tag, _ in candidates] if len(candidates) == lines else []


def _candidates(text: str, labels: frozenset[str]) -> Iterator[tuple[BracketTag, bool]]:
    """Lines that may be tags, and whether their label is a known one."""
    last_end = 0
    for line in _TAG_LINE.finditer(text):
        before = text[last_end : line.start()]
        stands_alone = not before.strip() or re.search(r"\n[ \t]*\n[ \t]*\Z", before) is not None
        label = line[1].strip()
        is_known = label in labels
        if stands_alone and (is_known or (label and _could_lie_on_a_page(line[2]))):
            last_end = line.end()
            yield (line.start(1), line.end(1), line.end(2)), is_known


def _could_lie_on_a_page(written: str) -> bool:
    if not _CLEAN_LIST.fullmatch(written):
        return False
    values = [int(digits) for digits in _NUMBER.findall(written)]
    return all(
        x1 - x0 >= LEAST_SIDE and y1 - y0 >= LEAST_SIDE and max(x1, y1) <= 999
        for x0, y0, x1, y1 in zip(*(iter(values),) * 4, strict=True)
    )
