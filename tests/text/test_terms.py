"""Search terms: the same for a question and for the page that answers it."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag.text.terms import (
    search_phrases,
    search_terms,
    terms,
    with_stems,
)


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("The lamps burn", "lamp"),
        ("DeepSeek- OCR reads", "DeepSeek-OCR"),
        ("infor-\nmation", "information"),
        ("revenue of $12,516 million", "12516"),
        ("FY2023 results", "2023"),
        ("GPT-4 model", "GPT4"),
        ("companies", "company"),
        ("<td>Total</td><td>A&amp;B</td>", "total"),
        ("ＦＵＬＬ width", "full"),
        ("STRASSE", "Straße"),
        ("我们研究机器学习模型", "机器学习"),
        ("東京都に住んでいます", "東京"),
        ("한국어 문서", "문서"),
        ("sales in the U.S. grew", "us sales"),
        ("JnJ's growth", "jnj growth"),
        ("ジョン・スミス", "スミス"),
        ("人々の声", "人々"),
    ],
)
def test_a_page_shares_all_terms_of_a_question_about_it(written: str, asked: str) -> None:
    assert set(terms(asked)) & set(terms(written))


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("12.5 percent", "125"),
        ("analysis", "analysi"),
        ("glass", "glas"),
        ("a < b and c > d", "td"),
        ("the keeper's lamp", "s"),
        ("e.g. oil", "e"),
    ],
)
def test_different_words_stay_different(written: str, asked: str) -> None:
    assert not set(terms(asked)) & set(terms(written))


def test_nothing_gives_nothing() -> None:
    assert terms("") == terms(" .,;!? ") == []


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("We measured the pressure", "measuring pressures"),
        ("an accurate measurement", "measure accurately"),
        ("Installing it properly", "installation"),
    ],
)
def test_search_finds_other_forms_of_a_word(written: str, asked: str) -> None:
    assert set(with_stems(search_terms(written))) & set(with_stems(search_terms(asked)))


def test_the_same_form_shares_more_than_another_one() -> None:
    def shared(other: str) -> int:
        asked = with_stems(search_terms("measuring"))
        return len(set(asked) & set(with_stems(search_terms(other))))

    assert shared("measuring") > shared("measured") > shared("counted") == 0


@pytest.mark.parametrize("text", ["猫在哪里", "ねこは猫です"])
def test_search_finds_a_single_chinese_character(text: str) -> None:
    assert "猫" in search_terms(text)
    assert "猫" not in terms(text)


def test_an_abbreviation_in_capitals_is_not_a_function_word() -> None:
    assert search_terms("How did US sales grow?", function_words=False) == ["us", "sale", "grow"]
    assert search_terms("HOW DID IT GROW?", function_words=False) == ["grow"]
    assert search_terms("Tell us of it", function_words=False) == ["tell"]


def test_phrases_are_words_that_stand_together_but_for_function_words() -> None:
    found = search_phrases(search_terms("the measurement of blood pressure"))
    assert "measurement blood" in found
    assert "blood pressure" in found
    assert "~blood ~pressur" in found
    assert not any("of" in phrase.split() for phrase in found)
