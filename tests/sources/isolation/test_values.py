"""Values: equal on both sides, and a lying process is found out."""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from deepseek_ocr_rag import errors
from deepseek_ocr_rag.concurrency.frames import Frame, receive, send
from deepseek_ocr_rag.concurrency.picture_frames import PixelPicture, picture_frame
from deepseek_ocr_rag.concurrency.png_pictures import encode_png
from deepseek_ocr_rag.document.text_layer import Rule, TextLayer, Word
from deepseek_ocr_rag.document.types import Box
from deepseek_ocr_rag.errors import BrokenFrameError
from deepseek_ocr_rag.sources.isolation.values import (
    error_frame,
    error_from,
    info_frame,
    info_from,
    inked_frame,
    layer_frame,
    layer_from,
    picture_from,
    pixels_from,
    png_frame,
    png_from,
)
from deepseek_ocr_rag.sources.renderers.opened_document import PageInfo
from deepseek_ocr_rag.sources.source import open_source

fractions = st.floats(0, 1)
boxes = st.builds(Box.clamped, fractions, fractions, fractions, fractions)
words = st.builds(
    Word,
    st.text(),
    boxes,
    st.floats(0, 1e6),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0, 90, 180, 270]),
)
layers = st.builds(
    TextLayer,
    st.lists(words).map(tuple),
    st.lists(st.builds(Rule, boxes, st.booleans())).map(tuple),
    st.lists(boxes).map(tuple),
    st.floats(0, 1e9),
    st.floats(0, 1e9),
)


def travelled(frame):
    """As it comes out of a pipe."""
    pipe = io.BytesIO()
    send(pipe, frame)
    pipe.seek(0)
    return receive(pipe, longest=len(pipe.getvalue()))


@given(layers)
def test_a_text_layer_is_equal_on_the_other_side(layer):
    assert layer_from(travelled(layer_frame(layer))) == layer


def test_no_text_layer_is_none_on_the_other_side():
    assert layer_from(travelled(layer_frame(None))) is None


def test_the_sample_is_the_same_read_here_and_there(sample_pdf):
    with open_source(sample_pdf) as there, open_source(sample_pdf, isolated=False) as here:
        assert there.page_count == here.page_count
        for number in range(1, here.page_count + 1):
            assert there.info(number) == here.info(number)
            assert there.text_layer(number) == here.text_layer(number)
            assert there.render(number, 700).tobytes() == here.render(number, 700).tobytes()


@pytest.mark.parametrize("isolated", [True, False])
def test_a_page_as_a_file_has_the_pixels_of_the_page(sample_pdf, isolated):
    with open_source(sample_pdf, isolated=isolated) as source:
        for number in range(1, source.page_count + 1):
            png = source.render_png(number, 700)
            page = source.render(number, 700)
            assert (png.width, png.height) == page.size
            with Image.open(io.BytesIO(png.data)) as opened:
                assert opened.convert("RGB").tobytes() == page.tobytes()


@pytest.mark.parametrize("isolated", [True, False])
def test_a_blank_page_has_no_file(isolated):
    blank = io.BytesIO()
    Image.new("RGB", (60, 80), "white").save(blank, "PNG")
    with open_source(blank.getvalue(), isolated=isolated) as source:
        assert source.render_png(1, 80) is None
        assert source.render_pixels(1, 80) is None


@pytest.mark.parametrize("isolated", [True, False])
def test_the_pixels_of_a_page_are_those_of_its_picture(sample_pdf, isolated):
    with open_source(sample_pdf, isolated=isolated) as source:
        pixels = source.render_pixels(1, 700)
        assert pixels.picture().tobytes() == source.render(1, 700).tobytes()


def test_pixels_are_equal_on_the_other_side():
    picture = Image.effect_noise((33, 17), 90).convert("RGB")
    found = pixels_from(travelled(inked_frame(picture)))
    assert (found.width, found.height, bytes(found.data)) == (33, 17, PixelPicture.of(picture).data)
    assert pixels_from(travelled(inked_frame(Image.new("RGB", (9, 9))))) is None


@pytest.mark.parametrize(
    "lie",
    [
        Frame({"width": 3, "height": 2}, bytes(23)),
        Frame({"width": 0, "height": 0}, b""),
        Frame({"width": -1, "height": -6}, bytes(24)),
        Frame({"width": "3", "height": 2}, bytes(24)),
        Frame({"blank": False}, b""),
    ],
)
def test_pixels_that_do_not_fit_their_size_are_refused(lie):
    with pytest.raises(BrokenFrameError):
        pixels_from(lie)


def test_a_page_as_a_file_is_equal_on_the_other_side():
    picture = Image.effect_noise((33, 17), 90).convert("RGB")
    assert png_from(travelled(png_frame(picture))) == encode_png(picture)
    assert png_from(travelled(png_frame(Image.new("RGB", (9, 9))))) is None


@pytest.mark.parametrize(
    "lie",
    [
        Frame({"width": 33, "height": 18}, encode_png(Image.effect_noise((33, 17), 90)).data),
        Frame({"width": 33, "height": 17}, b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        Frame({"width": -1, "height": 17}, b""),
        Frame({"blank": "yes"}),
    ],
)
def test_a_file_that_is_not_a_page_is_refused(lie):
    with pytest.raises(BrokenFrameError):
        png_from(lie)


def test_a_picture_is_equal_on_the_other_side():
    picture = Image.effect_noise((33, 17), 90).convert("RGB")
    assert picture_from(travelled(picture_frame(picture))).tobytes() == picture.tobytes()


def test_a_pages_size_and_label_are_equal_on_the_other_side():
    for info in (PageInfo(1.5, 2.5, "iv"), PageInfo(0.1, 1e9, None)):
        assert info_from(travelled(info_frame(info))) == info


@pytest.mark.parametrize("name", [n for n in errors.__all__ if n != "ConfigurationError"])
def test_every_error_of_ours_comes_over_whole(name):
    error = getattr(errors, name)("bad", source="a.pdf", page=3, remedy="Do something.")
    came = error_from(travelled(error_frame(error)), "a.pdf")
    assert type(came) is type(error)
    assert str(came) == str(error)


def test_a_frame_without_an_error_has_none():
    assert error_from(Frame({"pages": 3}), "a.pdf") is None


def good_layer():
    word = Word("word", Box(0, 0, 1, 1))
    return layer_frame(TextLayer((word,), (Rule(Box(0, 0, 1, 0), True),), (Box(0, 0, 1, 1),)))


@pytest.mark.parametrize(
    "change",
    [
        {"words": "word"},
        {"words": ["word", "more"]},
        {"words": [7]},
        {"rule_count": -1},
        {"rule_count": 10**9},
        {"rule_count": True},
        {"width": None},
        {"height": float("inf")},
    ],
)
def test_a_text_layer_that_lies_is_broken(change):
    frame = good_layer()
    with pytest.raises(BrokenFrameError):
        layer_from(replace(frame, message={**frame.message, **change}))


@given(st.binary(max_size=200))
def test_any_numbers_are_a_text_layer_or_broken(body):
    with suppress(BrokenFrameError):
        layer_from(replace(good_layer(), body=body))


@pytest.mark.parametrize("size", [(0, 0), (2, 2), (2**40, 1), (-1, -4), ("1", "1"), (None, 1)])
def test_a_picture_that_lies_about_its_size_is_broken(size):
    with pytest.raises(BrokenFrameError):
        picture_from(Frame({"width": size[0], "height": size[1]}, b"1234"))


@pytest.mark.parametrize(
    "message",
    [
        {"error": "SystemExit", "problem": "x"},
        {"error": "Any", "problem": "x"},
        {"error": "__all__", "problem": "x"},
        {"error": ["SourceError"], "problem": "x"},
        {"error": "SourceError"},
        {"error": "SourceError", "problem": "x" * 10**5},
    ],
)
def test_only_errors_of_ours_are_made(message):
    with pytest.raises(BrokenFrameError):
        error_from(Frame(message), "a.pdf")


def test_an_error_cannot_speak_of_another_file():
    told = Frame({"error": "SourceError", "problem": "bad", "source": "/etc/passwd"})
    assert str(error_from(told, "a.pdf")) == "a.pdf: bad"


@pytest.mark.parametrize("label", [7, "x" * 10**5, ["a"]])
def test_a_label_that_is_none_is_broken(label):
    with pytest.raises(BrokenFrameError):
        info_from(Frame({"width": 1.0, "height": 1.0, "label": label}))
