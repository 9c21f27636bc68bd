"""Builds docling's items; the only module that imports docling-core at run time."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator, Sequence
from typing import Final

from docling_core.types.doc import (
    BoundingBox,
    ContentLayer,
    CoordOrigin,
    DocItem,
    DocItemLabel,
    DoclingDocument,
    DocumentOrigin,
    FloatingItem,
    ListGroup,
    NodeItem,
    ProvenanceItem,
    Size,
    TableCell,
    TableData,
)

from ..document.captions import is_caption
from ..document.headings import HEADING_KINDS
from ..document.markdown import heading_level
from ..document.paragraphs import Float, Paragraph, Slice, paragraphs_and_floats
from ..document.table_heads import table_rows
from ..document.tables import MAX_GRID_CELLS, Cell, Table, parse_table
from ..document.types import Block, OcrDocument, Page
from .filenames import file_stem

__all__ = ["DoclingWriter"]

UNKNOWN_SIDE: Final = 1000.0
"""Width and height in points of a page of unknown size."""

_LABELS: Final = {
    "code": DocItemLabel.CODE,
    "algorithm": DocItemLabel.CODE,
    "reference": DocItemLabel.REFERENCE,
    "footnote": DocItemLabel.FOOTNOTE,
    "page_footnote": DocItemLabel.FOOTNOTE,
    "vision_footnote": DocItemLabel.FOOTNOTE,
}
_ITEM: Final = re.compile(r"[ \t]*([-*•]|[0-9]{1,3}[.)])[ \t]+(\S.*)")
_FORMULA: Final = re.compile(r"\\\[((?:(?!\\\[).)*?)\\\]", re.DOTALL)
_FENCES: Final = ("```", "~~~")


class DoclingWriter:
    """Converts one document; see :func:`.docling.to_docling`."""

    def __init__(self, document: OcrDocument) -> None:
        self._document = document
        self._result = DoclingDocument(name=file_stem(document.source), origin=_origin(document))
        # Neighbouring list items share one group.
        self._list: ListGroup | None = None

    def write(self) -> DoclingDocument:
        """Converts the whole document."""
        for page in self._document.pages:
            width, height = _size(page)
            self._result.add_page(page.number, Size(width=width, height=height))
        for item in paragraphs_and_floats(self._document):
            if isinstance(item, Float):
                self._add_float(item)
            else:
                self._add_paragraph(item)
        return self._result

    def _add_paragraph(self, paragraph: Paragraph) -> None:
        first, *others = paragraph.slices
        text = first.text + "".join(part.before + part.text for part in others)
        provenance = list(_provenance(paragraph.slices))
        kind = first.block.kind
        items = [_ITEM.fullmatch(line) for line in text.strip().split("\n")]
        is_list = kind in ("text", "") and not paragraph.furniture and all(items)
        if not is_list:
            self._list = None
        if paragraph.furniture:
            top = bool(first.block.boxes) and first.block.boxes[0].y0 < 0.5
            label = DocItemLabel.PAGE_HEADER if top else DocItemLabel.PAGE_FOOTER
            self._add(label, text, provenance, layer=ContentLayer.FURNITURE)
        elif is_list:
            self._add_items([match for match in items if match], provenance)
        elif kind in HEADING_KINDS:
            self._add_headings(text, kind, provenance)
        elif kind == "equation":
            self._add_formulas(text, provenance)
        else:
            self._add(_label(first.block), text, provenance)

    def _add(
        self,
        label: DocItemLabel,
        text: str,
        provenance: Sequence[ProvenanceItem],
        *,
        parent: NodeItem | None = None,
        layer: ContentLayer | None = None,
    ) -> DocItem:
        item: DocItem = self._result.add_text(
            label=label,
            text=_valid(_unfenced(text) if label is DocItemLabel.CODE else text),
            orig=_valid(text),
            parent=parent,
            content_layer=layer,
        )
        item.prov.extend(provenance)
        return item

    def _add_items(
        self, matches: Sequence[re.Match[str]], provenance: Sequence[ProvenanceItem]
    ) -> None:
        if self._list is None:
            self._list = self._result.add_list_group()
        for match in matches:
            item = self._result.add_list_item(
                text=_valid(match[2]),
                orig=_valid(match[0]),
                enumerated=match[1][0].isdigit(),
                marker=match[1],
                parent=self._list,
            )
            item.prov.extend(provenance)

    def _add_headings(self, text: str, kind: str, provenance: Sequence[ProvenanceItem]) -> None:
        """Adds a heading block, which may hold several lines with ``#``."""
        for line in filter(str.strip, text.split("\n")):
            level = heading_level(line)
            title = _valid(line[level:].strip())
            level = level or HEADING_KINDS[kind]
            if level == 1:
                item = self._result.add_title(text=title, orig=_valid(line))
            else:
                item = self._result.add_heading(text=title, orig=_valid(line), level=level - 1)
            item.prov.extend(provenance)

    def _add_formulas(self, text: str, provenance: Sequence[ProvenanceItem]) -> None:
        """Adds display formulas without their brackets, or the whole text if it holds more."""
        formulas = [match[1].strip() for match in _FORMULA.finditer(text)]
        if not formulas or _FORMULA.sub("", text).strip():
            self._add(DocItemLabel.TEXT, text, provenance)
            return
        for formula in formulas:
            self._add(DocItemLabel.FORMULA, formula, provenance)

    def _add_float(self, item: Float) -> None:
        self._list = None
        owner: FloatingItem | None = None
        if not item.is_table:
            owner = self._result.add_picture()
        elif (data := _table_data(item.block)) is not None:
            owner = self._result.add_table(data=data)
        if owner is not None:
            owner.prov.extend(_provenance([Slice(item.page, item.block, *item.block.span)]))
        for member in item.slices:
            if (owner is not None and member.block is item.block) or not member.text:
                continue
            caption = is_caption(member.block, item.block)
            label = DocItemLabel.CAPTION if caption else _label(member.block)
            text = self._add(label, member.text, list(_provenance([member])), parent=owner)
            if owner is not None and caption:
                owner.captions.append(text.get_ref())


def _label(block: Block) -> DocItemLabel:
    return _LABELS.get(block.kind, DocItemLabel.TEXT)


def _size(page: Page) -> tuple[float, float]:
    known = page.width > 0 and page.height > 0
    return (page.width, page.height) if known else (UNKNOWN_SIDE, UNKNOWN_SIDE)


def _provenance(slices: Sequence[Slice]) -> Iterator[ProvenanceItem]:
    """One provenance for each box, with the span of the box's slice in the item's text."""
    at = 0
    for i, part in enumerate(slices):
        at += len(part.before) if i else 0
        end = at + part.end - part.start
        for box in part.block.boxes:
            left, top, right, bottom = box.to_points(*_size(part.page))
            yield ProvenanceItem(
                page_no=part.page.number,
                bbox=BoundingBox(
                    l=left, t=top, r=right, b=bottom, coord_origin=CoordOrigin.TOPLEFT
                ),
                charspan=(at, end),
            )
        at = end


def _table_data(block: Block) -> TableData | None:
    """The cells of a table, or None if its grid is too large."""
    table = block.table or parse_table(block.text)
    heads = table_rows(block.text).body
    cells = [
        TableCell(
            text=_valid(cell.text),
            row_span=rowspan,
            col_span=colspan,
            start_row_offset_idx=row,
            end_row_offset_idx=row + rowspan,
            start_col_offset_idx=column,
            end_col_offset_idx=column + colspan,
            column_header=cell.header or row < heads,
        )
        for row, column, rowspan, colspan, cell in _placed(table)
    ]
    width = max((cell.end_col_offset_idx for cell in cells), default=0)
    if width * len(table.rows) > MAX_GRID_CELLS:
        return None
    return TableData(table_cells=cells, num_rows=len(table.rows), num_cols=width)


def _placed(table: Table) -> Iterator[tuple[int, int, int, int, Cell]]:
    """Row, column, rowspan and colspan of each cell, as the HTML standard lays them out.

    As in :meth:`Table.to_rows`, spans that would add too many positions are ignored.
    """
    budget = MAX_GRID_CELLS
    below: dict[int, int] = {}  # Column: rows still covered.
    for row, cells in enumerate(table.rows):
        column = 0
        covered: dict[int, int] = {}
        for cell in cells:
            while column in below:
                column += 1
            rowspan, colspan = min(cell.rowspan, len(table.rows) - row), cell.colspan
            if rowspan * colspan - 1 > budget:
                rowspan = colspan = 1
            budget -= rowspan * colspan - 1
            yield row, column, rowspan, colspan, cell
            covered |= dict.fromkeys(range(column, column + colspan), rowspan)
            column += colspan
        covered = {**below, **covered}
        below = {column: rows - 1 for column, rows in covered.items() if rows > 1}


def _origin(document: OcrDocument) -> DocumentOrigin | None:
    if not document.sha256:
        return None
    name = re.split(r"[/\\]", document.source)[-1]
    kind = mimetypes.guess_type(name)[0]
    known = kind is not None and kind.startswith(("application/pdf", "image/"))
    return DocumentOrigin(
        mimetype=kind if kind and known else "application/octet-stream",
        # The last 64 bits of the hash, as docling does.
        binary_hash=int(document.sha256[-16:], 16),
        filename=_valid(name),
    )


def _valid(text: str) -> str:
    """Replaces lone surrogates, which some PDFs contain and pydantic refuses."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _unfenced(code: str) -> str:
    """Code without the lines that fence it in Markdown, if it is fenced."""
    first, _, rest = code.lstrip().partition("\n")
    fence = next((each for each in _FENCES if first.startswith(each)), None)
    if fence is None or "\n" not in code.lstrip():
        return code
    return rest.rstrip().removesuffix(fence).rstrip()
