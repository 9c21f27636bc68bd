"""Search terms: the same for a question and for the page that answers it."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag.terms import question_terms, terms


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
    ],
)
def test_a_page_shares_all_terms_of_a_question_about_it(written: str, asked: str) -> None:
    assert set(question_terms(asked)) & set(terms(written))


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("12.5 percent", "125"),
        ("analysis", "analysi"),
        ("glass", "glas"),
        ("a < b and c > d", "td"),
    ],
)
def test_different_words_stay_different(written: str, asked: str) -> None:
    assert not set(terms(asked)) & set(terms(written))


def test_function_words_count_only_where_a_question_has_nothing_else() -> None:
    assert question_terms("What is the height of the lamp?") == ["height", "lamp"]
    assert question_terms("The Who") == ["the", "who"]


def test_nothing_gives_nothing() -> None:
    assert terms("") == terms(" .,;!? ") == []
