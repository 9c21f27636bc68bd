"""Loops are cut out of model text, and what is left is text in the model's grammar."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepseek_ocr_rag.document.grammar.parser import parse_page
from deepseek_ocr_rag.model.loops.detector import Loop, find_loops
from deepseek_ocr_rag.model.loops.text_edits import edited
from deepseek_ocr_rag.model.loops.trimming import trimmed, trims

from .test_detector import LABELLED, PAGE

TAG = "<|ref|>text<|/ref|><|det|>[[10, 20, 30, 40]]<|/det|>\n"


def trimmed_loops(text: str) -> str:
    return trimmed(text, *find_loops(text))


def test_real_loops_are_cut_and_nothing_of_them_is_left(shared: Path) -> None:
    assert shared.is_dir()
    for name, text in LABELLED.model_outputs():
        if LABELLED.label(name) == "loop":
            # What is left of a loop may be one, by the measure for texts that break off.
            rest = trimmed_loops(trimmed_loops(text))
            assert len(rest) < len(text), name
            assert find_loops(rest) == (), name
            assert rest.rfind("<table") <= rest.rfind("</table"), name
            assert not re.search(r"<\|(?:ref|det)\|>[^\n]{0,100}\Z", rest), name


def test_a_text_without_a_loop_stays_as_it_is() -> None:
    assert trimmed(PAGE) == PAGE.rstrip()
    assert trims(PAGE, ()) == ()


def test_one_copy_stays_and_the_cut_is_where_a_sentence_ends() -> None:
    text = "Minutes of the meeting. " + "Nothing else was said on that day. " * 40
    assert trimmed_loops(text) == "Minutes of the meeting. Nothing else was said on that day."


def test_of_repeated_blocks_the_first_one_stays_whole() -> None:
    block = f"{TAG}The same words of the same block.\n\n"
    assert trimmed_loops(PAGE + block * 40) == PAGE + block.rstrip()


def test_a_table_that_was_cut_is_closed() -> None:
    text = PAGE + "<table><tr><td>Name</td></tr>" + "<tr><td></td><td></td></tr>" * 300
    rest = trimmed_loops(text)
    assert rest.endswith("</tr></table>")
    assert [block.kind for block in parse_page(rest).blocks][-1] == "table"


ROW = "<tr><td>type</td><td>6.5%</td><td>1-4/9</td></tr>"
HEAD = "<table><tr><td>Clip</td><td>Quote</td><td>Tells</td></tr>"


def test_of_repeated_rows_one_stays() -> None:
    text = PAGE + HEAD + ROW * 12
    assert trimmed_loops(text) == PAGE + HEAD + ROW + "</table>"
    assert trimmed_loops(f"{text}<tr><td>ty") == PAGE + HEAD + ROW + "</table>"


def test_of_several_rows_that_repeat_together_each_stays_once() -> None:
    rows = ROW + "<tr><td>reed</td><td>12%</td><td>3+5</td></tr>"
    assert trimmed_loops(PAGE + HEAD + rows * 12) == PAGE + HEAD + rows + "</table>"


def test_a_row_that_differs_from_those_before_it_stays() -> None:
    """It may be true: the cut is after it, as rows of a real table may count, too."""
    rows = [f"<tr><td>type</td><td>6.5%</td><td>1-4/{n}</td></tr>" for n in range(90)]
    rest = trimmed_loops(PAGE + HEAD + "".join(rows))
    assert rest == PAGE + HEAD + rows[0] + rows[1] + "</table>"


def test_a_half_tag_before_the_cut_goes() -> None:
    text = PAGE + "<|ref|>equation<|/ref|><|det|>[[" + "144, 283, " * 300
    assert trimmed_loops(text) == PAGE.rstrip()


def test_what_follows_a_loop_that_the_model_left_stays() -> None:
    after = f"{TAG}The members then went home by the night train.\n\n"
    text = PAGE + f"{TAG}The vote was repeated for the third time.\n\n" * 30 + after
    rest = trimmed_loops(text)
    assert rest.endswith(after.rstrip())
    assert rest.count("third time") == 1
    assert parse_page(rest).warnings == ()


def test_the_rest_of_a_tag_that_began_in_the_loop_goes_with_it() -> None:
    text = "a b c <|ref|>text<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|>\nThe end."
    end = text.index("3, 4")
    (edit,) = trims(text, [Loop(2, end, "exact", 2.0, 3.0)])
    assert edited(text, [edit]).endswith("The end.")
    assert "det" not in edited(text, [edit])


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_cut_leaves_text_that_the_grammar_reads(data: st.DataObject) -> None:
    # Loops begin and end with units, which HTML tags are.
    ends = [match.end() for match in re.finditer(r"<[/a-z]+>|\w+|[^\w<]|<(?=\|)", PAGE)]
    start, end = sorted(
        data.draw(st.lists(st.sampled_from(ends), min_size=2, max_size=2, unique=True))
    )
    loop = Loop(start, end, "exact", data.draw(st.floats(1, 300)), 2.0)
    rest = trimmed(PAGE, loop)
    assert rest.count("<table") == rest.count("</table")
    assert set(parse_page(rest).warnings) <= {"1 broken tag: the text was kept"}


@pytest.mark.parametrize(
    "spans", [[(10, 60), (200, 260)], [(10, 60), (60, 90)], [(10, 60), (40, 90)]]
)
def test_several_loops_are_cut_at_once(spans: list[tuple[int, int]]) -> None:
    loops = [Loop(start, end, "exact", 5.0, 4.0) for start, end in spans]
    edits = trims(PAGE, loops)
    assert len(edits) == 2
    assert edits[0].end <= edits[1].start
    assert edited(PAGE, edits)
