"""What is judged: characters, words, boxes, tables, loops, ends."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag.training import score_page, summarise
from deepseek_ocr_rag.training.judging.tree_distance import table_similarity

BOX = "<|ref|>text<|/ref|><|det|>[[{}]]<|/det|>\n{}"
TABLE = "<table><tr><td>a</td><td>b</td></tr><tr><td>1</td><td>2</td></tr></table>"


def test_the_same_text_is_perfect() -> None:
    text = BOX.format("0, 0, 500, 500", "Net sales 12") + f"\n\n{TABLE}"
    scores = summarise([score_page("a", text, text)])
    assert (scores.cer, scores.wer, scores.overlap, scores.teds) == (0, 0, 1, 1)
    assert (scores.loops, scores.without_end, scores.wrong_table_counts) == (0, 0, 0)


def test_errors_are_counted_over_all_text() -> None:
    """Two edits in 4 characters and none in 16: 10 %, not the mean of 50 % and 0 %."""
    pages = [score_page("a", "abcd", "abxy"), score_page("b", "k" * 16, "k" * 16)]
    assert summarise(pages).cer == pytest.approx(0.1)


def test_wrong_figures_are_told_from_wrong_words() -> None:
    page = score_page("a", "net sales of 1234", "net sales of 9999")
    assert (page.word_edits, page.word_edits_without_digits, page.words) == (1, 0, 4)


def test_boxes_are_compared_by_their_overlap() -> None:
    right, half = BOX.format("0, 0, 400, 400", "x"), BOX.format("0, 0, 400, 200", "x")
    assert score_page("a", right, half).overlap == pytest.approx(0.5, abs=0.01)
    assert score_page("a", right, "x").overlap == 0
    assert score_page("a", "x", half).overlap is None


def test_a_missing_table_counts_as_nothing_alike() -> None:
    page = score_page("a", TABLE, "a b 1 2")
    assert (page.tables, page.teds) == ((1, 0), 0)


def test_tables_are_compared_as_trees() -> None:
    """7 nodes; one row of two cells too many are 3 of 10, a changed cell is as bad as its text."""
    longer = TABLE.replace("</table>", "<tr><td>3</td><td>4</td></tr></table>")
    assert table_similarity(TABLE, longer) == pytest.approx(1 - 3 / 10)
    assert table_similarity(TABLE, TABLE.replace(">2<", ">9<")) == pytest.approx(1 - 1 / 7)
    spanned = TABLE.replace("<td>a</td><td>b</td>", '<td colspan="2">a</td>')
    assert table_similarity(TABLE, spanned) == pytest.approx(1 - 2 / 7)


def test_a_loop_and_a_missing_end_are_counted() -> None:
    looping = "The value is high. " + "again and again " * 60
    page = score_page("a", "The value is high.", looping, ended=False)
    scores = summarise([page])
    assert (scores.loops, scores.without_end) == (1, 1)


def test_a_loop_that_was_trimmed_still_counts() -> None:
    page = score_page("a", "The value is high.", "The value is high.", looped=True)
    assert (page.edits, page.loops) == (0, True)


def test_no_pages_have_no_errors() -> None:
    assert summarise([]).pages == 0
