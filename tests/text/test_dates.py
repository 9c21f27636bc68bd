"""Dates: the same day is recognised in other words and another order."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_ocr_rag.text.dates import dates


def says(source: str, claim: str) -> bool:
    (claimed,) = dates(claim)
    return any(claimed.matches(stated) for stated in dates(source, overlapping=True))


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2015-03-24", (2015, 3, 24)),
        ("24.03.2015", (2015, 3, 24)),
        ("March 24, 2015", (2015, 3, 24)),
        ("December 31,2018", (2018, 12, 31)),
        ("31st March, 2007", (2007, 3, 31)),
        ("3. März 2015", (2015, 3, 3)),
        ("1er mai 2010", (2010, 5, 1)),
        ("2015年3月24日", (2015, 3, 24)),
        ("May 2016", (2016, 5, None)),
        ("12 May", (None, 5, 12)),
    ],
)
def test_a_date_is_read_in_many_forms(text: str, day: tuple[int | None, int, int | None]) -> None:
    (date,) = dates(f"It was on {text} as they say")
    assert date.days == {day}


def test_a_date_in_numbers_can_mean_two_days() -> None:
    (date,) = dates("3/4/2015")
    assert date.days == {(2015, 3, 4), (2015, 4, 3)}


@pytest.mark.parametrize(
    "text", ["it may 5 times", "to March 10,000 people", "1.2.3", "99/99/2015"]
)
def test_what_only_looks_like_a_date_is_none(text: str) -> None:
    assert dates(text) == ()


@pytest.mark.parametrize(
    ("source", "claim", "said"),
    [
        ("24.03.2015", "March 24, 2015", True),
        ("24.03.2015", "March 2015", True),
        ("24.03.2015", "March 25, 2015", False),
        ("24.03.2015", "April 24, 2015", False),
        ("March 24, 2014", "March 24, 2015", False),
        ("March 2015", "March 24, 2015", False),
        ("Sept 30 dec 5", "December 5", True),
    ],
)
def test_a_source_says_a_date(source: str, claim: str, said: bool) -> None:
    assert says(source, claim) is said


@pytest.mark.parametrize(
    ("text", "month"),
    [
        ("The roof was renewed in May.", 5),
        ("L'avion a été révisé en mars.", 3),
        ("Die Fräse wurde im September gewartet.", 9),
        ("El pozo se limpia cada abril.", 4),
        ("È stato pulito in gennaio.", 1),
        ("A prensa foi reparada em fevereiro.", 2),
        ("De kotter is in oktober geverfd.", 10),
        ("Bryggan reparerades i maj.", 5),
        ("Most naprawiono w grudniu.", 12),
        ("Мост закрыт в июле.", 7),
    ],
)
def test_a_month_alone_counts_where_it_is_asked_for(text: str, month: int) -> None:
    (found,) = dates(text, months=True)
    assert found.days == {(None, month, None)}
    assert found.is_month
    assert not dates(text)


@pytest.mark.parametrize(
    "text",
    [
        "May cause drowsiness.",
        "It may rain, and we march on.",
        "on 24 March 2015",
        "la marca",
        "Deck",
    ],
)
def test_no_other_word_is_a_month_alone(text: str) -> None:
    assert not [date for date in dates(text, months=True) if date.is_month]


def test_a_short_form_is_a_month_in_a_source_alone() -> None:
    assert not dates("Dec 12.5", months=True)
    assert [d.is_month for d in dates("Dec 12.5", months=True, overlapping=True)] == [True]


@given(st.dates(datetime.date(1500, 1, 1), datetime.date(2199, 12, 31)))
def test_every_day_is_known_in_words_and_in_numbers(day: datetime.date) -> None:
    assert says(day.isoformat(), f"{day:%B} {day.day}, {day.year}")
    assert says(f"{day.day}. {day:%B} {day.year}", day.isoformat())


@given(st.text("0123456789.-/ Maymarchdec年月日", max_size=60))
def test_no_text_breaks_it(text: str) -> None:
    for date in dates(text):
        assert all(1 <= month <= 12 for _, month, _ in date.days)
