"""Whether a text continues after the end of a column or page."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag.text.continuation import is_finished, runs_on


@pytest.mark.parametrize(
    ("text", "following"),
    [
        ("we use pyecharts and matplotlib", "to render 10M images, mainly"),
        ("Before entering global attention,", "the 4096 tokens go through"),
        ("Die Grösse wird ausgedrückt durch,", "Vektoren und Skalare."),
        ("all of this was known to the pre-", "Roman people of the island"),
        ("Он шёл по улице и", "думал о море."),
        ("系统使用三种编码器，第一种是", "双塔结构，它的优点是"),
    ],
)
def test_text_continues(text: str, following: str) -> None:
    assert runs_on(text, following)


@pytest.mark.parametrize(
    ("text", "following"),
    [
        ("The lamp was lit at dusk.", "the ships came home"),
        ("She said: “We are there.”", "then she left the room"),
        ("these are the three reasons:", "first the wind and then"),
        ("The keeper of the lamp went", "The ships came home."),
        ("The keeper of the lamp went", "- down the stairs"),
        ("The keeper of the lamp went", "b) down the stairs"),
        ("The keeper of the lamp went", "iii. down the stairs"),
        ("The keeper of the lamp went", "(see below)"),
        ("input image", "output image"),
        ("系统结构", "双塔结构，它的优点是"),
        ("系统使用三种编码器，第一种是好的。", "双塔结构，它的优点是"),
    ],
)
def test_text_does_not_continue(text: str, following: str) -> None:
    assert not runs_on(text, following)


@pytest.mark.parametrize("text", ["End.", 'End."', "End.)", "Ende!“ ", "終わり。", "終わり。」"])
def test_a_full_stop_may_stand_inside_of_quotes_and_brackets(text: str) -> None:
    assert is_finished(text)
