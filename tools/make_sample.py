"""Makes the sample PDF of the package: an article, a scanned letter, a page with a table.

Run ``python tools/make_sample.py`` in the repository root; it needs the
development dependencies. The text is our own and invented. Only the standard 14 PDF
fonts are named and none is embedded, so the file contains no font of a third party. The same
versions of reportlab, pdfium and Pillow give the same bytes.
"""

from __future__ import annotations

import io
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pypdfium2
from PIL import Image, ImageChops, ImageDraw, ImageFilter
from reportlab.lib import colors
from reportlab.lib.enums import TA_CENTER, TA_JUSTIFY
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Frame, Paragraph, Table, TableStyle
from sample_text import ABSTRACT, ARTICLE, BYLINE, LETTER, LIGHTS, SUBTITLE, TITLE, USE

__all__ = ["build", "main"]

DEFAULT_TARGET = Path(__file__).parent.parent / "src/deepseek_ocr_rag/samples/sample.pdf"
WIDTH, HEIGHT = A4
MARGIN = 54.0
INK = colors.HexColor("#1b2733")
SEA = colors.HexColor("#1f5673")
SCAN_DPI = 160
SCAN_TILT = 1.2
"""Degrees by which the letter is skewed on the scanner."""


def style(name: str, **values: object) -> ParagraphStyle:
    """A paragraph style with the report's defaults."""
    base: dict[str, object] = {
        "fontName": "Times-Roman",
        "fontSize": 10.0,
        "leading": 12.25,
        "textColor": INK,
        "alignment": TA_JUSTIFY,
    }
    return ParagraphStyle(name, **(base | values))


STYLES = {
    "first": style("first"),
    "text": style("text", firstLineIndent=11),
    "heading": style(
        "heading",
        fontName="Helvetica-Bold",
        fontSize=10.5,
        leading=13,
        spaceBefore=8,
        spaceAfter=3,
        textColor=SEA,
        alignment=0,
        keepWithNext=1,
    ),
    "abstract": style("abstract", fontSize=10.5, leading=13.5),
    "caption": style("caption", fontSize=9.5, leading=12, alignment=TA_CENTER),
    "lead": style("lead", fontSize=11, leading=14.5),
}


def page_frame(canvas: Canvas, label: str) -> None:
    """Draws the running head and the printed page label."""
    canvas.setFillColor(SEA)
    canvas.setFont("Helvetica", 8)
    canvas.drawString(MARGIN, HEIGHT - 34, "Skarholm Lighthouse Cooperative")
    canvas.drawRightString(WIDTH - MARGIN, HEIGHT - 34, "Annual Report 2024")
    canvas.setStrokeColor(SEA)
    canvas.setLineWidth(0.5)
    canvas.line(MARGIN, HEIGHT - 40, WIDTH - MARGIN, HEIGHT - 40)
    canvas.drawCentredString(WIDTH / 2, 30, label)


def fill(canvas: Canvas, story: list[Flowable], *boxes: tuple[float, float, float, float]) -> None:
    """Fills frames ``(x, y, width, height)`` with a story, one after the other.

    Raises:
        ValueError: If the story does not fit: no text is cut off silently.
    """
    for x, y, width, height in boxes:
        frame = Frame(
            x, y, width, height, leftPadding=0, rightPadding=0, topPadding=0, bottomPadding=0
        )
        while story and frame.add(story[0], canvas):
            story.pop(0)
        if story and (parts := frame.split(story[0], canvas)):
            frame.add(parts[0], canvas)
            story[:1] = parts[1:]
    if story:
        raise ValueError(f"{len(story)} paragraphs do not fit their page")


def article_page(canvas: Canvas) -> None:
    """Draws page i: born digital, a title above two full columns."""
    page_frame(canvas, "i")
    canvas.setFillColor(INK)
    canvas.setFont("Times-Bold", 25)
    canvas.drawCentredString(WIDTH / 2, HEIGHT - 78, TITLE)
    canvas.setFont("Times-Italic", 14)
    canvas.drawCentredString(WIDTH / 2, HEIGHT - 98, SUBTITLE)
    canvas.setFont("Times-Roman", 11)
    canvas.drawCentredString(WIDTH / 2, HEIGHT - 119, BYLINE)
    inset = MARGIN + 30
    fill(
        canvas,
        [Paragraph(ABSTRACT, STYLES["abstract"])],
        (inset, HEIGHT - 195, WIDTH - 2 * inset, 62),
    )
    gutter = 20.0
    column = (WIDTH - 2 * MARGIN - gutter) / 2
    bottom, top = 52.0, HEIGHT - 208
    story: list[Flowable] = [Paragraph(text, STYLES[kind]) for kind, text in ARTICLE]
    fill(
        canvas,
        story,
        (MARGIN, bottom, column, top - bottom),
        (MARGIN + column + gutter, bottom, column, top - bottom),
    )


def raster(draw: Callable[[Canvas], None], width: float, height: float, dpi: int) -> Image.Image:
    """Renders a drawing on a page of that size in points to an image."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(width, height), invariant=1)
    draw(canvas)
    canvas.save()
    document = pypdfium2.PdfDocument(buffer.getvalue())
    try:
        return document[0].render(scale=dpi / 72).to_pil().convert("RGB")
    finally:
        document.close()


def draw_letter(canvas: Canvas) -> None:
    """Draws the clean letter, before it is scanned."""
    left, top = 82.0, HEIGHT - 72
    canvas.setFont("Times-Bold", 21)
    canvas.drawString(left, top, "Port of Skarholm")
    canvas.setFont("Times-Roman", 12)
    canvas.drawString(left, top - 18, "Harbour Office, 7 Quay Street, Skarholm")
    canvas.setLineWidth(1.2)
    canvas.line(left, top - 28, WIDTH - 70, top - 28)
    leading = 15.5
    y = top - 62
    for gap, line in LETTER:
        y -= gap * leading
        canvas.setFont("Courier-Bold" if line.startswith("Fog signal") else "Courier", 12)
        canvas.drawString(left, y, line)
        y -= leading
    draw_signature(canvas, left + 6, y + 4.0 * leading)


def draw_signature(canvas: Canvas, x: float, y: float) -> None:
    """Draws a pen stroke that no reader should take for letters."""
    canvas.setLineWidth(1.5)
    canvas.setLineCap(1)
    path = canvas.beginPath()
    path.moveTo(x, y)
    for dx, rise, fall in ((26, 34, -16), (22, 20, -8), (20, 16, -12), (18, 12, -4), (44, 14, -9)):
        path.curveTo(x + dx * 0.1, y + rise, x + dx * 0.7, y + rise, x + dx * 0.6, y)
        path.curveTo(x + dx * 0.4, y + fall, x + dx * 0.9, y + fall, x + dx, y + 2)
        x += dx
    canvas.drawPath(path)


def scan(page: Image.Image) -> Image.Image:
    """Makes a page look like an office scan: skewed, grey, a little blurred and noisy."""
    dice = random.Random(1987)
    paper = 244
    picture = page.convert("L").filter(ImageFilter.GaussianBlur(0.55))
    picture = picture.point([round(38 + v * (paper - 38) / 255) for v in range(256)])
    picture = picture.rotate(SCAN_TILT, resample=Image.Resampling.BICUBIC, fillcolor=paper)
    width, height = picture.size
    # Darker towards one edge, as under a lid that does not quite close.
    shade = Image.linear_gradient("L").rotate(90).resize((width, height))
    picture = ImageChops.subtract(picture, shade.point([v // 16 for v in range(256)]))
    draw = ImageDraw.Draw(picture)
    for centre in (0.36, 0.64):
        draw_hole(draw, round(width * 0.035), round(height * centre), round(width * 0.013))
    for _ in range(90):
        x, y = dice.randrange(width), dice.randrange(height)
        draw.point((x, y), fill=dice.randrange(120, 200))
    noise = Image.frombytes("L", (width, height), dice.randbytes(width * height))
    grain = noise.filter(ImageFilter.GaussianBlur(1.0)).point([v // 8 for v in range(256)])
    return ImageChops.subtract(picture, grain, offset=14)


def draw_hole(draw: ImageDraw.ImageDraw, x: int, y: int, radius: int) -> None:
    """Draws a punched hole with the shadow of its rim."""
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=176)
    draw.ellipse((x - radius + 3, y - radius + 4, x + radius, y + radius), fill=222)


def letter_page(canvas: Canvas) -> None:
    """Draws page ii: a scan without a text layer."""
    picture = scan(raster(draw_letter, WIDTH, HEIGHT, SCAN_DPI))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=60, dpi=(SCAN_DPI, SCAN_DPI))
    buffer.seek(0)
    canvas.drawImage(ImageReader(buffer), 0, 0, WIDTH, HEIGHT)


def lights_table() -> Table:
    """The table of the six lights, fully ruled."""
    table = Table(
        [list(row) for row in LIGHTS],
        colWidths=[112, 66, 74, 74, 76, 85],
        rowHeights=[22] * len(LIGHTS),
    )
    table.setStyle(
        TableStyle(
            [
                ("FONT", (0, 0), (-1, -1), "Helvetica", 9.5),
                ("FONT", (0, 0), (-1, 0), "Helvetica-Bold", 9.5),
                ("FONT", (0, -1), (-1, -1), "Helvetica-Bold", 9.5),
                ("TEXTCOLOR", (0, 0), (-1, -1), INK),
                ("BACKGROUND", (0, 0), (-1, 0), colors.HexColor("#dbe8ee")),
                ("ALIGN", (1, 0), (-1, -1), "RIGHT"),
                ("ALIGN", (4, 0), (4, -1), "CENTER"),
                ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
                ("GRID", (0, 0), (-1, -1), 0.6, INK),
            ]
        )
    )
    return table


def draw_chart(canvas: Canvas) -> None:
    """Draws a bar chart of the electricity used, on a page of 420 by 215 points."""
    left, base, top, peak = 46.0, 26.0, 190.0, 70.0
    scale = (top - base) / peak
    canvas.setFont("Helvetica", 9)
    for value in range(0, 71, 10):
        y = base + value * scale
        canvas.setStrokeColor(colors.HexColor("#d5dde2"))
        canvas.setLineWidth(0.6)
        canvas.line(left, y, 412, y)
        canvas.setFillColor(INK)
        canvas.drawRightString(left - 6, y - 3, str(value))
    canvas.drawString(8, 203, "MWh")
    for index, (year, value) in enumerate(USE):
        x = left + 16 + index * 61
        canvas.setFillColor(colors.HexColor("#e69f00") if year >= 2022 else SEA)
        canvas.rect(x, base, 38, value * scale, stroke=0, fill=1)
        canvas.setFillColor(INK)
        canvas.drawCentredString(x + 19, base + value * scale + 4, f"{value}")
        canvas.drawCentredString(x + 19, base - 13, str(year))
    canvas.setStrokeColor(INK)
    canvas.setLineWidth(0.9)
    canvas.line(left, base, 412, base)


def figures_page(canvas: Canvas) -> None:
    """Draws page iii: a ruled table and a picture, each with its caption."""
    page_frame(canvas, "iii")
    canvas.setFillColor(INK)
    canvas.setFont("Times-Bold", 19)
    canvas.drawString(MARGIN, HEIGHT - 76, "The lights in figures")
    across = WIDTH - 2 * MARGIN
    lead = (
        "Table 1 lists the six lights in the order in which they were first lit. Heights are "
        "those of the towers, from the ground to the gallery; ranges are given in nautical miles."
    )
    fill(canvas, [Paragraph(lead, STYLES["lead"])], (MARGIN, HEIGHT - 126, across, 36))
    caption = "<b>Table 1.</b> The lights of the cooperative and their visitors in 2024."
    fill(canvas, [Paragraph(caption, STYLES["caption"])], (MARGIN, HEIGHT - 152, across, 14))
    table = lights_table()
    table.wrapOn(canvas, across, HEIGHT)
    table.drawOn(canvas, MARGIN, HEIGHT - 160 - 22 * len(LIGHTS))
    after = (
        "The six lights used 22.4 MWh in 2024, against 61.2 MWh five years before. Figure 1 shows "
        "that the fall began with the first LED lamp in 2022. At the price of 2024, the cooperative "
        "saves 9,700 crowns a year, so that the new lamps will have paid for themselves in less "
        "than ten years."
    )
    y = HEIGHT - 160 - 22 * len(LIGHTS) - 34
    canvas.setFillColor(SEA)
    canvas.setFont("Helvetica-Bold", 12)
    canvas.drawString(MARGIN, y, "Electricity")
    fill(canvas, [Paragraph(after, STYLES["lead"])], (MARGIN, y - 68, across, 60))
    chart = raster(draw_chart, 420, 215, 200).quantize(48, dither=Image.Dither.NONE)
    width, height = 466.0, 466.0 * 215 / 420
    y -= 78 + height
    canvas.drawImage(ImageReader(chart.convert("RGB")), (WIDTH - width) / 2, y, width, height)
    caption = "<b>Figure 1.</b> Electricity used by the six lights, 2019 to 2024."
    fill(canvas, [Paragraph(caption, STYLES["caption"])], (MARGIN, y - 26, across, 14))


def build(target: Path) -> None:
    """Writes the sample PDF to a path."""
    canvas = Canvas(str(target), pagesize=A4, invariant=1, pageCompression=1, lang="en")
    canvas.setTitle(f"{TITLE}: {SUBTITLE}")
    canvas.setAuthor("The deepseek-ocr-rag authors")
    canvas.setSubject("Sample document; every name and number in it is invented")
    canvas.addPageLabel(0, style="ROMAN_LOWER", start=1)
    for draw in (article_page, letter_page, figures_page):
        draw(canvas)
        canvas.showPage()
    canvas.save()


def main(arguments: Sequence[str]) -> int:
    """Makes the sample at the given path, or where the package ships it."""
    target = Path(arguments[0]) if arguments else DEFAULT_TARGET
    build(target)
    print(f"{target}: {target.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
