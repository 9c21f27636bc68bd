r"""Finds the parts of a model's output that are not the page's text: marks, and runtime output.

In the text that a backend just wrote, these are only the model's marks: the end token at the end,
and Unlimited-OCR's ``<PAGE>`` at the start or in front of a tag. Everything else is the page's
text, whatever it looks like.

A stored output is often a captured standard output. Whole lines of it count as noise if they are
exactly:

* the published code's banner: ``BASE: torch.Size([..])`` and ``PATCHES:  torch.Size([..])`` or
  ``NO PATCHES`` between lines of ``=``;
* known warnings (:data:`_WARNINGS`) directly before and after a banner;
* the published code's statistics (:data:`_STATISTICS`) after a line of ``=``, and its
  ``===save results:===``;
* ``<--- Page Split --->``; ``<PAGE>`` (several in a row are empty pages);
* at the end of the text: Ollama's ``[Unsupported content type: UsageContent]``, and progress bars
  of the published code (``image: 0it [..]``).

A banner and statistics may begin on the last line of the page's text: only their ``=`` are noise
there. Log lines of servers are kept, because a page may itself show some.
"""

from __future__ import annotations

import re

__all__ = ["encode_noise", "find_noise", "split_pages"]

_BANNER = re.compile(
    r"\nBASE: {1,4}torch\.Size\(\[[0-9, ]{1,40}\]\)"
    r"\n(?:PATCHES: {1,4}torch\.Size\(\[[0-9, ]{1,40}\]\)|NO PATCHES)\n={10,99}(?![^\n])"
)
_STATISTICS = re.compile(
    r"\nimage size: {1,4}\([0-9]{1,6}, [0-9]{1,6}\)\nvalid image tokens: {1,4}[0-9]{1,9}"
    r"\noutput texts tokens \(valid\): {1,4}[0-9]{1,9}"
    r"(?:\ncompression ratio: {1,4}[0-9.]{1,12}\n={10,99})?(?![^\n])"
)
_SAVED = re.compile(r"^={15}save results:={15}[ \t]*$", re.MULTILINE)
_PAGE_SPLIT = re.compile(r"^[ \t]*<--- Page Split --->[ \t]*$", re.MULTILINE)
_PAGE_MARK = re.compile(r"<PAGE>(?=[ \t]{0,9}(?:\n|\Z|<PAGE>|(<\|(?:det|ref)\|>)))")

_WARNINGS = (
    "You are using a model of type ",
    "Some weights of Deepseek",
    "You should probably TRAIN this model on a down-stream task",
    "The attention mask and the pad token id were not set.",
    "Setting `pad_token_id` to `eos_token_id`:",
    "The attention mask is not set and cannot be inferred",
    "The `seen_tokens` attribute is deprecated",
    "`get_max_cache()` is deprecated",
    "The attention layers in this model are transitioning from computing the RoPE embeddings",
    "  warnings.warn(",
)
_PYTHON_WARNING = re.compile(r"[^\n]{1,300}\.py:[0-9]{1,6}: \w{1,30}Warning: ")

_END_TOKEN = "<｜end▁of▁sentence｜>"  # noqa: S105 - a token of the model, not a secret
_USAGE = re.compile(r"[ \t]*\[Unsupported content type: UsageContent\]")
_PROGRESS = re.compile(r"(?:image|other): [^\n\[]{0,200}\[[0-9:<?,. ]{1,60}(?:it/s|s/it)\]")

_ENCODED = re.compile(
    r"BASE:(?= {1,4}torch\.Size)|image size:(?= )|={15}(?=save results:)"
    r"|\[(?=Unsupported content type: )|(?:it/s|s/it)(?=\])"
)


def find_noise(text: str, *, recorded: bool = True) -> list[tuple[int, int]]:
    """Finds the ``(start, end)`` of all that is not the page's text, ascending and disjoint.

    ``recorded`` says whether the text is a stored output; if not, a backend just wrote it.
    """
    if not recorded:
        return _find_marks(text)
    spans = _find_banners(text)
    if "\nimage size: " in text:
        spans += [_with_rule(text, m.start(), m.end()) for m in _STATISTICS.finditer(text)]
    spans += _find_all(text, _SAVED) + _find_all(text, _PAGE_SPLIT) + _find_page_marks(text)
    spans.sort()
    return _merged(spans + _find_endings(text, spans))


def _find_marks(text: str) -> list[tuple[int, int]]:
    """Finds the model's own marks in the places where it writes them."""
    spans: list[tuple[int, int]] = []
    at_start, done = True, 0
    for match in _PAGE_MARK.finditer(text) if "<PAGE>" in text else ():
        at_start = at_start and not text[done : match.start()].strip()
        done = match.end()
        if at_start or match[1]:
            spans.append(match.span())
    end = len(text.rstrip())
    if text.endswith(_END_TOKEN, 0, end):
        spans.append((end - len(_END_TOKEN), end))
    return _merged(spans)


def split_pages(text: str) -> list[str]:
    """Cuts a stored output into its pages, in order; an empty page stays a page.

    Page marks (``<--- Page Split --->``, ``<PAGE>``) and the banner that the published code prints
    before every page separate pages. The stretch before the first mark and the one after the last
    are pages only if they have text.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    marks = _find_all(text, _PAGE_SPLIT) + _find_page_marks(text) + _find_banners(text)
    pages = []
    start = 0
    for mark in sorted(marks):
        pages.append(text[start : mark[0]])
        start = mark[1]
    pages.append(text[start:])
    if len(pages) > 1 and not pages[-1].strip():
        pages.pop()
    if len(pages) > 1 and not pages[0].strip():
        pages.pop(0)
    return pages


def encode_noise(text: str) -> str:
    """Writes one character as ``&#n;`` wherever text looks like noise, so that it is kept."""
    return _ENCODED.sub(lambda match: f"&#{ord(match[0][0])};{match[0][1:]}", text)


def _find_all(text: str, line: re.Pattern[str]) -> list[tuple[int, int]]:
    return [match.span() for match in line.finditer(text)]


def _find_page_marks(text: str) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    for match in _PAGE_MARK.finditer(text) if "<PAGE>" in text else ():
        start, end = match.span()
        in_a_row = bool(spans) and spans[-1][1] == start
        if match[1] or in_a_row or start == 0 or text[start - 1] == "\n":
            spans.append((start, end))
    return spans


def _find_banners(text: str) -> list[tuple[int, int]]:
    """Finds the banners, each with the known warnings directly before and after it."""
    if "\nBASE: " not in text:
        return []
    spans: list[tuple[int, int]] = []
    for match in _BANNER.finditer(text):
        start, end = _with_rule(text, match.start(), match.end())
        if start < match.start():
            floor = spans[-1][1] if spans else 0
            spans.append((_warnings_before(text, start, floor), _warnings_after(text, end)))
    return spans


def _with_rule(text: str, start: int, end: int) -> tuple[int, int]:
    """Extends a span over the ``=`` before it, at most as many as the published code prints."""
    first = start
    while start - first < 99 and first > 0 and text[first - 1] == "=":
        first -= 1
    printed = 21 if text.startswith("\nBASE", start) else 50
    return (max(first, start - printed) if start - first >= 10 else start), end


def _is_warning(line: str) -> bool:
    return line.startswith(_WARNINGS) or _PYTHON_WARNING.match(line) is not None


def _warnings_before(text: str, start: int, floor: int) -> int:
    while start > floor and text[start - 1] == "\n":
        line = text.rfind("\n", floor, start - 1) + 1 or floor
        if not _is_warning(text[line : start - 1]):
            break
        start = line
    return start


def _warnings_after(text: str, end: int) -> int:
    while text.startswith("\n", end):
        newline = text.find("\n", end + 1)
        line_end = newline if newline >= 0 else len(text)
        if not _is_warning(text[end + 1 : line_end]):
            break
        end = line_end
    return end


def _find_endings(text: str, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Finds the noise that counts only at the end of the text, or before other noise there."""
    found = []
    known = list(spans)
    end = len(text.rstrip())
    while end > 0:
        while known and known[-1][0] >= end:
            known.pop()
        start = known[-1][0] if known and known[-1][1] >= end else _ending_start(text, end)
        if start is None:
            break
        found.append((start, end))
        end = _rstrip_before(text, start)
    return found


def _rstrip_before(text: str, end: int) -> int:
    while end > 0 and text[end - 1].isspace():
        end -= 1
    return end


def _ending_start(text: str, end: int) -> int | None:
    if text.endswith(_END_TOKEN, 0, end):
        return end - len(_END_TOKEN)
    line = text.rfind("\n", 0, end) + 1
    if end - line <= 400 and (
        _PROGRESS.fullmatch(text, line, end) or _USAGE.fullmatch(text, line, end)
    ):
        return line
    return None


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
