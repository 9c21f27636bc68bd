"""Draws boxes, label tags and marked answers on a page image.

No function changes the image that it is given. Line widths and letters grow with the
image's long side, so that a thumbnail and a print look alike.

The colours are those of Okabe and Ito, "Color Universal Design" (2008), and for unknown
kinds those of Paul Tol's "muted" scheme (2021) and a grey. People with the common forms
of colour blindness can tell them apart, and the tag names the kind anyway.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Sequence
from typing import Final

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont, ImageStat

from ..document.types import Block, Box, Page, union
from ..errors import ConfigurationError

__all__ = ["colour_of", "crop_boxes", "draw_page", "highlight_boxes"]

Colour = tuple[int, int, int]
Rectangle = tuple[int, int, int, int]

PALETTE: Final[dict[str, Colour]] = {
    "title": (213, 94, 0),
    "sub_title": (230, 159, 0),
    "text": (0, 114, 178),
    "table": (0, 158, 115),
    "table_caption": (0, 158, 115),
    "table_title": (0, 158, 115),
    "table_footnote": (0, 158, 115),
    "image": (204, 121, 167),
    "image_caption": (204, 121, 167),
    "figure_title": (204, 121, 167),
    "equation": (86, 180, 233),
}
"""Colours by kind of block; a caption has the colour of its figure or table."""

OTHER_COLOURS: Final[tuple[Colour, ...]] = (
    (136, 34, 85),
    (51, 34, 136),
    (17, 119, 51),
    (153, 153, 51),
    (170, 68, 153),
    (102, 102, 102),
)
MARKER: Final[Colour] = (255, 236, 110)
MARKER_EDGE: Final[Colour] = (214, 150, 0)
GRAIN: Final = 64
"""Edge strength, 0..255, from which a pixel counts as ink; less may be a scanner's noise."""
MAX_TAG: Final = 24
"""Most characters of a kind that a tag shows: a kind may be as long as a line of text."""


def colour_of(kind: str) -> Colour:
    """The colour of a kind of block as ``(red, green, blue)``, 0..255.

    Each unknown kind gets one of a few other colours, always the same one.
    """
    known = PALETTE.get(kind)
    return known or OTHER_COLOURS[zlib.crc32(kind.encode("utf-8", "replace")) % len(OTHER_COLOURS)]


def draw_page(
    image: Image.Image,
    page: Page,
    *,
    highlight: Sequence[Box] = (),
    labels: bool = True,
    kinds: Collection[str] | None = None,
) -> Image.Image:
    """Draws the boxes of a page's blocks on its image.

    Args:
        image: The displayed page in any size and mode; it is not changed.
        page: The page with its blocks. A block without a box is not drawn.
        highlight: Boxes to mark like an answer, under the outlines.
        labels: Whether each box gets a tag with the block's 1-based number in
            reading order and its kind.
        kinds: Draw only blocks of these kinds; their numbers do not change. None
            draws all.

    Returns:
        A new RGB picture of the same size.

    Example:
        >>> from deepseek_ocr_rag import Block, Box
        >>> block = Block("title", "Six Lights", (Box(0.3, 0.05, 0.7, 0.1),))
        >>> draw_page(Image.new("RGB", (595, 842), "white"), Page(1, blocks=(block,))).size
        (595, 842)
    """
    picture = highlight_boxes(image, highlight)
    shown = [
        (number, block)
        for number, block in enumerate(page.blocks, start=1)
        if kinds is None or block.kind in kinds
    ]
    draw = ImageDraw.Draw(picture)
    width = _line_width(picture)
    ink = _ink_mask(picture) if labels else None
    for _, block in shown:
        for box in block.boxes:
            draw.rectangle(
                _padded(box, picture.size, width), outline=colour_of(block.kind), width=width
            )
    if ink is not None:
        for number, block in shown:
            for box in block.boxes:
                _draw_tag(draw, ink, _tag_text(number, block), block.kind, box)
    return picture


def highlight_boxes(image: Image.Image, boxes: Sequence[Box]) -> Image.Image:
    """A new RGB picture with boxes marked as with a highlighter: their text stays readable."""
    picture = _as_rgb(image)
    draw = ImageDraw.Draw(picture)
    # All areas at once: multiplying for each box would darken the places where boxes overlap.
    marker = Image.new("RGB", picture.size, "white")
    pen = ImageDraw.Draw(marker)
    for box in boxes:
        pen.rectangle(_pixels(box, picture.size), fill=MARKER)
    if boxes:
        picture.paste(ImageChops.multiply(picture, marker))
    edge = max(1, _line_width(picture) // 2)
    for box in boxes:
        draw.rectangle(_padded(box, picture.size, edge), outline=MARKER_EDGE, width=edge)
    return picture


def crop_boxes(image: Image.Image, boxes: Sequence[Box], margin: float = 0.02) -> Image.Image:
    """Crops a page to the smallest part that contains all boxes, for example an answer's.

    Args:
        image: The displayed page in any size and mode; it is not changed.
        boxes: At least one box.
        margin: Space to leave around them, as a fraction of the page's long side.

    Returns:
        A new RGB picture of at least one pixel, within the page.

    Raises:
        ConfigurationError: If there is no box, or the margin is negative or 1 or more.

    Example:
        The part of a page that an answer cites::

            crop_boxes(highlight_boxes(image, citation.boxes), citation.boxes)
    """
    whole = union(boxes)
    if whole is None:
        raise ConfigurationError(
            "there is no box to crop to", remedy="Pass at least one box of the page."
        )
    if not 0 <= margin < 1:
        raise ConfigurationError(
            f"a margin of {margin} is not a fraction of the page", remedy="Use 0 to 0.2."
        )
    x0, y0, x1, y1 = _padded(whole, image.size, round(margin * max(image.size)))
    return _as_rgb(image.crop((x0, y0, x1 + 1, y1 + 1)))


def _as_rgb(image: Image.Image) -> Image.Image:
    """An RGB copy; transparency becomes white paper."""
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), layer).convert("RGB")
    return image.copy() if image.mode == "RGB" else image.convert("RGB")


def _pixels(box: Box, size: tuple[int, int]) -> Rectangle:
    """The first and last pixels that a box covers: ``(left, top, right, bottom)``, inclusive."""
    x0, y0, x1, y1 = box.to_pixels(*size)
    x0, y0 = min(x0, size[0] - 1), min(y0, size[1] - 1)
    return (x0, y0, max(x0, x1 - 1), max(y0, y1 - 1))


def _ink_mask(image: Image.Image) -> Image.Image:
    """A mask that is white at the edges of what is drawn or written, and black elsewhere."""
    found = image.convert("L").filter(ImageFilter.FIND_EDGES)
    return found.point([0] * GRAIN + [255] * (256 - GRAIN))


def _padded(box: Box, size: tuple[int, int], distance: int) -> Rectangle:
    """The pixels of a box, widened on every side but not beyond the image."""
    x0, y0, x1, y1 = _pixels(box, size)
    return (
        max(0, x0 - distance),
        max(0, y0 - distance),
        min(size[0] - 1, x1 + distance),
        min(size[1] - 1, y1 + distance),
    )


def _line_width(image: Image.Image) -> int:
    """The width of outlines: two pixels if the long side has 1280."""
    return max(1, round(max(image.size) / 640))


def _tag_text(number: int, block: Block) -> str:
    """Number and kind on one line of bounded length."""
    kind = " ".join(block.kind.split()) or "untagged"
    kind = "".join(c if c.isprintable() else "?" for c in kind[:200])
    return f"{number} {kind if len(kind) <= MAX_TAG else kind[: MAX_TAG - 1] + '…'}"


def _draw_tag(draw: ImageDraw.ImageDraw, ink: Image.Image, text: str, kind: str, box: Box) -> None:
    """Draws a tag at the edge of a box, where it hides least.

    It is added to the :func:`_ink_mask`, so that later tags avoid it.
    """
    colour = colour_of(kind)
    font = ImageFont.load_default(size=max(8, round(max(ink.size) / 106)))
    left, top, right, bottom = (round(v) for v in draw.textbbox((0, 0), text, font=font))
    pad = max(1, _line_width(ink))
    width, height = right - left + 2 * pad, bottom - top + 2 * pad
    x, y = _least_ink(ink, width, height, _padded(box, ink.size, pad))
    draw.rectangle((x, y, x + width - 1, y + height - 1), fill=colour)
    red, green, blue = colour
    # Rec. 601 luma: black letters on light colours, white on dark ones.
    bright = 0.299 * red + 0.587 * green + 0.114 * blue > 140
    draw.text((x + pad - left, y + pad - top), text, fill="black" if bright else "white", font=font)
    ink.paste(255, (x, y, x + width, y + height))


def _least_ink(ink: Image.Image, width: int, height: int, box: Rectangle) -> tuple[int, int]:
    """The top left corner of a tag: the place at a box where it hides least."""
    x0, y0, x1, y1 = box
    best, least = (0, 0), float("inf")
    for x, y in (
        (x0, y0 - height),
        (x0 - width, y0),
        (x1 - width + 1, y0 - height),
        (x1 + 1, y0),
        (x1 - width + 1, y0),
        (x0, y1 + 1),
        (x0, y0),
    ):
        x = max(0, min(x, ink.width - width))
        y = max(0, min(y, ink.height - height))
        hidden = ImageStat.Stat(ink.crop((x, y, x + width, y + height))).sum[0]
        if hidden < least:
            best, least = (x, y), hidden
    return best
