"""Finds layout tags whose marks a server has dropped: lines like ``label[[x0, y0, x1, y1]]``.

llama.cpp's server without ``--special`` (and Ollama from 0.30 on, which runs it) sends no
control tokens: ``<|ref|>title<|/ref|><|det|>[[108, 62, 489, 95]]<|/det|>`` arrives as
``title[[108, 62, 489, 95]]``. A page's own text may contain such brackets too. A tag has a
line of its own: at the start of the page, after a blank line or after another tag. A label
that is not in ``LABELS`` must have a box that could lie on a page. On a page with such tags, a
known label with a broken list (``text[][]``, ``text[0.5, 0.5]``) counts as a tag, too.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from .box_lists import list_at_head
from .labels import LABELS, may_be_label

__all__ = ["BracketTag", "bracket_tags"]

BracketTag = tuple[int, int, int]
"""Offsets of one tag in the page's text: its start, the end of its label, and its end."""

LEAST_SIDE = 4
"""Least width and height of a box on the 0..999 grid: blocks of a page are never smaller, but
bracketed numbers in a text (``see[[1, 2, 3, 4]]``) often are."""

_TAG_LINE = re.compile(
    r"^[ \t]*(\S[^\n]{0,299}?|)[ \t]?(\[\[[^\n\[\]]*(?:\][^\n\[\]]*\[[^\n\[\]]*)*\]\])[ \t]*$",
    re.MULTILINE,
)
_BROKEN_LIST = re.compile(
    rf"^[ \t]*({'|'.join(sorted(LABELS))})[ \t]?([\[({{\])}}0-9][\[\](){{}}0-9.,:; \t-]*)$",
    re.MULTILINE,
)
_CUT_TAG = re.compile(r"^([a-z_]{1,40})(\[\[?[0-9, \[\]]*)\Z", re.MULTILINE)
_CLEAN_LIST = re.compile(
    r"\[\[ *[0-9]{1,4}(?:, *[0-9]{1,4}){3} *\](?:, *\[ *[0-9]{1,4}(?:, *[0-9]{1,4}){3} *\])*\]"
)
_NUMBER = re.compile(r"[0-9]+")
_BLANK_LINE_BEFORE = re.compile(r"\n[ \t]*\n[ \t]*\Z")
_NOT_NEWLINE = re.compile(r"[^\n]")


def bracket_tags(text: str, noise: Sequence[tuple[int, int]] = ()) -> list[BracketTag]:
    """Finds the tags of a page that came without their marks, in order.

    The list is empty if the page has marks (``<|ref|>``), or if the brackets are its own text.
    ``noise`` is the result of :func:`find_noise` for the text.
    """
    if "[[" not in text or "<|ref|>" in text or "<|det|>" in text:
        return []
    for start, end in noise:
        text = text[:start] + _NOT_NEWLINE.sub(" ", text[start:end]) + text[end:]
    candidates = list(_candidates(text))
    if any(is_known for _, is_known in candidates):
        if not text[: candidates[0][0][0]].strip():
            return [tag for tag, _ in candidates]
        # A page that begins with text of its own may hold the brackets of a list or of code.
        fences = [fence.start() for fence in re.finditer("```", text)]
        return [
            (start, label_end, end)
            for (start, label_end, end), is_known in candidates
            if is_known
            and _could_lie_on_a_page(text[label_end:end].strip())
            and bisect_left(fences, start) % 2 == 0
        ]
    if candidates and _is_named_block(text, candidates[0][0]):
        return [tag for tag, _ in candidates]
    # For "OCR this image" the model writes a line of the page as each label, and nothing else.
    lines = sum(1 for line in text.splitlines() if line.strip())
    return [tag for tag, _ in candidates] if len(candidates) == lines else []


def _is_named_block(text: str, tag: BracketTag) -> bool:
    """Whether a page begins with a tag whose unknown label has the form of the model's labels."""
    start, label_end, _ = tag
    return not text[:start].strip() and _has_form_of_label(text[start:label_end].strip())


def _has_form_of_label(word: str) -> bool:
    """Whether it is one word in lower case, or in a script without case: 标题."""
    return (
        may_be_label(word)
        and any(map(str.isalpha, word))
        and word == word.lower()
        and " " not in word
    )


def _candidates(text: str) -> Iterator[tuple[BracketTag, bool]]:
    """Yields the lines that may be tags, each with whether its label is known."""
    last_end = 0
    for line in _lines_with_brackets(text):
        before = text[last_end : line.start()]
        label = line[1].strip()
        is_known = label in LABELS
        stands_alone = not before.strip() or _BLANK_LINE_BEFORE.search(before[-100:])
        if stands_alone and (is_known or (label and _could_lie_on_a_page(line[2]))):
            last_end = line.end()
            yield (line.start(1), line.end(1), line.end(2)), is_known


def _lines_with_brackets(text: str) -> Iterator[re.Match[str]]:
    whole = list(_TAG_LINE.finditer(text))
    if any(line[1].strip() in LABELS for line in whole):
        starts = {line.start() for line in whole}
        broken = (line for line in _BROKEN_LIST.finditer(text) if list_at_head(line[2])[0])
        whole += [line for line in broken if line.start() not in starts]
        whole.sort(key=re.Match.start)
    yield from whole
    cut = _CUT_TAG.search(text, max(0, len(text) - 100))
    if cut and not cut[2].endswith("]]"):
        yield cut


def _could_lie_on_a_page(written: str) -> bool:
    if not _CLEAN_LIST.fullmatch(written):
        return False
    values = [int(digits) for digits in _NUMBER.findall(written)]
    return all(
        x1 - x0 >= LEAST_SIDE and y1 - y0 >= LEAST_SIDE and max(x1, y1) <= 999
        for x0, y0, x1, y1 in zip(*(iter(values),) * 4, strict=True)
    )
