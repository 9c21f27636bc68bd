"""The picture of the README and the site's front page, made from the sample.

``python tools/make_front_picture.py`` writes ``docs/images/front.webp``: a page with its boxes, a
question, its answer as the package prints it, and the sentence that it quotes on its page.
"""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from deepseek_ocr_rag import (
    Answer,
    Citation,
    DocumentQA,
    OcrDocument,
    Reader,
    draw_page,
    render_page,
    sample_path,
)

TARGET = Path(__file__).resolve().parent.parent / "docs" / "images" / "front.webp"
QUESTION = "How many crowns does the board grant for a new emitter?"
BOXES_OF = 3
"""The page on the left: a table, a chart and their captions."""

MARGIN, LEFT, RIGHT, HEIGHT = 24, 560, 620, 792
EVIDENCE_WIDTH = 0.9
"""Of the cited page's width."""

QUALITY = 82
INK, QUIET, FRAME = "#1f2937", "#64748b", "#cbd5e1"


def front_picture() -> Image.Image:
    """Read the sample, ask the question and draw both."""
    with Reader("lite") as reader:
        document = reader.read(sample_path(), name=sample_path().name)
    answer = DocumentQA(document).ask(QUESTION)
    picture = Image.new("RGB", (LEFT + RIGHT + 3 * MARGIN, HEIGHT + 2 * MARGIN), "white")
    picture.paste(page_with_boxes(document), (MARGIN, MARGIN))
    picture.paste(answer_panel(answer, document), (LEFT + 2 * MARGIN, MARGIN))
    return picture


def page_with_boxes(document: OcrDocument) -> Image.Image:
    """One page and the boxes of its blocks, drawn a little larger than shown: that is smoother."""
    page = render_page(sample_path(), BOXES_OF, long_side=round(1.4 * HEIGHT))
    drawn = draw_page(page, document.page(BOXES_OF))
    return framed(drawn.resize((LEFT, HEIGHT), Image.Resampling.LANCZOS))


def answer_panel(answer: Answer, document: OcrDocument) -> Image.Image:
    """Question, quoted answer and citation above the marked place on the cited page."""
    panel = Image.new("RGB", (RIGHT, HEIGHT), "white")
    draw = ImageDraw.Draw(panel)
    cited = answer.citations[0]
    y = 8
    y = paragraph(draw, y, "Question", 17, QUIET)
    y = paragraph(draw, y, answer.question, 25, INK) + 24
    y = paragraph(draw, y, "Answer", 17, QUIET)
    y = paragraph(draw, y, f"“{cited.quote}” [1]", 25, INK) + 24
    y = paragraph(draw, y, place(cited), 17, QUIET) + 4
    evidence = framed(evidence_of(cited, document, (RIGHT, HEIGHT - y)))
    panel.paste(evidence, (0, y))
    return panel


def paragraph(draw: ImageDraw.ImageDraw, y: int, text: str, size: int, colour: str) -> int:
    """Write wrapped text; returns where the next may begin."""
    font = ImageFont.load_default(size)
    letters = round(RIGHT / (0.5 * size))
    for line in textwrap.wrap(text, letters):
        draw.text((0, y), line, font=font, fill=colour)
        y += round(1.35 * size)
    return y + 4


def place(cited: Citation) -> str:
    """The citation as an answer prints it."""
    box = ", ".join(f"{edge:.3f}" for edge in cited.boxes[0].as_tuple())
    return f"[1] {cited.source}, page {cited.page}, box ({box})"


def evidence_of(cited: Citation, document: OcrDocument, size: tuple[int, int]) -> Image.Image:
    """The cited page around its marked box, in the proportions of the space that is left."""
    page = render_page(sample_path(), cited.page, long_side=1800)
    marked = draw_page(page, document.page(cited.page), highlight=cited.boxes, kinds=())
    box = cited.boxes[0]
    width = round(EVIDENCE_WIDTH * marked.width)
    height = round(width * size[1] / size[0])
    left = round((box.x0 + box.x1) / 2 * marked.width) - width // 2
    top = round((box.y0 + box.y1) / 2 * marked.height) - height // 2
    part = marked.crop((left, top, left + width, top + height))
    return part.resize(size, Image.Resampling.LANCZOS)


def framed(picture: Image.Image) -> Image.Image:
    """The picture with a thin line around it."""
    edge = (0, 0, picture.width - 1, picture.height - 1)
    ImageDraw.Draw(picture).rectangle(edge, outline=FRAME, width=1)
    return picture


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    front_picture().save(target, quality=QUALITY, method=6)
    print(f"{target}: {target.stat().st_size / 1000:.0f} kB")
