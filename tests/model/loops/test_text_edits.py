"""Changes to a text, and where its offsets are afterwards."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deepseek_ocr_rag.model.loops.text_edits import Edit, edited, moved


def test_changes_are_made_whatever_their_order() -> None:
    edits = [Edit(6, 11, "there"), Edit(0, 5, "Hi"), Edit(11, 11, "!")]
    assert edited("Hello world", edits) == "Hi there!"


def test_offsets_move_with_the_text_around_them() -> None:
    edits = [Edit(2, 4), Edit(6, 7, "xyz")]
    assert edited("abcdefgh", edits) == "abefxyzh"
    assert moved([0, 2, 4, 5, 6, 7, 8], edits) == (0, 2, 2, 3, 4, 7, 8)


def test_an_offset_within_what_goes_stays_within_what_comes() -> None:
    assert moved([1, 2, 3, 4, 5], [Edit(1, 5, "xy")]) == (1, 2, 3, 3, 3)


@given(
    st.text(max_size=60),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 10), st.text(max_size=5)), max_size=5),
)
def test_offsets_stay_in_order_and_in_the_text(
    text: str, drawn: list[tuple[int, int, str]]
) -> None:
    edits: list[Edit] = []
    for start, length, replacement in sorted(drawn):
        begin = max(start, edits[-1].end if edits else 0)
        if begin + length <= len(text):
            edits.append(Edit(begin, begin + length, replacement))
    places = moved(range(len(text) + 1), edits)
    assert list(places) == sorted(places)
    assert places[-1] == len(edited(text, edits))
    # Characters that no change touched are found where they went.
    changed = {place for edit in edits for place in range(edit.start, edit.end)}
    after = edited(text, edits)
    for place, character in enumerate(text):
        if place not in changed and place + 1 not in {edit.start for edit in edits}:
            assert after[places[place + 1] - 1] == character
