"""What is proposed as the next tokens; that drafts never change a text is tested with the decoder."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_ocr_rag.engine import drafting
from deepseek_ocr_rag.engine.drafting import MAX_DRAFTS, Drafter

DET_END = 128819


def steps(text: list[int], source: list[int]) -> int:
    """Steps in which a text is written with drafts from a source."""
    drafter = Drafter(source)
    new, place, count = text[:1], 1, 0
    while place < len(text):
        drafter.observe(new)
        drafts = drafter.draft()
        agreed = 0
        while agreed < len(drafts) and drafts[agreed : agreed + 1] == text[place + agreed :][:1]:
            agreed += 1
        new = text[place : place + agreed + 1]
        place += len(new)
        count += 1
    return count


def test_the_source_goes_on_where_the_last_tokens_stand_in_it() -> None:
    drafter = Drafter([5, 6, 7, 8, 9])
    drafter.observe([1, 6, 7])
    assert drafter.draft() == [8, 9]


def test_of_several_places_the_next_one_is_taken() -> None:
    drafter = Drafter([5, 6, 1, 2, 5, 6, 3, 4, 5, 6, 9, 9])
    drafter.observe([2, 5, 6])
    assert drafter.draft()[:1] == [3]
    drafter.observe([3, 4, 5, 6])
    assert drafter.draft()[:1] == [9]


def test_without_a_source_what_was_written_is_looked_up() -> None:
    drafter = Drafter()
    drafter.observe([1, 2, 3, 4, 5, 1, 2, 3])
    assert drafter.draft() == [4, 5, 1, 2, 3]


def test_where_nothing_is_known_nothing_is_proposed() -> None:
    drafter = Drafter([5, 6, 7])
    drafter.observe([1, 2, 3])
    assert drafter.draft() == []


def test_the_source_goes_on_behind_a_box_where_it_was_left() -> None:
    drafter = Drafter([5, 6, 7, 8, 9, 10, 11, 12])
    drafter.observe([5, 6])
    drafter.draft()
    drafter.observe([7, 8, 50, 51, DET_END])
    assert drafter.draft()[:1] != []


def test_a_differing_token_is_passed_over() -> None:
    drafter = Drafter([5, 6, 7, 8, 9, 10])
    drafter.observe([5, 6])
    assert drafter.draft() == [7, 8, 9, 10]
    drafter.observe([7, 99])
    assert drafter.draft() == [9, 10]


def test_a_right_source_takes_a_fraction_of_the_steps() -> None:
    text = list(range(1000, 1400))
    assert steps(text, text) < 400 / 12
    assert steps(text, []) == 399


@given(
    text=st.lists(st.integers(0, 6), min_size=1, max_size=80),
    source=st.lists(st.integers(0, 6), max_size=80),
)
def test_any_text_is_written_to_its_end(text: list[int], source: list[int]) -> None:
    assert steps(text, source) <= len(text)


@given(st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=20), max_size=20))
def test_drafts_are_never_too_many(pieces: list[list[int]]) -> None:
    drafter = Drafter([0, 1, 2, 3, 4] * 10)
    for piece in pieces:
        drafter.observe(piece)
        assert len(drafter.draft()) <= MAX_DRAFTS


def test_drafts_are_expected_where_the_newest_tokens_were_written_before() -> None:
    drafter = Drafter()
    drafter.observe([1, 2, 3, 4, 1, 2])
    assert not drafter.expects_drafts
    drafter.observe([3])
    assert drafter.expects_drafts
    assert drafter.draft()[0] == 4


def test_with_a_text_layer_drafts_are_expected_from_the_start() -> None:
    assert Drafter([1, 2, 3]).expects_drafts


def drafted(drafter: Drafter, text: list[int]) -> list[int]:
    """Write a text token by token; returns the number of drafts in front of each."""
    counts = []
    for token in text:
        counts.append(len(drafter.draft()) if drafter.expects_drafts else 0)
        drafter.observe([token])
    return counts


def test_drafts_that_are_wrong_again_and_again_stop() -> None:
    """The same three tokens, and always another one behind them."""
    text = [token for other in range(40) for token in (5, 6, 7, 1000 + other)]
    counts = drafted(Drafter(), text)
    assert sum(count > 0 for count in counts[:80]) > 1
    assert sum(count > 0 for count in counts[80:]) < 4


def test_after_a_while_they_are_tried_again() -> None:
    drafter = Drafter()
    drafted(drafter, [token for other in range(40) for token in (5, 6, 7, 1000 + other)])
    assert sum(drafted(drafter, [*range(2000, 2400), 5, 6, 7, 8])) > 0


def test_a_text_layer_of_another_text_is_not_waited_for() -> None:
    drafter = Drafter(list(range(1000, 1400)))
    waits = 0
    for token in range(2000, 2400):
        if drafter.expects_drafts:
            waits += 1
            drafter.draft()
        drafter.observe([token])
    assert waits < 100


def test_more_that_is_the_same_gives_more_drafts() -> None:
    """Behind three tokens few drafts, behind a whole row that repeats itself many."""
    row = list(range(100, 130))
    drafter = Drafter()
    drafter.observe([*row, *row[:20]])
    assert len(drafter.draft()) > 0
    counts = drafted(drafter, [*row[20:], *row, *row, *row, *row])
    assert max(counts[-30:]) == MAX_DRAFTS


def test_how_many_drafts_pay_is_computed_once_for_each_token(monkeypatch) -> None:
    """It is asked for several times, while the device waits."""
    computed = []
    best_count = drafting._Odds._best_count
    monkeypatch.setattr(
        drafting._Odds,
        "_best_count",
        lambda odds, kind: computed.append(kind) or best_count(odds, kind),
    )
    drafter = Drafter(list(range(1000, 1400)))
    drafter.observe([1000, 1001, 1002])
    for token in range(1003, 1010):
        computed.clear()
        assert drafter.expects_drafts
        assert drafter.expects_drafts
        assert drafter.draft()
        assert len(computed) == 1
        drafter.observe([token])


@pytest.mark.parametrize("kind", [drafting.EXACTLY, drafting.MORE, drafting.SOURCE])
def test_the_number_of_drafts_gives_most_tokens_for_their_time(kind) -> None:
    odds = drafting._Odds()
    for right in (True, False, True, True, False, False, False):
        odds.learn(kind, right=right)
        chance = odds._right[kind] / odds._tried[kind]
        after = drafting.MORE if kind == drafting.EXACTLY else kind
        each = odds._right[after] / odds._tried[after]
        rates = {0: 1.0}
        for drafts, cost in drafting.STEPS:
            tokens = 1 + chance * sum(each**place for place in range(drafts))
            rates[drafts] = tokens / (cost + drafting.WAIT)
        assert odds.count(kind) == max(rates, key=rates.__getitem__)
