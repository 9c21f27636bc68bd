"""One contract, kept by both PDF renderers, over PDFs whose contents are known to the point."""

from __future__ import annotations

import io
import threading
import time
from collections import Counter

import numpy as np
import pytest
from PIL import Image
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from deepseek_ocr_rag.document.types import Box
from deepseek_ocr_rag.errors import (
    ConfigurationError,
    CorruptSourceError,
    LimitExceededError,
    PageRangeError,
    PageRenderError,
    PasswordError,
    SourceError,
)
from deepseek_ocr_rag.sources.limits import Limits
from deepseek_ocr_rag.sources.renderers import words
from deepseek_ocr_rag.sources.renderers.words import is_bold
from deepseek_ocr_rag.sources.source import open_source

WIDTH, HEIGHT = 400.0, 600.0


@pytest.fixture(params=["pdfium", "pymupdf"])
def renderer(request):
    if request.param == "pymupdf":
        pytest.importorskip("pymupdf")
    return request.param


def pdf(draw, *, size=(WIDTH, HEIGHT), **options):
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=size, **options)
    draw(canvas)
    canvas.save()
    return buffer.getvalue()


def one_page(draw, **options):
    def whole(canvas):
        draw(canvas)
        canvas.showPage()

    return pdf(whole, **options)


def hello(canvas, text="Hello world", x=100, y=500, size=20):
    canvas.setFont("Helvetica", size)
    canvas.drawString(x, y, text)


def layer_of(data, renderer, number=1, **options):
    with open_source(data, renderer=renderer, **options) as source:
        return source.text_layer(number)


def ink(picture):
    """The box of what is not white, as fractions of the picture."""
    dark = Image.fromarray((np.asarray(picture.convert("L")) < 128).astype(np.uint8))
    x0, y0, x1, y1 = dark.getbbox()
    width, height = picture.size
    return x0 / width, y0 / height, x1 / width, y1 / height


def assert_close(box, expected, tolerance=0.01):
    values = box.as_tuple() if isinstance(box, Box) else box
    assert values == pytest.approx(expected, abs=tolerance)


# Pages


def test_every_page_has_its_own_size(renderer):
    def draw(canvas):
        for size in ((200, 300), (500, 100), (612, 792)):
            canvas.setPageSize(size)
            hello(canvas, x=10, y=50)
            canvas.showPage()

    with open_source(pdf(draw), renderer=renderer) as source:
        sizes = [(source.info(n).width, source.info(n).height) for n in (1, 2, 3)]
        pictures = [source.render(n, 300).size for n in (1, 2, 3)]
    assert sizes == [(200, 300), (500, 100), (612, 792)]
    assert pictures == [(200, 300), (300, 60), (232, 300)]


def test_printed_labels_are_told_where_the_file_has_them(renderer):
    def draw(canvas):
        for number in range(4):
            hello(canvas)
            if number == 0:
                canvas.addPageLabel(0, style="ROMAN_LOWER")
            if number == 2:
                canvas.addPageLabel(2, style="ARABIC", start=1, prefix="A-")
            canvas.showPage()

    with open_source(pdf(draw), renderer=renderer) as source:
        labels = [source.info(n).label for n in range(1, 5)]
    assert labels == ["i", "ii", "A-1", "A-2"]


def test_a_file_without_labels_has_none(renderer):
    with open_source(one_page(hello), renderer=renderer) as source:
        assert source.info(1).label is None


@pytest.mark.parametrize("number", [0, -1, 2, 10**12])
def test_a_page_that_is_not_there_is_named_with_the_page_count(renderer, number):
    with open_source(one_page(hello), renderer=renderer, name="a.pdf") as source:
        for call in (source.info, source.text_layer, lambda n: source.render(n, 100)):
            with pytest.raises(PageRangeError, match=r"a\.pdf.*the document has 1"):
                call(number)


def test_a_damaged_page_does_not_take_the_others_with_it(renderer, shared):
    path = shared / "corpus" / "hostile" / "pdfjs" / "Pages-tree-refs.pdf"
    with open_source(path, renderer=renderer) as source:
        assert source.page_count == 2
        good = [n for n in (1, 2) if _renders(source, n)]
    assert len(good) == 1


def _renders(source, number):
    try:
        source.render(number, 100)
    except PageRenderError as error:
        return error.page != number
    return True


def test_pages_are_read_from_a_path_and_from_bytes_alike(renderer, tmp_path):
    path = tmp_path / "übung file.pdf"
    path.write_bytes(one_page(hello))
    with (
        open_source(path, renderer=renderer) as file,
        open_source(path.read_bytes(), renderer=renderer) as memory,
    ):
        assert file.text_layer(1) == memory.text_layer(1)
        assert file.sha256 == memory.sha256


def test_a_closed_document_says_so(renderer):
    source = open_source(one_page(hello), renderer=renderer)
    source.close()
    source.close()
    with pytest.raises(SourceError, match="closed"):
        source.render(1, 100)


def test_many_threads_may_read_one_document_and_many(renderer):
    data = one_page(hello)
    expected = layer_of(data, renderer)
    results = []

    def read(source):
        for _ in range(5):
            results.append((source.render(1, 200).size, source.text_layer(1)))

    with open_source(data, renderer=renderer) as one, open_source(data, renderer=renderer) as two:
        threads = [threading.Thread(target=read, args=(s,)) for s in (one, two, one, two)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == [((133, 200), expected)] * 20


def test_a_document_that_nobody_closed_is_freed_by_the_next_call(renderer):
    module = __import__(f"deepseek_ocr_rag.sources.renderers.{renderer}", fromlist=["_abandoned"])
    data = one_page(hello)
    forgotten = open_source(data, renderer=renderer, isolated=False)
    del forgotten
    assert len(module._abandoned) == 1
    open_source(data, renderer=renderer, isolated=False).close()
    assert len(module._abandoned) == 0


# Rendering


@pytest.mark.parametrize("long_side", [1, 7, 640, 2000])
def test_the_long_side_has_exactly_the_pixels_asked_for(renderer, long_side):
    with open_source(one_page(hello, size=(333.3, 777.7)), renderer=renderer) as source:
        picture = source.render(1, long_side)
    assert picture.mode == "RGB"
    assert picture.height == long_side
    assert picture.width == max(1, round(long_side * 333.3 / 777.7))


@pytest.mark.parametrize("size", [(14400, 14400), (14400, 3), (2, 1), (0.5, 0.5), (2**31, 2**31)])
def test_the_size_in_points_does_not_matter(renderer, size):
    with open_source(one_page(hello, size=size), renderer=renderer) as source:
        assert max(source.render(1, 500).size) == 500


def test_the_background_is_white_and_the_text_where_it_was_put(renderer):
    with open_source(
        one_page(lambda c: c.rect(100, 150, 200, 300, fill=1)), renderer=renderer
    ) as s:
        picture = s.render(1, 600)
    assert picture.getpixel((2, 2)) == (255, 255, 255)
    assert_close(ink(picture), (0.25, 0.25, 0.75, 0.75))


def test_colours_keep_their_order(renderer):
    def draw(canvas):
        canvas.setFillColorRGB(1, 0, 0)
        canvas.rect(0, 0, WIDTH, HEIGHT, fill=1, stroke=0)

    with open_source(one_page(draw), renderer=renderer) as source:
        assert source.render(1, 60).getpixel((20, 30)) == (255, 0, 0)


@pytest.mark.parametrize(
    ("degrees", "corner"),
    [(0, (0.0, 0.0)), (90, (0.75, 0.0)), (180, (0.75, 0.75)), (270, (0.0, 0.75))],
)
def test_the_pages_rotation_is_applied_to_the_picture_and_to_the_boxes(renderer, degrees, corner):
    """A mark in the upright page's top left corner turns clockwise with the page."""

    sideways = degrees in (90, 270)

    def draw(canvas):
        # reportlab takes the size of the displayed page.
        canvas.setPageSize((HEIGHT, WIDTH) if sideways else (WIDTH, HEIGHT))
        canvas.setPageRotation(degrees)
        canvas.rect(0, HEIGHT * 0.75, WIDTH * 0.25, HEIGHT * 0.25, fill=1, stroke=0)
        canvas.drawImage(ImageReader(Image.new("RGB", (9, 9))), 0, HEIGHT * 0.75, WIDTH / 4, 150)

    expected = (*corner, corner[0] + 0.25, corner[1] + 0.25)
    with open_source(one_page(draw), renderer=renderer) as source:
        info, picture, layer = source.info(1), source.render(1, 600), source.text_layer(1)
    assert (info.width, info.height) == ((HEIGHT, WIDTH) if sideways else (WIDTH, HEIGHT))
    assert (layer.width, layer.height) == (info.width, info.height)
    assert picture.size == ((600, 400) if sideways else (400, 600))
    assert_close(ink(picture), expected)
    assert_close(layer.pictures[0], expected)


def test_only_the_crop_box_is_shown_and_measured(renderer):
    def draw(canvas):
        canvas.setCropBox((100, 200, 300, 500))
        canvas.rect(100, 200, 100, 150, fill=1, stroke=0)
        hello(canvas, "inside", 210, 400, 10)
        hello(canvas, "outside", 310, 400, 10)

    with open_source(one_page(draw), renderer=renderer) as source:
        info, picture, layer = source.info(1), source.render(1, 300), source.text_layer(1)
    assert (info.width, info.height) == (200, 300)
    assert [word.text for word in layer.words] == ["inside"]
    assert layer.words[0].box.x0 == pytest.approx(110 / 200, abs=0.01)
    assert_close(ink(picture.crop((0, 150, 200, 300))), (0, 0, 0.5, 1))


def test_form_fields_are_drawn_and_their_text_is_read(renderer):
    def draw(canvas):
        canvas.acroForm.textfield(
            value="FILLED", x=100, y=300, width=200, height=60, fontSize=40, borderWidth=0
        )

    with open_source(one_page(draw), renderer=renderer) as source:
        before, layer, after = source.render(1, 600), source.text_layer(1), source.render(1, 600)
    assert np.asarray(before.convert("L")).min() < 100
    assert before == after
    assert [word.text for word in layer.words] == ["FILLED"]
    assert_close((layer.words[0].box.x0, layer.words[0].box.y1), (0.25, 0.5), 0.05)


def many_lines(canvas, count):
    for i in range(count):
        canvas.line(i % 400, 0, (i * 7) % 400, 600)


def test_the_text_of_a_note_on_a_real_page_is_read(renderer, shared):
    folder = shared / "corpus" / "hostile" / "unstructured"
    layer = layer_of(folder / "layout-parser-paper-with-empty-pages.pdf", renderer, number=3)
    words = [word.text for word in layer.words]
    assert words == ["This", "page", "is", "intentionally", "left", "blank"]


def test_a_slow_page_ends_in_an_error(renderer):
    data = one_page(lambda canvas: many_lines(canvas, 300))
    limits = Limits(page_seconds=0.002)
    message = r"slow\.pdf, page 1: .* 0\.002 seconds"
    with (
        open_source(data, renderer=renderer, limits=limits, name="slow.pdf") as source,
        pytest.raises(LimitExceededError, match=message),
    ):
        source.render(1, 1000)


def test_pdfium_stops_a_slow_page_while_it_is_drawn():
    data = one_page(lambda canvas: many_lines(canvas, 100_000))
    # In this process: in another one the page would be quarantined, its size too.
    with open_source(data, limits=Limits(page_seconds=0.5), isolated=False) as source:
        began = time.monotonic()
        with pytest.raises(LimitExceededError):
            source.render(1, 4000)
        assert time.monotonic() - began < 5
        assert source.info(1).width == WIDTH


def test_the_frames_of_links_are_not_drawn(renderer):
    def draw(canvas):
        canvas.linkURL("https://example.org", (100, 100, 300, 300), thickness=3)

    with open_source(one_page(draw), renderer=renderer) as source:
        assert source.render(1, 300).getextrema() == ((255, 255),) * 3


def test_a_rendering_over_the_pixel_limit_is_refused(renderer):
    limits = Limits(image_pixels=10_000)
    with (
        open_source(one_page(hello), renderer=renderer, limits=limits) as source,
        pytest.raises(LimitExceededError, match="667 x 1000 pixels"),
    ):
        source.render(1, 1000)


def test_an_image_over_the_pixel_limit_is_refused_before_it_is_decoded(renderer):
    def draw(canvas):
        canvas.drawImage(ImageReader(Image.new("RGB", (400, 400))), 0, 0, 100, 100)

    limits = Limits(image_pixels=150_000)
    with (
        open_source(one_page(draw), renderer=renderer, limits=limits) as source,
        pytest.raises(LimitExceededError, match="160,000 pixels"),
    ):
        source.render(1, 100)


@pytest.mark.parametrize("long_side", [0, -5])
def test_a_long_side_that_cannot_be_meant_is_refused(renderer, long_side):
    with (
        open_source(one_page(hello), renderer=renderer) as source,
        pytest.raises(ConfigurationError),
    ):
        source.render(1, long_side)


# Opening


def encrypted(user="user", owner="owner", strength=128):
    return one_page(hello, encrypt=StandardEncryption(user, owner, strength=strength))


@pytest.mark.parametrize("strength", [40, 128])
@pytest.mark.parametrize("password", ["user", "owner"])
def test_either_password_opens_an_encrypted_file(renderer, strength, password):
    data = encrypted(strength=strength)
    assert [w.text for w in layer_of(data, renderer, password=password).words] == ["Hello", "world"]


def test_an_encrypted_file_without_a_password_asks_for_one(renderer):
    with pytest.raises(PasswordError, match=r"x\.pdf: the PDF is encrypted.*password=") as caught:
        open_source(encrypted(), renderer=renderer, name="x.pdf")
    assert caught.value.source == "x.pdf"


@pytest.mark.parametrize("password", ["wrong", "", "pä\udcff", "nul\0inside"])
def test_a_wrong_password_is_called_wrong(renderer, password):
    with pytest.raises(PasswordError, match="password is wrong"):
        open_source(encrypted(), renderer=renderer, password=password)


def test_a_password_for_a_file_that_needs_none_does_no_harm(renderer):
    assert layer_of(one_page(hello), renderer, password="anything").words


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("pdfjs/issue6010_2.pdf", "æøå"),
        ("pdfjs/issue21579.pdf", "pässwört"),
        ("pdfjs/saslprep-r6.pdf", "S\u00aaSL\u00adprep"),
        ("docling/2206.01062_pg3_password.pdf", "1234"),
        ("py-pdf/libreoffice-writer-password.pdf", "openpassword"),
    ],
)
def test_passwords_beyond_ascii_work_in_whatever_encoding(renderer, shared, name, password):
    path = shared / "corpus" / "hostile" / name
    with open_source(path, renderer=renderer, password=password) as source:
        assert source.render(1, 200)


def test_a_file_cut_short_opens_or_is_called_damaged(renderer):
    data = one_page(hello)
    for share in (0.1, 0.3, 0.5, 0.9):
        try:
            with open_source(data[: int(len(data) * share)], renderer=renderer) as source:
                assert source.page_count == 1
        except CorruptSourceError:
            continue


def test_a_file_without_pages_is_called_so(renderer):
    data = (
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
        b"2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF"
    )
    with pytest.raises(CorruptSourceError, match=r"no pages|damaged"):
        open_source(data, renderer=renderer)


def test_more_pages_than_allowed_are_refused(renderer):
    data = pdf(lambda c: [c.showPage() for _ in range(3)])
    with pytest.raises(LimitExceededError, match=r"3 pages and the limit is 2"):
        open_source(data, renderer=renderer, limits=Limits(pages=2))


# The text layer


def test_words_have_their_text_place_size_and_weight(renderer):
    def draw(canvas):
        hello(canvas, "Plain words", 100, 500, 20)
        canvas.setFont("Helvetica-Bold", 12)
        canvas.drawString(100, 300, "Strong")

    plain, words, strong = layer_of(one_page(draw), renderer).words
    assert [w.text for w in (plain, words, strong)] == ["Plain", "words", "Strong"]
    assert [w.bold for w in (plain, words, strong)] == [False, False, True]
    assert [w.size for w in (plain, words, strong)] == pytest.approx([20, 20, 12], abs=0.1)
    assert plain.box.x0 == pytest.approx(100 / WIDTH, abs=0.01)
    # The baseline is inside, the cap height (0.72 em) nearly at the top.
    assert plain.box.y0 < 1 - (500 + 0.7 * 20) / HEIGHT < 1 - 500 / HEIGHT <= plain.box.y1
    assert plain.box.y1 - plain.box.y0 < 2 * 20 / HEIGHT


@pytest.mark.parametrize(
    ("font", "bold"),
    [
        ("ABCDEF+CMBX10", True),
        ("CMSSBX10", True),
        ("SFBX1000", True),
        ("Arial,Bold", True),
        ("MyriadPro-Semibold", True),
        ("Frutiger-BdCn", True),
        ("CMR10", False),
        ("CMTT12", False),
        ("ABDABC+Times-Roman", False),
    ],
)
def test_bold_fonts_are_known_by_their_names(font, bold):
    assert is_bold(font) is bold


def test_words_are_split_at_gaps_without_a_space(renderer):
    def draw(canvas):
        hello(canvas, "left", 50, 500)
        hello(canvas, "right", 300, 500)

    assert [w.text for w in layer_of(one_page(draw), renderer).words] == ["left", "right"]


def test_hidden_text_over_a_scan_is_its_ocr(renderer):
    def draw(canvas):
        canvas.drawImage(ImageReader(Image.new("RGB", (60, 80), "grey")), 0, 0, *canvas._pagesize)
        text = canvas.beginText(100, 300)
        text.setTextRenderMode(3)
        text.textOut("recognised")
        canvas.drawText(text)

    layer = layer_of(one_page(draw), renderer)
    assert {w.text: w.hidden for w in layer.words} == {"recognised": True}
    assert layer.unseen == ()


def _invisible(canvas):
    text = canvas.beginText(100, 300)
    text.setTextRenderMode(3)
    text.textOut("unseen")
    canvas.drawText(text)


def _white(canvas):
    canvas.setFillColorRGB(1, 1, 1)
    canvas.drawString(100, 300, "unseen")


def _covered(canvas):
    canvas.drawString(100, 300, "unseen")
    canvas.rect(90, 290, 200, 30, fill=1, stroke=0)


def _blacked_out_by_a_thick_line(canvas):
    canvas.drawString(100, 300, "unseen")
    canvas.setLineWidth(40)
    canvas.line(90, 305, 250, 305)


def _on_its_own_colour(canvas):
    canvas.setFillColorRGB(0.2, 0.3, 0.6)
    canvas.rect(90, 290, 200, 30, fill=1, stroke=0)
    canvas.drawString(100, 300, "unseen")


def _transparent(canvas):
    canvas.setFillAlpha(0)
    canvas.drawString(100, 300, "unseen")


def _tiny(canvas):
    canvas.setFont("Helvetica", 1)
    canvas.drawString(100, 300, "unseen")


def _clipped_away(canvas):
    path = canvas.beginPath()
    path.rect(300, 500, 20, 20)
    canvas.clipPath(path, stroke=0)
    canvas.drawString(100, 300, "unseen")


@pytest.mark.parametrize(
    "hide",
    [
        *(_invisible, _white, _covered, _blacked_out_by_a_thick_line, _on_its_own_colour),
        *(_transparent, _tiny, _clipped_away),
    ],
)
def test_what_a_reader_of_the_page_cannot_see_is_kept_apart(renderer, hide):
    def draw(canvas):
        hello(canvas, "seen")
        hide(canvas)

    layer = layer_of(one_page(draw), renderer)
    assert [w.text for w in layer.words] == ["seen"]
    # MuPDF itself drops what is clipped away.
    dropped = renderer == "pymupdf" and hide is _clipped_away
    assert [w.text for w in layer.unseen] == ([] if dropped else ["unseen"])


def test_covered_text_is_unseen_although_other_text_stands_on_the_cover():
    def draw(canvas):
        canvas.drawString(100, 300, "secret")
        canvas.setFillColorRGB(1, 1, 1)
        canvas.rect(90, 290, 200, 30, fill=1, stroke=0)
        canvas.setFillColorRGB(0, 0, 0)
        canvas.drawString(100, 300, "label")

    layer = layer_of(one_page(draw), "pdfium")
    assert [w.text for w in layer.words] == ["label"]
    assert [w.text for w in layer.unseen] == ["secret"]


def _in_a_dark_cell(canvas):
    canvas.setFillColorRGB(0.1, 0.1, 0.3)
    canvas.rect(90, 290, 200, 30, fill=1, stroke=0)
    canvas.setFillColorRGB(1, 1, 1)
    canvas.drawString(100, 300, "white")


def _highlighted(canvas):
    canvas.drawString(100, 300, "white")
    canvas.setFillColorRGB(1, 1, 0)
    canvas.setFillAlpha(0.4)
    canvas.rect(90, 290, 200, 30, fill=1, stroke=0)


def _pale(canvas):
    canvas.setFillColorRGB(0.8, 0.8, 0.8)
    canvas.drawString(100, 300, "white")


@pytest.mark.parametrize("show", [_in_a_dark_cell, _highlighted, _pale])
def test_what_a_reader_can_see_stays(renderer, show):
    layer = layer_of(one_page(show), renderer)
    assert [w.text for w in layer.words] == ["white"]
    assert layer.unseen == ()


@pytest.mark.parametrize("page", [0, 90, 180, 270])
@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_the_direction_of_text_is_that_on_the_displayed_page(renderer, page, turn):
    def draw(canvas):
        canvas.setPageRotation(page)
        canvas.translate(200, 300)
        canvas.rotate(turn)
        hello(canvas, "turned", 0, 0)

    (word,) = layer_of(one_page(draw), renderer).words
    # canvas.rotate is anticlockwise, a page's rotation clockwise.
    assert word.rotation == (page - turn) % 360


def test_a_hyphen_at_a_lines_end_is_kept_and_ends_its_word(renderer):
    def draw(canvas):
        hello(canvas, "An exam-", 100, 500)
        hello(canvas, "ple ends", 100, 476)

    assert [w.text for w in layer_of(one_page(draw), renderer).words] == [
        "An",
        "exam-",
        "ple",
        "ends",
    ]


def test_bullets_do_not_reach_into_the_lines_around_them(shared):
    words = layer_of(shared / "corpus" / "ocr" / "icdar2013" / "us-013.pdf", "pdfium").words
    bullets = [word for word in words if word.text == "•"]
    assert bullets
    for bullet in bullets:
        assert (bullet.box.y1 - bullet.box.y0) * 792 < 1.2 * bullet.size


def test_glyphs_without_a_meaning_are_shown_as_such_and_not_dropped(shared):
    """The fi of this file's "Confirmed" has no Unicode value in its font."""
    words = layer_of(shared / "corpus" / "ocr" / "icdar2013" / "eu-019.pdf", "pdfium").words
    assert "Con\ufffdrmed" in {word.text for word in words}


def test_strokes_and_thin_boxes_are_rules_also_inside_of_forms(renderer):
    def draw(canvas):
        canvas.setLineWidth(1)
        canvas.line(40, 540, 360, 540)
        canvas.rect(40, 300, 1, 120, fill=1, stroke=0)
        canvas.line(40, 200, 200, 100)
        canvas.rect(100, 100, 100, 100, fill=1, stroke=0)
        canvas.beginForm("form")
        canvas.line(0, 0, 80, 0)
        canvas.endForm()
        canvas.translate(200, 60)
        canvas.scale(2, 2)
        canvas.doForm("form")

    rules = sorted(layer_of(one_page(draw), renderer).rules, key=lambda rule: rule.box.y0)
    assert [rule.horizontal for rule in rules] == [True, False, True]
    assert_close(rules[0].box, (0.1, 0.1, 0.9, 0.1), 0.003)
    assert_close(rules[1].box, (0.1, 0.3, 0.1, 0.5), 0.003)
    assert_close(rules[2].box, (0.5, 0.9, 0.9, 0.9), 0.003)


def test_a_stroked_rectangle_has_four_rules(renderer):
    rules = layer_of(one_page(lambda c: c.rect(100, 100, 200, 300)), renderer).rules
    assert Counter(rule.horizontal for rule in rules) == {True: 2, False: 2}


def test_pictures_have_boxes(renderer):
    def draw(canvas):
        canvas.drawImage(ImageReader(Image.new("RGB", (20, 10))), 100, 150, 200, 300)

    (picture,) = layer_of(one_page(draw), renderer).pictures
    assert_close(picture, (0.25, 0.25, 0.75, 0.75))


def test_an_empty_page_has_an_empty_layer(renderer):
    layer = layer_of(one_page(lambda c: None), renderer)
    assert (layer.words, layer.rules, layer.pictures) == ((), (), ())


def test_a_text_layer_over_its_limit_is_refused(renderer):
    with pytest.raises(LimitExceededError, match=r"page_characters"):
        layer_of(one_page(hello), renderer, limits=Limits(page_characters=5))


def test_rules_beyond_the_object_limit_are_left_out(renderer):
    def draw(canvas):
        for i in range(50):
            canvas.line(10, 10 + 10 * i, 390, 10 + 10 * i)

    assert len(layer_of(one_page(draw), renderer).rules) == 50
    few = layer_of(one_page(draw), renderer, limits=Limits(page_objects=20)).rules
    assert 0 < len(few) < 20


# Both against each other, over real files

REAL = [
    "ocr/icdar2013/us-025.pdf",
    "ocr/icdar2013/us-013.pdf",
    "ocr/docling/2305.03393v1-pg9.pdf",
    "hostile/tabula/arabic.pdf",
    "hostile/pdfjs/hello_world_rotated.pdf",
    "hostile/pdfjs/rotated.pdf",
]


@pytest.fixture(params=REAL)
def both(request, shared):
    pytest.importorskip("pymupdf")
    path = shared / "corpus" / request.param
    with open_source(path) as one, open_source(path, renderer="pymupdf") as other:
        yield one, other


def test_both_renderers_see_the_same_pages(both):
    one, other = both
    assert one.page_count == other.page_count
    for number in range(1, min(one.page_count, 5) + 1):
        first, second = one.info(number), other.info(number)
        assert (first.width, first.height) == pytest.approx((second.width, second.height), abs=0.1)
        assert first.label == second.label


def test_both_renderers_draw_nearly_the_same(both):
    # At 40 pixels a page only its layout is left, not the smoothing of letters.
    small = [np.asarray(s.render(1, 320).convert("L").resize((40, 40))).ravel() for s in both]
    assert np.corrcoef(*small)[0, 1] > 0.8


def test_both_renderers_read_nearly_the_same_words_at_the_same_places(both):
    one, other = (source.text_layer(1).words for source in both)
    first, second = Counter(w.text for w in one), Counter(w.text for w in other)
    assert sum((first & second).values()) >= 0.8 * max(len(one), len(other))
    # Single characters may be marks on others, whose boxes nobody agrees on.
    unique = {word for word in first if first[word] == second.get(word) == 1 and len(word) > 1}
    places = {w.text: w for w in other}
    for word in (w for w in one if w.text in unique):
        assert_close(word.box, places[word.text].box.as_tuple(), 0.01)
        assert word.bold == places[word.text].bold
        assert word.rotation == places[word.text].rotation


def test_vertical_writing_is_upright_words_in_columns(renderer, shared):
    path = shared / "corpus" / "hostile" / "pdfjs" / "vertical.pdf"
    first, second = layer_of(path, renderer).words
    assert {first.text, second.text} == {"日本語", "あいうえお"}
    for word in (first, second):
        assert word.rotation == 0
        assert word.box.y1 - word.box.y0 > 2 * (word.box.x1 - word.box.x0)


def test_boxes_stay_on_the_page_on_real_pages(both):
    for source in both:
        layer = source.text_layer(1)
        for box in [w.box for w in layer.words] + [r.box for r in layer.rules]:
            assert 0 <= box.x0 <= box.x1 <= 1
            assert 0 <= box.y0 <= box.y1 <= 1


def test_white_space_is_what_python_calls_so_and_the_zero_width_space():
    found = {i for i in range(words._LAST + 1) if chr(i).isspace()}
    assert set(words._IS_SPACE.nonzero()[0].tolist()) == found - {*range(0x1C, 0x20)} | {0x200B}
