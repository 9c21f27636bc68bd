"""Text layers that may be broken, and what OCR reads on the picture of the same page."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag.backends.lite.doubtful_layers import checked_layer
from deepseek_ocr_rag.backends.lite.rapidocr import Recognized
from deepseek_ocr_rag.document.text_layer import TextLayer, Word, doubt, is_garbage
from deepseek_ocr_rag.document.types import Box

SENTENCE = "the office shut off the filter and the traffic flow was affected by it all day long "


def layer_of(text: str) -> TextLayer:
    words = text.split()
    return TextLayer(
        tuple(
            Word(word, Box.clamped(i / len(words), 0.1, (i + 0.9) / len(words), 0.2), 10)
            for i, word in enumerate(words)
        ),
        width=600,
        height=800,
    )


def read_as(text: str) -> Recognized:
    return Recognized(layer_of(text), skew=0.0, confidence=0.95)


def text_of(layer: TextLayer) -> str:
    return " ".join(word.text for word in layer.words)


def with_holes(text: str) -> str:
    return text.replace("ffi", "\ufffd").replace("ff", "\ufffd").replace("fl", "\ufffd")


def test_holes_are_filled_from_the_picture() -> None:
    layer = layer_of(with_holes(SENTENCE))
    assert "no meaning" in doubt(layer)
    checked = checked_layer(layer, read_as(SENTENCE))
    assert checked is not None
    assert text_of(checked[0]) == SENTENCE.strip()
    assert "were read from the page's picture" in checked[1][0]


def test_a_hole_that_ocr_cannot_fill_is_reported() -> None:
    checked = checked_layer(layer_of(with_holes(SENTENCE)), read_as("something else"))
    assert checked is not None
    assert text_of(checked[0]) == with_holes(SENTENCE).strip()
    assert "could not be read" in checked[1][0]


def test_a_page_in_a_script_that_ocr_cannot_read_keeps_its_text() -> None:
    russian = "насто\ufffdщий дого\ufffdор заклю\ufffdён между сторонами"
    checked = checked_layer(layer_of(russian), read_as("Hacro uuW 0roBop"))
    assert checked is not None
    assert text_of(checked[0]) == russian


@pytest.mark.parametrize("text", ["\uf0b7 one", "\uf0b7 one \uf0b7 two \uf0b7 three \uf0a7 four"])
def test_bullets_of_symbol_fonts_are_not_holes(text: str) -> None:
    assert doubt(layer_of(text)) == ""


def test_shifted_letters_that_the_picture_contradicts_are_not_used() -> None:
    plain = (
        "the tenant pays the rent on the first day of each month to the account of the owner " * 4
    )
    shifted = "".join(chr(ord(c) + 1) if c.isalpha() else c for c in plain)
    layer = layer_of(shifted)
    assert doubt(layer) == "its letters are shifted"
    assert checked_layer(layer, read_as(plain)) is None
    assert checked_layer(layer, read_as(shifted)) == (layer, ())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SENTENCE, False),
        (f"\uf0b7 {SENTENCE}", False),
        ("".join(chr(0xE000 + ord(c)) if c != " " else c for c in SENTENCE), True),
        ("", False),
    ],
)
def test_text_without_a_meaning_is_told_from_no_text(text: str, expected: bool) -> None:
    assert is_garbage(layer_of(text)) is expected
