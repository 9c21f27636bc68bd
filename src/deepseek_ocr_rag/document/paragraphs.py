"""Rebuilds the paragraphs, figures and tables of a document across columns and pages.

A paragraph that continues in the next column or page becomes one paragraph again.
Figures and tables (floats) are kept together with their captions and no longer
interrupt the paragraphs around them. Page furniture is marked. Nothing is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ..text.continuation import is_finished, runs_on
from ..text.line_ends import seam
from .captions import companions
from .furniture import Furniture, page_furniture
from .headings import HEADING_KINDS, Headings, with_sections
from .types import Block, OcrDocument, Page

__all__ = ["PARAGRAPH_BREAK", "Float", "Paragraph", "Slice", "paragraphs_and_floats"]

PARAGRAPH_BREAK: Final = "\n\n"
"""The separator between paragraphs."""

_TEXT_KINDS: Final = frozenset({"text", ""})
_NOTE_KINDS: Final = frozenset({"footnote", "page_footnote", "vision_footnote"})
_TOUCH: Final = 0.02
"""Most overlap, in fractions of the page, of two boxes that only touch."""
_DROP: Final = 0.05
"""How far a text must end below the top of the next column; lines side by side are closer."""


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """A part of one page's Markdown, from ``start`` to ``end``."""

    page: Page
    block: Block  # contains the slice
    start: int
    end: int
    before: str = PARAGRAPH_BREAK  # the separator from the text before it

    @property
    def text(self) -> str:
        """The text itself."""
        return self.page.markdown[self.start : self.end]


@dataclass(frozen=True, slots=True, eq=False)
class Paragraph:
    """A paragraph: one block, or several if it continues in other columns or pages.

    A hyphen that divides a word between two slices is in neither of them.
    """

    slices: tuple[Slice, ...]
    heading: bool = False
    furniture: bool = False
    repeated: bool = (
        False  # whether it is furniture that can be left out: labelled, wordless or seen before
    )


@dataclass(frozen=True, slots=True, eq=False)
class Float:
    """A figure or table with its captions and notes."""

    page: Page
    block: Block
    members: tuple[Block, ...]  # the block, captions, notes and inner texts, in reading order

    @property
    def is_table(self) -> bool:
        """Whether it is a table."""
        return self.block.kind == "table"

    @property
    def slices(self) -> tuple[Slice, ...]:
        """Its members as slices; those without words are empty."""
        return tuple(
            Slice(self.page, block, *(block.span if block.text.strip() else block.span[:1] * 2))
            for block in self.members
        )


def paragraphs_and_floats(document: OcrDocument) -> tuple[Paragraph | Float, ...]:
    """Returns the paragraphs, figures and tables of a document, in reading order.

    Two texts become one paragraph if the first ends a column or page and
    :func:`~deepseek_ocr_rag.text.continuation.runs_on` says that it continues in the second.
    Floats, notes and furniture may come between them; a float inside a paragraph is moved after it.
    A page without blocks is one paragraph. If a running head was taken for a heading, sections are
    recomputed.
    """
    furniture = page_furniture(document.pages)
    pages = _without_running_heads(document.pages, furniture)
    items = [i for page, found in zip(pages, furniture, strict=True) for i in _items(page, found)]
    vocabularies: dict[int, frozenset[str]] = {}
    result: list[Paragraph | Float] = []
    taken: set[int] = set()
    for index, item in enumerate(items):
        if index in taken:
            continue
        while isinstance(item, Paragraph) and (following := _following(items, index, item)):
            index, other = following
            taken.add(index)
            item = _joined(item, other, vocabularies)
        result.append(item)
    return tuple(result)


def _without_running_heads(pages: Sequence[Page], furniture: Sequence[Furniture]) -> Sequence[Page]:
    """Recomputes sections without running heads, if one of these was taken for a heading."""
    if not any(
        page.blocks[i].kind in HEADING_KINDS
        for page, found in zip(pages, furniture, strict=True)
        for i in found.blocks
    ):
        return pages
    result = []
    headings: Headings = ()
    for page, found in zip(pages, furniture, strict=True):
        plain = [replace(b, kind="") if i in found.blocks else b for i, b in enumerate(page.blocks)]
        placed, headings = with_sections(plain, headings)
        blocks = [replace(b, section=p.section) for b, p in zip(page.blocks, placed, strict=True)]
        result.append(replace(page, blocks=tuple(blocks)))
    return result


def _items(page: Page, furniture: Furniture) -> Iterator[Paragraph | Float]:
    """Yields the paragraphs and floats of one page, without empty blocks."""
    if not page.blocks and page.markdown.strip():
        yield Paragraph((Slice(page, Block("", page.markdown), 0, len(page.markdown)),))
        return
    owners = companions(page.blocks)
    members = {i: (owner, *others) for owner, others in owners.items() for i in (owner, *others)}
    shown: set[int] = set()
    for i, block in enumerate(page.blocks):
        if i in members:
            owner = members[i][0]
            if owner not in shown:
                shown.add(owner)
                blocks = tuple(page.blocks[j] for j in sorted(members[i]))
                yield Float(page, page.blocks[owner], blocks)
        elif block.text.strip():
            yield Paragraph(
                (Slice(page, block, *block.span),),
                heading=_is_heading(block) and i not in furniture.blocks,
                furniture=i in furniture.blocks,
                repeated=i in furniture.blocks and i not in furniture.first,
            )


def _is_heading(block: Block) -> bool:
    lone = block.text.startswith("#") and "\n" not in block.text.strip()
    return block.kind in HEADING_KINDS or lone


def _following(
    items: Sequence[Paragraph | Float], index: int, paragraph: Paragraph
) -> tuple[int, Paragraph] | None:
    """Finds the index and paragraph in which the one at ``index`` continues, if it does."""
    last = paragraph.slices[-1]
    if not _is_body_text(paragraph) or is_finished(last.text):
        return None
    page = last.page.number
    for i in range(index + 1, len(items)):
        item = items[i]
        number = item.page.number if isinstance(item, Float) else item.slices[0].page.number
        if number > page + 1:
            return None
        page = number
        if isinstance(item, Float) or item.furniture:
            continue
        first = item.slices[0]
        if first.block.kind not in _NOTE_KINDS:
            fits = _is_body_text(item) and _is_next_column(last, first)
            return (i, item) if fits and runs_on(last.text, first.text) else None
    return None


def _is_body_text(paragraph: Paragraph) -> bool:
    plain = not (paragraph.heading or paragraph.furniture)
    return plain and paragraph.slices[0].block.kind in _TEXT_KINDS


def _is_next_column(last: Slice, following: Slice) -> bool:
    """Whether a slice is at the top of another column or on another page."""
    if last.page is not following.page:
        return True
    boxes = last.block.boxes[-1:] + following.block.boxes[:1]
    if len(boxes) < 2:
        return False
    before, after = boxes
    beside = before.x1 <= after.x0 + _TOUCH or after.x1 <= before.x0 + _TOUCH
    return beside and after.y0 <= before.y0 + _TOUCH and before.y1 - after.y0 > _DROP


def _joined(
    paragraph: Paragraph, other: Paragraph, vocabularies: dict[int, frozenset[str]]
) -> Paragraph:
    *before, last = paragraph.slices
    first = other.slices[0]
    text, following = last.text.rstrip(), first.text.lstrip()
    words = _words(last.page, vocabularies) | _words(first.page, vocabularies)
    dropped, between = seam(text, following, words)
    return replace(
        paragraph,
        slices=(
            *before,
            replace(last, end=last.start + len(text) - dropped),
            replace(first, start=first.end - len(following), before=between),
        ),
    )


def _words(page: Page, known: dict[int, frozenset[str]]) -> frozenset[str]:
    if page.number not in known:
        known[page.number] = frozenset(
            re.findall(r"[^\W\d_]+(?:-[^\W\d_]+)*", page.markdown.casefold())
        )
    return known[page.number]
