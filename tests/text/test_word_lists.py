"""Words are found without regard to case, and looked up so."""

from __future__ import annotations

import re
import sys

import pytest

from deepseek_ocr_rag.retrieval.query_lexicon import MEASURES
from deepseek_ocr_rag.text.dates import dates
from deepseek_ocr_rag.text.numerals import numbers
from deepseek_ocr_rag.text.word_lists import (
    MONTHS,
    NUMBER_WORDS,
    SCALE_WORDS,
    TENS_WORDS,
    folded,
)


def test_each_letter_that_a_pattern_takes_for_another_is_folded_to_it() -> None:
    letters = {
        letter
        for name in (*MONTHS, *NUMBER_WORDS, *TENS_WORDS, *SCALE_WORDS, *MEASURES)
        for letter in name
    }
    everything = "".join(chr(c) for c in range(sys.maxunicode + 1) if not 0xD800 <= c < 0xE000)
    wrong = [
        (letter, found)
        for letter in letters
        for found in re.findall(re.escape(letter), everything, re.IGNORECASE)
        if folded(found) != letter
    ]
    assert wrong == []


@pytest.mark.parametrize("written", ["1 APRİL 2020", "1 aprıl 2020", "aprİl 1, 2020"])
def test_a_month_with_another_i_is_that_month(written: str) -> None:
    (date,) = dates(written, months=True)
    assert date.days == {(2020, 4, 1)}


@pytest.mark.parametrize(
    ("written", "value", "scale"), [("5 MİLLİON", 5, 6), ("5 bıllion", 5, 9), ("fıve", 5, 0)]
)
def test_a_number_with_another_i_is_that_number(written: str, value: int, scale: int) -> None:
    (number,) = numbers(written)
    assert (number.value, number.scale) == (value, scale)
