"""Drawing: boxes, tags and marks over a page, and crops of it."""

from __future__ import annotations

import pypdfium2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from deepseek_ocr_rag.document.types import Block, Box, Page
from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.export.drawing import colour_of, crop_boxes, draw_page, highlight_boxes
from deepseek_ocr_rag.samples import sample_path

pytestmark = pytest.mark.minimum

TITLE = Box(0.3, 0.07, 0.7, 0.1)
COLUMN = Box(0.09, 0.26, 0.49, 0.92)
PAGE = Page(
    1,
    blocks=(
        Block("title", "Six Lights, One Crew", (TITLE,)),
        Block("text", "The cooperative was founded", (COLUMN, Box(0.51, 0.26, 0.91, 0.4))),
        Block("text", "placeless"),
    ),
)


@pytest.fixture(scope="module")
def image() -> Image.Image:
    document = pypdfium2.PdfDocument(sample_path())
    picture = document[0].render(scale=1).to_pil().convert("RGB")
    document.close()
    return picture


def boxes() -> st.SearchStrategy[Box]:
    side = st.floats(0, 1, allow_nan=False)
    return st.builds(Box.clamped, side, side, side, side)


def changed(before: Image.Image, after: Image.Image) -> tuple[int, int, int, int] | None:
    return ImageChops.difference(before.convert("RGB"), after).getbbox()


def test_the_input_is_never_changed(image: Image.Image) -> None:
    before = image.tobytes()
    draw_page(image, PAGE, highlight=[COLUMN])
    highlight_boxes(image, [COLUMN])
    crop_boxes(image, [COLUMN]).paste(0, (0, 0, 5, 5))
    assert image.tobytes() == before


def test_a_box_is_outlined_in_the_colour_of_its_kind(image: Image.Image) -> None:
    drawn = draw_page(image, PAGE, labels=False)
    x0, y0, x1, y1 = TITLE.to_pixels(*image.size)
    assert drawn.getpixel(((x0 + x1) // 2, y0 - 1)) == colour_of("title")
    assert drawn.getpixel((x0 - 1, (y0 + y1) // 2)) == colour_of("title")
    assert drawn.size == image.size


def test_outlines_stand_around_the_box_and_leave_its_inside_alone(image: Image.Image) -> None:
    drawn = draw_page(image, PAGE, labels=False)
    inside = TITLE.to_pixels(*image.size)
    assert drawn.crop(inside).tobytes() == image.crop(inside).tobytes()


def test_every_box_of_a_block_is_drawn(image: Image.Image) -> None:
    drawn = draw_page(image, PAGE, labels=False)
    for box in PAGE.blocks[1].boxes:
        x0, y0, x1, _ = box.to_pixels(*image.size)
        assert drawn.getpixel(((x0 + x1) // 2, y0 - 1)) == colour_of("text")


def test_a_page_without_boxes_stays_as_it_is(image: Image.Image) -> None:
    assert changed(image, draw_page(image, Page(1, blocks=(Block("text", "placeless"),)))) is None


def test_only_the_kinds_asked_for_are_drawn(image: Image.Image) -> None:
    assert changed(image, draw_page(image, PAGE, kinds=())) is None
    left, _, _, bottom = changed(image, draw_page(image, PAGE, kinds={"title"})) or (0, 0, 0, 999)
    assert bottom < image.height * 0.12
    assert left > image.width * 0.25


def test_tags_tell_reading_order_and_kind(image: Image.Image) -> None:
    """The same box with another number or another kind gives another picture."""

    def tagged(*kinds: str) -> bytes:
        blocks = [Block(kind, "", (TITLE,) if kind == kinds[-1] else ()) for kind in kinds]
        return draw_page(image, Page(1, blocks=tuple(blocks))).tobytes()

    pictures = {tagged("table"), tagged("text", "table"), tagged("table_caption")}
    assert len(pictures) == 3


def test_a_tag_keeps_away_from_text_where_there_is_room() -> None:
    """Ink above the box: the tag moves, and the ink stays visible."""
    page = Image.new("RGB", (600, 800), "white")
    ink = (200, 170, 400, 198)
    page.paste("black", ink)
    for x in range(200, 400, 4):
        page.paste("white", (x, 170, x + 2, 198))
    block = Block("text", "", (Box(200 / 600, 0.26, 400 / 600, 0.5),))
    drawn = draw_page(page, Page(1, blocks=(block,)))
    assert drawn.crop(ink).tobytes() == page.crop(ink).tobytes()
    assert changed(page, drawn) is not None


def test_tags_of_neighbours_do_not_cover_each_other() -> None:
    """Two blocks in the same box: the first tag shows as much as when it is alone."""
    blank = Image.new("RGB", (600, 800), "white")
    same = (Box(0.3, 0.3, 0.7, 0.5),)
    alone = Page(1, blocks=(Block("title", "", same),))
    both = Page(1, blocks=(*alone.blocks, Block("table", "", same)))

    def tag_pixels(page: Page) -> int:
        with_tags, without = draw_page(blank, page), draw_page(blank, page, labels=False)
        return count(with_tags, colour_of("title")) - count(without, colour_of("title"))

    assert tag_pixels(both) >= 0.95 * tag_pixels(alone) > 100


def count(picture: Image.Image, colour: tuple[int, int, int]) -> int:
    found = picture.getcolors(maxcolors=1 << 24) or []
    return sum(number for number, value in found if value == colour)


def test_a_highlight_colours_paper_and_keeps_ink_readable(image: Image.Image) -> None:
    marked = highlight_boxes(image, [COLUMN]).convert("L").crop(COLUMN.to_pixels(*image.size))
    plain = image.convert("L").crop(COLUMN.to_pixels(*image.size))
    assert marked.getextrema()[0] <= plain.getextrema()[0], "black stays black"
    assert 200 < marked.getextrema()[1] < 255, "paper is tinted"


def test_overlapping_highlights_are_no_darker_than_one() -> None:
    page = Image.new("RGB", (400, 400), "white")
    box = Box(0.2, 0.2, 0.8, 0.8)
    once, twice = highlight_boxes(page, [box]), highlight_boxes(page, [box, box])
    assert once.tobytes() == twice.tobytes()


def test_known_kinds_have_fixed_colours_and_unknown_ones_stable_ones() -> None:
    assert colour_of("text") == (0, 114, 178)
    assert colour_of("seal") == colour_of("seal")
    assert len({colour_of(kind) for kind in ("text", "title", "sub_title", "table", "image")}) == 5


def test_strange_kinds_are_drawn() -> None:
    page = Image.new("RGB", (300, 300), "white")
    for kind in ("", "a whole line\nof text " * 40, "\x00\x1b[31m", "表格", "\ud800"):
        block = Block(kind, "", (Box(0.2, 0.2, 0.6, 0.6),))
        assert changed(page, draw_page(page, Page(1, blocks=(block,)))) is not None


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "F"])
def test_any_mode_of_image_becomes_rgb(mode: str) -> None:
    picture = draw_page(Image.new(mode, (120, 160)), PAGE)
    assert (picture.mode, picture.size) == ("RGB", (120, 160))


def test_what_is_transparent_becomes_paper() -> None:
    page = Image.new("RGBA", (50, 50), (0, 0, 0, 0))
    assert crop_boxes(page, [Box(0, 0, 1, 1)]).getpixel((25, 25)) == (255, 255, 255)


@settings(deadline=None, max_examples=40)
@given(
    width=st.integers(1, 60),
    height=st.integers(1, 60),
    found=st.lists(boxes(), min_size=1, max_size=6),
)
def test_any_boxes_fit_any_image(width: int, height: int, found: list[Box]) -> None:
    page = Image.new("RGB", (width, height), "white")
    blocks = tuple(Block("text", "", (box,)) for box in found)
    drawn = draw_page(page, Page(1, blocks=blocks), highlight=found)
    assert drawn.size == page.size
    crop = crop_boxes(page, found)
    assert 1 <= crop.width <= width
    assert 1 <= crop.height <= height


def test_line_width_and_tags_scale_with_the_image() -> None:
    box = Box(0.2, 0.2, 0.8, 0.8)
    page = Page(1, blocks=(Block("text", "", (box,)),))
    share = []
    for side in (640, 2560):
        blank = Image.new("RGB", (side, side), "white")
        share.append(count(draw_page(blank, page), colour_of("text")) / side**2)
    assert share[1] == pytest.approx(share[0], rel=0.35)


def test_a_crop_holds_all_boxes_and_a_margin(image: Image.Image) -> None:
    tight = crop_boxes(image, [TITLE, COLUMN], margin=0)
    assert tight.size == pytest.approx((0.61 * image.width, 0.85 * image.height), abs=2)
    loose = crop_boxes(image, [TITLE], margin=0.02)
    assert loose.height > 0.03 * image.height + 2 * 0.015 * image.height


def test_a_crop_never_leaves_the_page(image: Image.Image) -> None:
    assert crop_boxes(image, [Box(0, 0, 1, 1)], margin=0.5).size == image.size


def test_a_crop_shows_the_pixels_of_the_page(image: Image.Image) -> None:
    crop = crop_boxes(image, [TITLE], margin=0)
    x0, y0, _, _ = TITLE.to_pixels(*image.size)
    expected = image.crop((x0, y0, x0 + crop.width, y0 + crop.height))
    assert crop.tobytes() == expected.tobytes()


@pytest.mark.parametrize(("found", "margin"), [([], 0.02), ([TITLE], -0.1), ([TITLE], 1.5)])
def test_an_impossible_crop_says_what_to_do(
    image: Image.Image, found: list[Box], margin: float
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        crop_boxes(image, found, margin=margin)
    assert caught.value.remedy
