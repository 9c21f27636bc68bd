"""How common a word is elsewhere in its document."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag.answering.verification.term_frequencies import TermFrequencies

TEXTS = [("a.pdf", f"The watch has part {n}.") for n in range(20)] + [("b.pdf", "A lamp.")]
OWN = [("a.pdf", frozenset({"the", "watch", "ha", "part", "0"}))]


def test_a_word_of_every_page_is_likely_and_a_rare_one_is_not() -> None:
    frequencies = TermFrequencies(TEXTS)
    assert frequencies.chance("watch", OWN) > 0.7
    assert frequencies.chance("lamp", OWN) < 0.05


def test_where_nothing_is_known_one_chunk_in_ten_has_a_word() -> None:
    assert TermFrequencies().chance("watch", OWN) == pytest.approx(0.1)


def test_the_passage_at_hand_does_not_count() -> None:
    alone = TermFrequencies([("a.pdf", "The watch.")])
    assert alone.chance("watch", [("a.pdf", frozenset({"watch"}))]) == pytest.approx(0.1)


def test_a_rare_word_weighs_more() -> None:
    frequencies = TermFrequencies(TEXTS)
    assert frequencies.weight("lamp") > frequencies.weight("watch") > 0
