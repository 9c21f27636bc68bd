"""How well the best page fits a question, comparable between questions."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag import Chunk, Retriever
from deepseek_ocr_rag.retrieval import ChunkPiece
from deepseek_ocr_rag.retrieval.bm25 import Bm25

THINGS = ("pier", "crane", "lamp", "bell", "chart", "rope", "anchor", "winch", "buoy", "sluice")
TEXTS = [
    f"The log of day {n} names the harbour, its {word}, the wind." for n, word in enumerate(THINGS)
]


def retriever(texts: list[str]) -> Retriever:
    return Retriever(
        Chunk(text, "log.pdf", (ChunkPiece(number, "text", (0, len(text)), 0),))
        for number, text in enumerate(texts, start=1)
    )


def test_a_question_in_the_words_of_a_page_fits_better_than_one_with_strange_words() -> None:
    found = retriever(TEXTS)
    own, other = (
        found.fit("Which day names the anchor?"),
        found.fit("Which bakery sells the anchor?"),
    )
    assert own is not None
    assert other is not None
    assert 0 < other < own / 1.5 < 1


def test_strange_words_alone_do_not_fit() -> None:
    assert retriever(TEXTS).fit("Which bakery opened in Turin?") == 0


def test_few_pages_say_nothing() -> None:
    assert retriever(TEXTS[:9]).fit("Which day names the anchor?") is None


@pytest.mark.parametrize("terms", [[], ["absent"]])
def test_no_known_term_has_no_share(terms: list[str]) -> None:
    assert Bm25([["a"], ["b"]], min_length=0.5).best_share(terms) == 0


def test_a_text_that_repeats_all_terms_comes_near_the_highest_score() -> None:
    words = [[f"w{n}"] * 5 for n in range(50)]
    assert Bm25([["a", "b"] * 500, *words], min_length=0.5).best_share(["a", "b"]) > 0.9
