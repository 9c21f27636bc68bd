"""Loops of a few words with a change now and then, and pages that say the same words with right."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import pytest
from benchmark_scripts import load_benchmark
from longest_loop import find_loop

from deepseek_ocr_rag.model.loops.detector import RepetitionWatch, find_loops

PAGE = """<|ref|>text<|/ref|><|det|>[[100, 100, 900, 180]]<|/det|>
The chair opened the meeting at nine and welcomed the members who had travelled far.

"""
RANDOM = random.Random(8)
NAMES = tuple("".join(RANDOM.choices("abcdefghijklmnop", k=6)).title() for _ in range(100))


def disturbed(unit: str, times: int, every: int) -> str:
    """The unit this many times, with another word where a rule forbids the next copy."""
    copies = [f"{unit}{RANDOM.choice(NAMES)} " if n % every == 0 else unit for n in range(times)]
    return "".join(copies)


@pytest.mark.parametrize(
    ("unit", "every"),
    [
        pytest.param("in the standard range ", 6, id="words"),
        pytest.param("世博局\n", 7, id="ideographs"),
        pytest.param("Hecate Toolbox\n\n", 8, id="lines"),
        pytest.param(" \\frac", 14, id="a command"),
        pytest.param("636, ", 15, id="a number"),
        pytest.param("b", 60, id="a letter"),
    ],
)
def test_a_loop_that_a_rule_disturbs_is_found(unit: str, every: int) -> None:
    text = PAGE + disturbed(unit, 4000 // len(unit) * 2, every)
    loop = find_loop(text)
    assert loop is not None
    # Some copies may stay, but nothing of the page goes.
    assert -2 * len(unit) <= loop.start - len(PAGE) < 800
    assert loop.end >= len(text) - 200


def test_what_stands_behind_it_is_no_part_of_it() -> None:
    repeats = disturbed("in the standard range ", 300, 6)
    after = " ".join(NAMES) + "."
    loop = find_loop(PAGE + repeats + after)
    assert loop is not None
    assert abs(loop.end - len(PAGE + repeats)) < 100


def test_it_is_seen_while_it_is_written() -> None:
    watch = RepetitionWatch()
    assert watch.feed(PAGE) is None
    copies = 0
    while (since := watch.feed(disturbed("世博局\n", 10, 10))) is None:
        copies += 10
        assert copies < 400
    assert abs(since - len(PAGE)) < 800


def test_two_kinds_of_evidence_for_one_loop_give_one_loop() -> None:
    repeats = "The same words. " * 60 + disturbed("The same words. ", 300, 9)
    (loop,) = find_loops(PAGE + repeats)
    assert abs(loop.start - len(PAGE)) < 40
    assert loop.end >= len(PAGE + repeats) - 40


def rows(*lines: tuple[object, ...]) -> str:
    cells = ["".join(f"<td>{cell}</td>" for cell in line) for line in lines]
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in cells) + "</table>"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("".join(f"Saint {n}, pray for us.\n" for n in NAMES[:80]), id="litany"),
        pytest.param("".join(f"{n} present\n" for n in NAMES), id="roll call"),
        pytest.param(
            "".join(f"The {n} was {m} ☐ Yes ☐ No ☐ N/A\n" for n, m in pairwise(NAMES[:60])),
            id="boxes to tick",
        ),
        pytest.param(
            "".join(f"{n} {'. ' * 40}{RANDOM.randrange(400)}\n" for n in NAMES[:60]),
            id="contents with dot leaders",
        ),
        pytest.param(
            "".join(f"上海市{chr(0x5F00 + 7 * n)}{chr(0x6F00 + 5 * n)}有限公司 已通过\n" for n in range(60)),
            id="companies of a city",
        ),
        pytest.param(
            "".join(f"| {n} | n/a | n/a | n/a | n/a | n/a | n/a |\n" for n in NAMES[:60]),
            id="a Markdown table of n/a",
        ),
        pytest.param(rows(*[(n, *["Not applicable"] * 8) for n in NAMES[:50]]), id="a table of n/a"),
        pytest.param(
            rows(*[(n, "Not at all", "Several days", "Nearly every day") for n in range(1, 21)]),
            id="answers to tick",
        ),
        pytest.param(
            rows(*[(f"R{n}", "10k", "5%", "0402", "Yageo", "DNP") for n in range(1, 41)]),
            id="parts of a circuit",
        ),
        pytest.param(
            rows(*[(f"CH{n}_CFG", "Channel configuration register", "R/W", 0) for n in range(40)]),
            id="registers",
        ),
        pytest.param(
            rows(*[(f"Row {r}", f"Seat {s}", "Available") for r in range(1, 7) for s in range(1, 11)]),
            id="seats",
        ),
    ],
)  # fmt: skip
def test_pages_that_rightly_say_the_same_words_are_no_loops(text: str) -> None:
    assert find_loop(PAGE + text) is None


def test_loops_that_the_published_rules_disturb_are_found(shared: Path) -> None:
    """Made of real outputs, as far as the model can write; benchmarks/safety/loops.py counts more."""
    assert shared.is_dir()
    found = [bool(find_loops(text)) for _, text in load_benchmark("safety/loops.py").made_loops(10)]
    assert sum(found) >= 9
