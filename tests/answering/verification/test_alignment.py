"""Facts that stand elsewhere in a source than where the claim has them."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag.answering.verification.alignment import clause, is_displaced


def displaced(claim: str, fact: str, source: str) -> bool:
    start = claim.rindex(fact)
    return is_displaced(claim, (start, start + len(fact)), source)


@pytest.mark.parametrize(
    ("claim", "fact", "source"),
    [
        ("Touch Devices at the bottom", "Devices", "touch Reset at the bottom of the screen"),
        ("Set the control to 4", "4", "Set the control to 3."),
        ("Bob Ray keeps the lamp", "Ray", "Ann Lee keeps the lamp."),
        ("300 mmHg (300 kPa)", "300", "more than 300 mmHg (40 kPa)"),
        ("10 minutes", "10", "wait 30 minutes before you start"),
        ("Ann has kept the lamp since 1903", "1903", "since 14 March 1902 she has kept the lamp"),
        ("Lit on 14 April 1902", "April", "it was lit on 14 March 1902"),
    ],
)
def test_a_fact_is_displaced_if_the_source_has_another_in_its_position(
    claim: str, fact: str, source: str
) -> None:
    assert displaced(claim, fact, source)


@pytest.mark.parametrize(
    ("claim", "fact", "source"),
    [
        ("Touch Reset at the bottom", "Reset", "touch Reset at the bottom of the screen"),
        ("It rose to 8 from 6", "8", "from 6 in May it rose to 8"),
        ("Ann Lee keeps the lamp", "Lee", "The lamp is kept by Ann Lee, says Bob Ray."),
        ("The tower has 40 rooms", "40", "It was built in 1871."),
        ("Ann has kept the lamp since 1902", "1902", "since 14 March 1902 she has kept the lamp"),
        ("Lit on March 14, 1902", "March", "it was lit on 14 March 1902"),
    ],
)
def test_a_fact_is_not_displaced_if_its_position_is_its_own_or_missing(
    claim: str, fact: str, source: str
) -> None:
    assert not displaced(claim, fact, source)


def test_a_clause_ends_at_marks_that_end_one() -> None:
    text = "It is 1.5 m high, built in 1871; it burns oil."
    start = text.index("1871")
    assert clause(text, (start, start + 4)).strip() == "built in 1871;"
