"""Numbers that follow from those of a source, and those that would only by chance."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepseek_ocr_rag.answering.verification.calculations.calculation import Calculation
from deepseek_ocr_rag.answering.verification.facts import claimed_facts
from deepseek_ocr_rag.answering.verification.table_figures import figures_of
from deepseek_ocr_rag.text.numerals import numbers

SHIPS = ("| Aurora | 1,250 | 1,000 |", "| Boreas | 980 | 1,140 |")


def follows(claim: str, *lines: str, question: str = "") -> bool:
    """Whether the claim's first number follows from the lines, all of which are relevant."""
    said = claimed_facts(claim)
    number = min(said.numbers, key=lambda number: number.span)
    given = [other.value for other in numbers(question)]
    rows = [figures_of(line, place) for place, line in enumerate(lines)]
    return (
        Calculation(number, said.plain, question, given).result(rows, range(len(rows))) is not None
    )


@pytest.mark.parametrize(
    ("claim", "question", "lines"),
    [
        ("It grew by 25.0%.", "", SHIPS[:1]),
        ("It fell by 14.0 percent.", "", SHIPS[1:]),
        ("Together they have 2,230 tons.", "", SHIPS),
        ("The average is 1,115 tons.", "", SHIPS),
        ("The Aurora has 270 tons more.", "", SHIPS),
        ("270 tons.", "How many more tons has the Aurora than the Boreas?", SHIPS),
        ("The ratio is 1.28.", "", SHIPS),
        ("That is a share of 78.4%.", "", SHIPS),
        ("78.4", "What percentage of the Aurora's tons are the Boreas's?", SHIPS),
        ("That is 1.25 times as much.", "", SHIPS[:1]),
        ("It rose by 2.5 percentage points.", "", ("Share 12.5% 10.0%",)),
        ("It rose by 250 basis points.", "", ("Share 12.5% 10.0%",)),
        ("Together they hold 51.02%.", "", ("A 26.39%", "B 12.70%", "C 11.93%")),
        ("10,240 grams", "How much for 320 litres?", ("Take 32 grams for every litre.",)),
        ("It fell by 3.7 billion.", "", ("From $8.4 billion to $4.7 billion.",)),
        ("It fell by 1.4 billion.", "", ("Sales 23,406 24,804",)),
        ("It fell by 1,398.", "By how much did sales fall, in USD millions?", ("23,406 24,804",)),
    ],
)  # fmt: skip
def test_the_result_of_the_calculation_that_is_named_follows(
    claim: str, question: str, lines: tuple[str, ...]
) -> None:
    assert follows(claim, *lines, question=question)


@pytest.mark.parametrize(
    ("claim", "question", "lines"),
    [
        ("It grew by 25.1%.", "", SHIPS[:1]),
        ("Together they have 2,231 tons.", "", SHIPS),
        ("It has 2,230 tons.", "How many tons has it?", SHIPS),
        ("It rose to 2,230 tons.", "", SHIPS),
        ("It is 25.0%.", "", SHIPS[:1]),
        ("The ratio is 1.10.", "", SHIPS[:1]),
        ("10,240 grams", "How much for 320 litres?", ("Take 32 grams of dry ice.",)),
        ("10,241 grams", "How much for 320 litres?", ("Take 32 grams for every litre.",)),
        # Of two rows and two columns, but in neither a row nor a column.
        ("Together they have 2,390 tons.", "", SHIPS),
    ],
)  # fmt: skip
def test_another_number_and_one_without_a_calculation_do_not_follow(
    claim: str, question: str, lines: tuple[str, ...]
) -> None:
    assert not follows(claim, *lines, question=question)


def test_a_result_does_not_count_where_many_others_are_possible() -> None:
    row = "Tons 11 23 37 45 59 61 78 83"
    assert not follows("The difference is 12.", row)
    assert follows("The difference is 12.", "Tons 11 23")


def test_a_share_of_a_whole_needs_no_label_on_the_whole() -> None:
    lines = ("Tower 877,052 3,142,308", "Store 80,255 354,946", "957,307 3,497,254")
    assert follows("The tower contributed 90%.", *lines)
    assert not follows("The tower contributed 85%.", *lines)


_FIGURES = st.text("0123456789.,%$()- |aB", max_size=60)


@settings(max_examples=80, deadline=None)
@given(
    st.from_regex(r"[0-9]{1,25}([.,][0-9]{1,9})?", fullmatch=True),
    st.sampled_from(["%", " basis points", " million", " more", ""]),
    st.lists(_FIGURES, max_size=6),
)
def test_no_figures_break_it(number: str, unit: str, lines: list[str]) -> None:
    claim = f"The total share of oil, a ratio, changed by {number}{unit}"
    assert follows(claim, *lines, question="On average, per year?") in (True, False)
