"""The loop detector: on real outputs, on loops appended to real pages, and on what only looks like one."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from benchmark_scripts import load_benchmark
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from longest_loop import find_loop

from deepseek_ocr_rag.model.loops.detector import RepetitionWatch, find_loops

LABELLED = load_benchmark("safety/loops.py")

PAGE = """<|ref|>title<|/ref|><|det|>[[100, 40, 900, 80]]<|/det|>
# Minutes of the annual meeting

<|ref|>text<|/ref|><|det|>[[100, 100, 900, 180]]<|/det|>
The chair opened the meeting at nine and welcomed the members who had travelled far.

<|ref|>table<|/ref|><|det|>[[100, 200, 900, 400]]<|/det|>
<table><tr><td>Item</td><td>2023</td><td>2024</td></tr><tr><td>Fees</td><td>1,204</td>\
<td>1,377</td></tr><tr><td>Gifts</td><td>310</td><td>95</td></tr></table>

<|ref|>text<|/ref|><|det|>[[100, 420, 900, 480]]<|/det|>
The accounts were approved without a dissenting vote and the treasurer was thanked.

"""
RANDOM = random.Random(4)
TREES = """
    alder birch cedar dogwood elm fir ginkgo hazel ivy juniper katsura larch maple nutmeg oak
    pine quince rowan spruce tulip ulmus viburnum willow yew zelkova acacia beech cherry
"""
NAMES = TREES.split()


def table(*rows: tuple[object, ...]) -> str:
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>{body}</table>"


# --- real outputs ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def outputs(shared: Path) -> dict[str, str]:
    assert shared.is_dir()
    return dict(LABELLED.model_outputs())


def test_every_loop_among_the_real_outputs_is_found(outputs: dict[str, str]) -> None:
    loops = [name for name in outputs if LABELLED.label(name) == "loop"]
    assert len(loops) == len(LABELLED.LOOPS)
    assert [name for name in loops if not find_loops(outputs[name])] == []


@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.long), 4])
def test_no_other_real_output_is_taken_for_a_loop(outputs: dict[str, str], every: int) -> None:
    good = [name for name in outputs if LABELLED.label(name) == "good"][::every]
    assert len(good) > 500 / every
    assert [name for name in good if find_loops(outputs[name])] == []


def test_no_long_table_of_the_corpus_is_taken_for_a_loop(shared: Path) -> None:
    tables = dict(LABELLED.corpus_tables())
    assert shared.is_dir()
    assert max(map(len, tables.values())) > 6000
    assert [name for name, text in tables.items() if find_loops(text)] == []


def test_a_real_loop_is_found_where_it_begins(outputs: dict[str, str]) -> None:
    (name,) = (name for name in outputs if name.startswith("12_"))
    loop = find_loop(outputs[name])
    assert loop is not None
    paragraph = outputs[name][: loop.start]
    assert outputs[name].startswith(paragraph * 3)
    assert loop.end == len(outputs[name])
    assert (loop.kind, round(loop.copies)) == ("exact", 4)
    assert loop.period == pytest.approx(len(paragraph), abs=3)


# --- loops that are made -----------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_part_of_a_page_written_again_and_again_is_a_loop(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(PAGE) - 20))
    length = data.draw(st.integers(20, len(PAGE) - start))
    unit = PAGE[start : start + length]
    # White space alone, or the inside of one word, is not what is meant here.
    assume(len(set(unit.split())) >= 3)
    text = PAGE + unit * max(8, -(-2500 // length))
    loop = find_loop(text)
    assert loop is not None
    assert loop.end == len(text)
    assert len(PAGE) - 2 * length - 60 <= loop.start <= len(PAGE) + 2 * length + 60


def test_a_loop_that_is_cut_inside_a_word_goes_to_the_end() -> None:
    # Without a space behind, the copies' words grow together: the last is another word.
    text = PAGE + "without a dissenting" * 125
    loop = find_loop(text)
    assert loop is not None
    assert loop.end == len(text)


@pytest.mark.parametrize(
    ("unit", "kind"),
    [
        ("Nothing else was found on this page. ", "exact"),
        ("<td></td>", "exact"),
        ("<tr><td></td><td></td></tr>", "exact"),
        ("<tr><td>Yes</td><td>No</td><td>Maybe</td></tr>", "exact"),
        ("患者无明显异常。", "exact"),
        ("0 0 0 0 0 {n} ", "counting"),
        ("\\frac{{180}}{{{n}}} = ", "counting"),
        ("(0, {n}.5) ", "counting"),
        ("{n}. The same words in every item of the list.\n", "counting"),
        ("<|ref|>text<|/ref|><|det|>[[50, {n}, 100, 115]]<|/det|>\nThe same line\n\n", "counting"),
    ],
)
def test_a_loop_says_what_kind_it_is(unit: str, kind: str) -> None:
    text = PAGE + "".join(unit.format(n=n) for n in range(1, 400))
    loop = find_loop(text)
    assert loop is not None
    assert loop.kind == kind
    assert loop.end == len(text)


def test_endless_dots_are_a_loop() -> None:
    assert find_loop(PAGE + "." * 4000) is not None
    assert find_loop(PAGE + " ." * 4000) is not None
    assert find_loop(PAGE + "\n" * 6000) is not None


def test_copies_that_differ_here_and_there_are_a_loop() -> None:
    sentence = (
        "The proposed method shows potential and the authors explain it with care, yet the "
        "discussion of its limits could be longer and future work should be outlined. "
    )
    copies = []
    for _ in range(80):
        words = sentence.split(" ")
        words[RANDOM.randrange(len(words))] = RANDOM.choice(NAMES)
        copies.append(" ".join(words))
    loop = find_loop(PAGE + "".join(copies))
    assert loop is not None
    assert loop.kind == "similar"


def test_rows_without_content_and_without_a_common_width_are_a_loop() -> None:
    rows = [("",) * RANDOM.randrange(1, 9) for _ in range(60)]
    assert find_loop(PAGE + table(*rows)) is not None


def test_a_loop_after_a_list_of_similar_lines_is_found() -> None:
    # The list is no loop, but its evidence is not forgotten when the loop begins.
    likes = "".join(f"The {name} is a tree of the northern woods. " for name in NAMES)
    others = "Nobody ever minded, though asked about it twice. "
    repeats = "So it goes on here. " * 40
    loop = find_loop(likes + others + repeats)
    assert loop is not None
    assert len(likes + others) <= loop.start < len(likes + others) + 60
    assert loop.end == len(likes + others + repeats)


def test_a_loop_that_the_model_left_again_ends_there() -> None:
    repeats = "The vote was repeated for the third time. " * 30
    after = "Then the members went home by night train, tired but in good spirits, one by one. "
    loop = find_loop(PAGE + repeats + after + PAGE.upper())
    assert loop is not None
    assert abs(loop.end - len(PAGE) - len(repeats)) < 5


# --- what is no loop ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(table(("Name", "Date"), *[("",) * 8] * 24), id="blank form"),
        pytest.param(table(*[(n, "", "", "", "") for n in range(1, 41)]), id="list to sign"),
        pytest.param(table(*[tuple(range(r, r + 10)) for r in range(1, 100, 10)]), id="hundred chart"),
        pytest.param(
            table(*[tuple(r * c for c in range(1, 13)) for r in range(1, 13)]), id="times table"
        ),
        pytest.param("".join(f"{n}. A B C D\n" for n in range(1, 101)), id="answer sheet"),
        pytest.param(("_" * 60 + "\n") * 20, id="lines to write on"),
        pytest.param(
            "".join(
                f"{n}. The {RANDOM.choice(NAMES)} of the {RANDOM.choice(NAMES)} {'. ' * 40}{n * 7}\n"
                for n in range(60)
            ),
            id="table of contents with dot leaders",
        ),
        pytest.param(
            table(*[(f"{name} share", *["Not applicable"] * 8) for name in NAMES * 2]),
            id="not applicable",
        ),
        pytest.param(table(*[(name, *["Yes", "No"] * 4) for name in NAMES * 2]), id="yes and no"),
        pytest.param(table(*[(name, *[0] * 12) for name in NAMES * 2]), id="zeros"),
        pytest.param(table(*[(year, *["-"] * 12) for year in range(1970, 2024)]), id="dashes"),
        pytest.param(
            table(
                *[
                    (f"{day:02}.03.2024", "MTWTF"[day % 5], "08:00", "17:00", "8.0")
                    for day in range(1, 32)
                ]
            ),
            id="time sheet",
        ),
        pytest.param(
            table(
                *[
                    (
                        f"{RANDOM.randrange(1, 31):02}.03.2024",
                        "Consulting services, senior engineer, on site",
                        RANDOM.randrange(1, 9),
                        f"{RANDOM.randrange(120, 960)}.00",
                    )
                    for _ in range(60)
                ]
            ),
            id="invoice",
        ),
        pytest.param(
            "".join(
                f"2024-03-04 12:{RANDOM.randrange(60):02}:{RANDOM.randrange(60):02} INFO request "
                f"served in {RANDOM.randrange(1000)} ms for user {RANDOM.randrange(10**6)}\n"
                for _ in range(70)
            ),
            id="log file",
        ),
        pytest.param(
            "\\["
            + " \\\\ ".join(" & ".join(str(int(r == c)) for c in range(20)) for r in range(20))
            + "\\]",
            id="identity matrix",
        ),
        pytest.param(
            "\\[" + " \\\\ ".join(" & ".join("0" for _ in range(10)) for _ in range(10)) + "\\]",
            id="zero matrix",
        ),
        pytest.param(
            "".join(
                f"<|ref|>image<|/ref|><|det|>[[{x}, {y}, {x + 180}, {y + 200}]]<|/det|>\n \n\n"
                for y in range(20, 900, 230)
                for x in range(10, 900, 200)
            ),
            id="contact sheet",
        ),
        pytest.param("\n\n".join(["Signed for the parties, in witness whereof:"] * 3), id="three copies"),
    ],
)  # fmt: skip
def test_pages_that_rightly_repeat_themselves_are_no_loops(text: str) -> None:
    assert find_loop(PAGE + text) is None


# --- while a text is written -------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(1, 400), max_size=60), loops=st.booleans())
def test_how_a_text_comes_in_pieces_makes_no_difference(cuts: list[int], loops: bool) -> None:
    text = PAGE + ("The same again, and once more the same. " * 40 if loops else PAGE.lower())
    watch = RepetitionWatch()
    done = 0
    for cut in cuts:
        watch.feed(text[done : done + cut])
        done += cut
    watch.feed(text[done:])
    assert watch.finish() == find_loops(text)


def test_a_watch_tells_of_a_loop_soon_after_it_began() -> None:
    watch = RepetitionWatch()
    sentence = "Nothing else of any interest was found on this page of the file. "
    assert watch.feed(PAGE) is None
    copies = 0
    while (since := watch.feed(sentence)) is None:
        copies += 1
        assert copies < 12
    assert len(PAGE) <= since <= len(PAGE) + len(sentence)


def test_a_watch_still_tells_after_the_model_left_the_loop() -> None:
    watch = RepetitionWatch()
    watch.feed(PAGE + "The vote was repeated for the third time. " * 30)
    since = watch.feed("")
    assert since is not None
    assert watch.feed(PAGE.upper() * 3) == since


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["a b ", "c 1 ", "a 2 ", "<td>", "\\x{"], id="all places in doubt"),
        pytest.param(["the same again "], id="one endless loop"),
        pytest.param(["<td></td>"], id="empty cells"),
        pytest.param(["."], id="dots"),
    ],
)
def test_the_time_is_linear_in_the_text(words: list[str]) -> None:
    def seconds(length: int) -> float:
        text = "".join(RANDOM.choices(words, k=length))[: 10 * length]
        start = time.thread_time()  # of this thread: a busy machine does not count
        watch = RepetitionWatch()
        for place in range(0, len(text), 50):
            watch.feed(text[place : place + 50])
        watch.finish()
        return time.thread_time() - start

    # Ten times the text takes ten times as long; quadratic would be a hundred.
    assert min(seconds(10_000), seconds(10_000)) < 40 * max(
        0.01, min(seconds(1_000), seconds(1_000))
    )


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200))
def test_no_text_makes_it_fail(text: str) -> None:
    for loop in find_loops(text * 8):
        assert 0 <= loop.start < loop.end <= len(text * 8)
        assert loop.period > 0
        assert loop.copies >= 2
