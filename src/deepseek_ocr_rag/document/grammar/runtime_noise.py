r"""Finds what runtimes print around the model's text.

Stored outputs are often a captured standard output. Only these pieces of it count as
noise, and only in exactly this form, so that a page's own text is not taken for it:

* the published code's banner: ``BASE: torch.Size([..])`` and ``PATCHES:  torch.Size([..])`` or
  ``NO PATCHES`` between lines of ``=``, the first of which may directly follow the text of the
  page before;
* known warnings (:data:`_WARNINGS`) directly before and after a banner;
* the published code's statistics (:data:`_STATISTICS`) after a line of ``=``, and its
  ``===save results:===``;
* ``<--- Page Split --->``; ``<PAGE>`` in front of a tag, or alone on its line (several in a row
  are empty pages);
* at the end of the text: the end token, Ollama's ``[Unsupported content type: UsageContent]``,
  progress bars of the published code (``image: 0it [..]``), and log lines of vLLM if the first
  directly follows text on the same line.
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
_SAVED = "=" * 15 + "save results:" + "=" * 15
_PAGE_SPLIT = "<--- Page Split --->"
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

_ENDINGS = ("<｜end▁of▁sentence｜>", "[Unsupported content type: UsageContent]")
_PROGRESS = re.compile(r"(?:image|other): [^\n\[]{0,200}\[[0-9:<?,. ]{1,60}(?:it/s|s/it)\]")
_SERVER_LOG = re.compile(
    r"(?:\(\w{1,40} pid=[0-9]{1,9}\) )?(?:INFO|WARNING|ERROR|DEBUG) "
    r"[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} \[?[\w./]{1,80}:[0-9]{1,6}\]"
)

_ENCODED = re.compile(
    r"BASE:(?= {1,4}torch\.Size)|image size:(?= )|={15}(?=save results:)"
    r"|\[(?=Unsupported content type: )|(?:it/s|s/it)(?=\])"
    r"|(?:INFO|WARNING|ERROR|DEBUG)(?= [0-9]{2}-[0-9]{2} )"
)


def find_noise(text: str) -> list[tuple[int, int]]:
    """The ``(start, end)`` offsets of a runtime's output in the text, ascending and disjoint."""
    spans = _find_banners(text)
    if "\nimage size: " in text:
        spans += [_with_rule(text, m.start(), m.end()) for m in _STATISTICS.finditer(text)]
    spans += _find_all(text, _SAVED) + _find_all(text, _PAGE_SPLIT) + _find_page_marks(text)
    spans.sort()
    return _merged(spans + _find_endings(text, spans))


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
    """Writes one character as ``&#n;`` wherever text looks like noise, so that it does not."""
    return _ENCODED.sub(lambda match: f"&#{ord(match[0][0])};{match[0][1:]}", text)


def _find_all(text: str, literal: str) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(re.escape(literal), text)]


def _find_page_marks(text: str) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    for match in _PAGE_MARK.finditer(text) if "<PAGE>" in text else ():
        start, end = match.span()
        in_a_row = bool(spans) and spans[-1][1] == start
        if match[1] or in_a_row or start == 0 or text[start - 1] == "\n":
            spans.append((start, end))
    return spans


def _find_banners(text: str) -> list[tuple[int, int]]:
    """The banners, each with the known warnings directly before and after it."""
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
    """Noise that counts only at the very end of the text, or before other noise there."""
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
    for literal in _ENDINGS:
        if text.endswith(literal, 0, end):
            return end - len(literal)
    line = text.rfind("\n", 0, end) + 1
    if end - line <= 400 and _PROGRESS.fullmatch(text, line, end):
        return line
    return _server_log_start(text, end)


def _server_log_start(text: str, end: int) -> int | None:
    """The start of log lines that directly follow text; a page may itself show other log lines."""
    while end > 0:
        line = text.rfind("\n", 0, end) + 1
        log = _SERVER_LOG.search(text, line, end)
        if log is None:
            return None
        if log.start() > line:
            return None if text[log.start() - 1].isspace() else log.start()
        end = _rstrip_before(text, line)
    return None


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
