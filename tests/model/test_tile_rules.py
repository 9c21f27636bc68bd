"""Into how many tiles each engine cuts a page: our copies of their rules, and what was measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepseek_ocr_rag.model.families import FAMILIES
from deepseek_ocr_rag.model.prompts import MODES, TASKS, task_named
from deepseek_ocr_rag.model.tile_rules import (
    PROMPT_TOKENS,
    TILE_RULES,
    PictureSeen,
    TileRule,
    picture_seen,
    tile_warning,
)
from deepseek_ocr_rag.model.tokenizer import ModelTokenizer, prompt_ids
from deepseek_ocr_rag.model.views import page_grid

PUBLISHED, VLLM = TILE_RULES["published"], TILE_RULES["vllm"]
RUNNER, LLAMA = TILE_RULES["ollama-runner"], TILE_RULES["llama.cpp"]
GUNDAM = MODES["gundam"]
PAGE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "engines.md"

SHAPES = {
    "A4 portrait": (210, 297),
    "A4 landscape": (297, 210),
    "square": (1, 1),
    "receipt": (1, 3),
}
"""Widths and heights; each mode renders them at its own long side."""


def size_in(shape: tuple[int, int], side: int) -> tuple[int, int]:
    width, height = shape
    return round(width * side / max(shape)), round(height * side / max(shape))


def table() -> str:
    """The table of the documentation."""
    lines = [
        "| engine | versions | page | " + " | ".join(MODES) + " |",
        "|---" * (3 + len(MODES)) + "|",
    ]
    for rule in TILE_RULES.values():
        for name, shape in SHAPES.items():
            cells = []
            for mode in MODES.values():
                width, height = size_in(shape, mode.long_side)
                grid = rule.grid(width, height, mode)
                tokens = rule.picture_tokens(width, height, mode)
                cells.append(f"{f'{grid[0]} x {grid[1]}' if grid else 'none'}; {tokens}")
            lines.append(f"| {rule.engine} | {rule.versions} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def test_the_documentation_has_the_table_that_the_rules_give() -> None:
    assert table() in PAGE.read_text("utf-8"), table()


@pytest.mark.parametrize("mode", MODES.values(), ids=list(MODES))
@pytest.mark.parametrize("size", [(300, 640), (641, 300), (1024, 1024), (1629, 2304), (400, 2304)])
def test_the_published_rule_is_the_one_that_we_cut_by(mode, size) -> None:
    assert PUBLISHED.grid(*size, mode) == page_grid(*size, mode, FAMILIES["deepseek-ocr"])


# 700 and 1,210 prompt tokens: begin token, 6 of "\nOCR this image." with its tag, and the picture.
@pytest.mark.parametrize(("rule", "prompt"), [(VLLM, 700), (PUBLISHED, 1210)])
def test_a_square_page_is_cut_as_measured_on_vllm(rule: TileRule, prompt: int) -> None:
    assert rule.picture_tokens(2304, 2304, GUNDAM) + 7 == prompt


@pytest.mark.parametrize("rule", TILE_RULES.values(), ids=list(TILE_RULES))
def test_an_upright_page_is_cut_alike_by_all(rule: TileRule) -> None:
    assert rule.grid(724, 1024, GUNDAM) == (2, 3)
    assert rule.picture_tokens(724, 1024, GUNDAM) == 903


def test_modes_without_tiles_have_none_in_the_published_code_only() -> None:
    for size in ((724, 1024), (905, 1280)):
        assert PUBLISHED.grid(*size, MODES["base"]) is None
        assert [r.grid(*size, MODES["base"]) for r in (VLLM, RUNNER, LLAMA)] == [(2, 3)] * 3


def test_ollamas_runner_cuts_the_smallest_picture() -> None:
    assert RUNNER.grid(300, 300, GUNDAM) == (2, 2)
    assert [rule.grid(300, 300, GUNDAM) for rule in (PUBLISHED, VLLM, LLAMA)] == [None] * 3


@pytest.mark.parametrize(
    ("size", "published", "runner"),
    [
        ((1024, 1024), (2, 2), (3, 3)),
        ((900, 900), (2, 2), (2, 2)),
        ((640, 1280), (1, 2), (2, 4)),
        ((1152, 2304), (2, 4), (2, 4)),
        ((1280, 640), (2, 1), (4, 2)),
        ((500, 700), (2, 3), (2, 3)),
    ],
)
def test_of_equal_grids_ollamas_runner_takes_the_larger_one_sooner(
    size: tuple[int, int], published: tuple[int, int], runner: tuple[int, int]
) -> None:
    assert PUBLISHED.grid(*size, GUNDAM) == published
    assert RUNNER.grid(*size, GUNDAM) == runner == plain_runner_rule(*size)


def plain_runner_rule(width: int, height: int) -> tuple[int, int]:
    """What imageprocessor.go does, step by step."""
    best, best_difference = (1, 1), float("inf")
    seen = []
    for n in range(2, 10):
        for columns in range(1, n + 1):
            for rows in range(1, n + 1):
                if 2 <= columns * rows <= 9 and (columns, rows) not in seen:
                    seen.append((columns, rows))
    for columns, rows in seen:
        difference = abs(width / height - columns / rows)
        fits = width * height > 0.5 * 640 * 640 * best[0] * best[1]
        if difference < best_difference or (difference == best_difference and fits):
            best, best_difference = (columns, rows), difference
    return best


def test_our_copy_of_the_runners_rule_is_its_rule_for_any_size() -> None:
    wrong = [
        (width, height)
        for width in range(64, 2400, 61)
        for height in range(64, 2400, 53)
        if RUNNER.grid(width, height, GUNDAM) != plain_runner_rule(width, height)
    ]
    squares = [
        s for s in range(64, 2400, 32) if RUNNER.grid(s, s, GUNDAM) != plain_runner_rule(s, s)
    ]
    assert (wrong, squares) == ([], [])


# --- what was seen --------------------------------------------------------------------------


@pytest.mark.parametrize("prompt_tokens", [912, 913, 914])
def test_the_picture_is_known_from_the_prompts_length(prompt_tokens: int) -> None:
    """Ollama 0.24 and 0.33, with and without a newline (see the wire of both)."""
    assert picture_seen(prompt_tokens, TASKS["document"]) == PictureSeen(903, (2, 3))


def test_a_count_that_fits_nothing_or_a_prompt_of_ones_own_says_nothing() -> None:
    assert picture_seen(950, TASKS["document"]) is None
    assert picture_seen(20, TASKS["document"]) is None
    assert picture_seen(913, task_named("prompt: what is it?")) is None


@pytest.mark.parametrize("rule", TILE_RULES.values(), ids=list(TILE_RULES))
@pytest.mark.parametrize("task", [TASKS[name] for name in PROMPT_TOKENS], ids=list(PROMPT_TOKENS))
def test_what_a_rule_gives_is_what_is_seen(rule: TileRule, task) -> None:
    for shape in SHAPES.values():
        for mode in MODES.values():
            size = size_in(shape, mode.long_side)
            tokens = rule.picture_tokens(*size, mode)
            for others in (1, 2, 3):
                seen = picture_seen(tokens + PROMPT_TOKENS[task.name] + others, task)
                assert seen == PictureSeen(tokens, rule.grid(*size, mode))


def test_prompt_lengths_are_those_of_the_published_tokenizer(shared: Path) -> None:
    tokenizer = ModelTokenizer.from_file(shared / "deepseek-ocr-files" / "tokenizer.json")
    lengths = {
        name: len(prompt_ids(tokenizer, TASKS[name].prompt, 0)) - 1 for name in PROMPT_TOKENS
    }
    assert lengths == PROMPT_TOKENS


def test_a_page_that_is_seen_as_published_has_no_warning() -> None:
    seen = picture_seen(913, TASKS["document"])
    assert seen is not None
    assert tile_warning("the server", seen, 1629, 2304, GUNDAM) is None


def test_a_page_that_is_cut_otherwise_says_so() -> None:
    seen = picture_seen(700, TASKS["ocr"])
    assert seen == PictureSeen(693, (2, 2))
    assert tile_warning("the server", seen, 2304, 2304, GUNDAM) == (
        "the server showed the model 693 tokens of the page (4 tiles); with the published code, "
        "gundam has 1203 (9 tiles), and the text may differ"
    )


def test_a_mode_without_tiles_that_was_tiled_says_so() -> None:
    seen = picture_seen(914, TASKS["document"])
    assert seen is not None
    warning = tile_warning("the server", seen, 724, 1024, MODES["base"])
    assert warning is not None
    assert "903 tokens of the page (6 tiles)" in warning
    assert "base has 273 (0 tiles)" in warning
