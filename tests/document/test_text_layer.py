"""Which text layers are good enough to use instead of the page's picture."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepseek_ocr_rag.document.text_layer import TextLayer, Word, usable
from deepseek_ocr_rag.document.types import Box
from deepseek_ocr_rag.sources.source import open_source

PROSE = (
    "The harbour board grants the cooperative 18,450 crowns for a new emitter, on three "
    "conditions: it is in service by 30 June 2025, it is tested at every new moon, and a "
    "spare membrane is always kept on the rock."
)
SCAN = (Box(0, 0, 1, 1),)


def layer(text: str, *, pictures: tuple[Box, ...] = (), hidden: bool = False) -> TextLayer:
    held = tuple(Word(w, Box(0.1, 0.1, 0.2, 0.12), 10, hidden=hidden) for w in text.split())
    return TextLayer(held, pictures=pictures, width=595, height=842)


@pytest.mark.parametrize(
    "text",
    [
        PROSE,
        "Potato",
        "7",
        "按照语法的通解，语法是约定俗成的，具有社会性。" * 4,
        "مرحبا اسمي سلطان من اين انت",
        "Executive Summary " + "." * 300 + " 1",
        "E = mc² ∑ ∫ → α β γ ≤ 10⁻³",
    ],
)
def test_the_text_of_a_born_digital_page_is_usable(text: str) -> None:
    assert usable(layer(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \u00a0 \u2003 ",
        "\ufffd\ufffd\ufffd \ufffd\ufffd \ufffd",
        "\ue001\ue002 \ue003\ue004\ue005",
        "\x01\x02\x03 \x04\x05 ab",
        "(cid:12)(cid:7)(cid:81) (cid:3)(cid:44) of",
        "..... ------ .....",
        "aaaaaaaa aaaaaaaa aaaaaaa aaaaaaaaaa " * 4,
        "x" + "abcdefgh" * 100,
    ],
    ids=["empty", "spaces", "replacement", "private", "controls", "cid", "dots", "one", "endless"],
)
def test_unreadable_text_is_not_usable(text: str) -> None:
    assert not usable(layer(text))


@pytest.mark.parametrize("hidden", [True, False])
def test_a_good_ocr_layer_on_a_scan_is_usable(hidden: bool) -> None:
    assert usable(layer(PROSE, pictures=SCAN, hidden=hidden))


def test_a_stamp_on_a_scan_is_not_usable() -> None:
    assert not usable(layer("Case 1:12-cv-00345 Document 9 Filed 08/30/12", pictures=SCAN))


def test_a_scan_in_bands_is_a_scan() -> None:
    bands = tuple(Box(0, i / 10, 1, (i + 1) / 10) for i in range(10))
    assert not usable(layer("Page 12 of 20", pictures=bands))


def test_a_few_words_beside_a_figure_are_usable() -> None:
    assert usable(layer("Figure 3. The lighthouse.", pictures=(Box(0.1, 0.1, 0.9, 0.6),)))


def test_a_jumbled_ocr_layer_on_a_scan_is_not_usable() -> None:
    jumble = 'U ARMY NICAL .1/1.e_atinc24451a.y, 0-e-el-k- .A.:01.6e.e. "tet:A•44 d-atte- '
    jumble += "..LCV WI.GL,41.44-gta*Air. N.k...O.AetAlket, ciA# o44,A4)-0-A:fcfk -777d4v, itzt-"
    assert not usable(layer(jumble, pictures=SCAN, hidden=True))


@pytest.mark.parametrize(
    ("file", "answer"),
    [
        ("olmocr/handwriting_bad_ocr.pdf", False),
        ("olmocr/blanktext.pdf", False),
        ("olmocr/small_page_size.pdf", True),
        ("olmocr/badlines.pdf", True),
        ("olmocr/horribleocr.pdf", True),
        ("pdfjs/ArabicCIDTrueType.pdf", True),
    ],
)
def test_layers_of_real_files_are_judged_right(shared: Path, file: str, answer: bool) -> None:
    with open_source(shared / "corpus" / "hostile" / file) as source:
        found = source.text_layer(1)
    assert found is not None
    assert usable(found) is answer


@settings(deadline=None, max_examples=100)
@given(st.lists(st.text(min_size=0, max_size=12), max_size=30), st.booleans())
def test_any_words_get_an_answer(texts: list[str], scan: bool) -> None:
    held = tuple(Word(text, Box(0, 0, 0.1, 0.1)) for text in texts)
    assert usable(TextLayer(held, pictures=SCAN if scan else ())) in (True, False)
