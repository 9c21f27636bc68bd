"""Makes replies in the form of Mistral's OCR: pages with Markdown, pictures and blocks in pixels."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

from PIL import Image

from ...document.types import Block, Box, OcrDocument, Page
from ...export.drawing import crop_boxes
from .mistral_requests import OcrOptions

__all__ = ["ocr_reply"]

DPI: Final = 200
"""Resolution of the pictures in whose pixels the boxes are given."""

POINTS: Final = 72

PICTURES: Final = frozenset({"image", "figure", "chart"})
MOST_PICTURES: Final = 50
"""Most pictures of one page: a model in a loop can claim thousands."""

KINDS: Final = {
    "title": "title",
    "sub_title": "title",
    "table": "table",
    "equation": "equation",
    "formula": "equation",
    "code": "code",
    "algorithm": "code",
    "list": "list",
    "list_item": "list",
    "reference": "references",
    "references": "references",
    "header": "header",
    "page_header": "header",
    "footer": "footer",
    "page_footer": "footer",
    "page_number": "footer",
    "signature": "signature",
    "aside_text": "aside_text",
    "caption": "caption",
}
"""Maps our labels to Mistral's; labels ending in ``_caption`` are captions, all others text."""

PagePicture = Callable[[int, int], bytes]
"""Gives the picture of a page, by its number, with a long side of this many pixels, as PNG."""


@dataclass(frozen=True, slots=True)
class _PlacedPicture:
    """A picture on a page: its name, its block and its box."""

    id: str
    block: Block
    box: Box


def ocr_reply(
    document: OcrDocument, options: OcrOptions, *, size: int, picture: PagePicture
) -> dict[str, Any]:
    """The reply for a document.

    Args:
        document: The document that was read. A page that could not be read has no text.
        options: What was asked for.
        size: Bytes of the file.
        picture: Draws a page; called for pages whose pictures were asked for.
    """
    pages = []
    pictures = 0
    for page in document.pages:
        placed = list(_placed(page, pictures, options))
        pictures += len(placed)
        pages.append(_page(page, placed, options, picture))
    return {
        "pages": pages,
        "model": options.model,
        "usage_info": {"pages_processed": len(pages), "doc_size_bytes": size},
    }


def _page(
    page: Page, placed: list[_PlacedPicture], options: OcrOptions, picture: PagePicture
) -> dict[str, Any]:
    width, height = _pixels(page)
    known = width > 0 and height > 0
    images = [{"id": each.id, **_corners(each.box, width, height)} for each in placed]
    if options.include_image_base64 and placed:
        with Image.open(BytesIO(picture(page.number, max(width, height, 1000)))) as whole:
            for image, each in zip(images, placed, strict=True):
                image["image_base64"] = _data_url(crop_boxes(whole, [each.box], margin=0))
    reply: dict[str, Any] = {
        "index": page.number - 1,
        "markdown": _with_pictures(page, placed),
        "images": images,
        "dimensions": {"dpi": DPI, "height": height, "width": width} if known else None,
    }
    if options.include_blocks and known:
        names = {id(each.block): each.id for each in placed}
        reply["blocks"] = [
            {
                "type": _kind(block, names),
                "content": block.html or block.text,
                **_corners(box, width, height),
                **({"image_id": names[id(block)]} if id(block) in names else {}),
            }
            for block in page.blocks
            for box in block.boxes
        ]
    return reply


def _placed(page: Page, before: int, options: OcrOptions) -> Iterator[_PlacedPicture]:
    """The pictures of a page that the reply lists, numbered through the document."""
    width, height = _pixels(page)
    found = [(block, block.boxes[0]) for block in page.blocks if _is_picture(block)]
    for block, box in found[:MOST_PICTURES]:
        if options.image_limit is not None and before >= options.image_limit:
            return
        sides = ((box.x1 - box.x0) * width, (box.y1 - box.y0) * height)
        if options.image_min_size is None or min(sides) >= options.image_min_size:
            yield _PlacedPicture(f"img-{before}.png", block, box)
            before += 1


def _is_picture(block: Block) -> bool:
    return block.kind in PICTURES and len(block.boxes) == 1


def _kind(block: Block, names: dict[int, str]) -> str:
    if id(block) in names:
        return "image"
    return "caption" if block.kind.endswith("_caption") else KINDS.get(block.kind, "text")


def _with_pictures(page: Page, placed: list[_PlacedPicture]) -> str:
    """The page's Markdown with a link where each picture is."""
    if not placed:
        return page.markdown
    parts, done = [], 0
    for each in sorted(placed, key=lambda one: one.block.span[0]):
        at = each.block.span[0]
        parts += [page.markdown[done:at].strip("\n"), f"![{each.id}]({each.id})"]
        done = at
    parts.append(page.markdown[done:].strip("\n"))
    return "\n\n".join(filter(None, parts))


def _pixels(page: Page) -> tuple[int, int]:
    """Width and height of a page's picture; 0 if the size is unknown."""
    return round(page.width * DPI / POINTS), round(page.height * DPI / POINTS)


def _corners(box: Box, width: int, height: int) -> dict[str, Any]:
    names = ("top_left_x", "top_left_y", "bottom_right_x", "bottom_right_y")
    known = width > 0 and height > 0
    return dict(zip(names, box.to_pixels(width, height) if known else [None] * 4, strict=True))


def _data_url(image: Image.Image) -> str:
    file = BytesIO()
    image.save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
