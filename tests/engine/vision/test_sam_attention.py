"""Attention within squares equals the published formula, written out."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepseek_ocr_rag.engine.vision.positions import fitted_grid, fitted_table
from deepseek_ocr_rag.engine.vision.sam_attention import window_attention


def written_out(qkv, bias, rows, columns, heads):
    """Every square of every picture, every head and every query by itself."""
    side = (len(rows) + 1) // 2
    pictures, grid, _, channels = qkv.shape
    width = channels // 3 // heads
    across = -(-grid // side)
    filled = bias.expand(pictures, across * side, across * side, channels).clone()
    filled[:, :grid, :grid] = qkv
    result = torch.zeros(pictures, across * side, across * side, heads, width)
    for picture in range(pictures):
        for top in range(0, across * side, side):
            for left in range(0, across * side, side):
                square = filled[picture, top : top + side, left : left + side]
                query, key, value = square.reshape(side, side, 3, heads, width).unbind(2)
                for row in range(side):
                    for column in range(side):
                        own = query[row, column]
                        score = torch.einsum("hw,rchw->hrc", own, key) * width**-0.5
                        for other in range(side):
                            above = rows[row - other + side - 1]
                            before = columns[column - other + side - 1]
                            score[:, other, :] += (own @ above)[:, None]
                            score[:, :, other] += (own @ before)[:, None]
                        weight = score.flatten(1).softmax(-1).view_as(score)
                        mixed = torch.einsum("hrc,rchw->hw", weight, value)
                        result[picture, top + row, left + column] = mixed
    return result.flatten(3)[:, :grid, :grid]


@settings(deadline=None, max_examples=25)
@given(
    pictures=st.integers(1, 2),
    grid=st.integers(1, 7),
    side=st.integers(1, 7),
    heads=st.integers(1, 2),
    width=st.sampled_from([1, 3, 8]),
    seed=st.integers(0, 999),
)
def test_it_equals_the_formula(pictures, grid, side, heads, width, seed) -> None:
    torch.manual_seed(seed)
    qkv = torch.randn(pictures, grid, grid, 3 * heads * width)
    bias = torch.randn(3 * heads * width)
    rows, columns = torch.randn(2, 2 * side - 1, width)
    expected = written_out(qkv, bias, rows, columns, heads)
    found = window_attention(qkv, bias, rows, columns, heads=heads)
    assert (found - expected).abs().max() < 1e-5


def test_no_matrix_of_all_pairs_is_made() -> None:
    """A page's attention fits into memory that the matrix of one head would fill."""
    grid, heads, width = 64, 2, 16
    qkv = torch.randn(1, grid, grid, 3 * heads * width)
    tables = torch.randn(2, 2 * grid - 1, width)
    with torch.profiler.profile(profile_memory=True) as profile:
        window_attention(qkv, torch.zeros(3 * heads * width), *tables, heads=heads)
    largest = max(event.cpu_memory_usage for event in profile.events())
    assert largest < grid**4 * 4


def test_a_table_of_the_right_size_is_left_alone() -> None:
    table = torch.randn(27, 4)
    assert fitted_table(table, 14) is table


@pytest.mark.parametrize("side", [5, 40, 64, 80])
def test_a_fitted_table_runs_between_the_same_ends(side) -> None:
    line = torch.linspace(-1, 1, 127)[:, None]
    fitted = fitted_table(line, side)[:, 0]
    assert fitted.shape == (2 * side - 1,)
    assert torch.all(fitted.diff() > 0)
    assert fitted[side - 1].abs() < 1e-6


def test_fitted_positions_keep_a_gradient_and_their_type() -> None:
    slope = torch.linspace(0, 1, 64)[:, None, None].expand(64, 64, 2).to(torch.bfloat16)
    fitted = fitted_grid(slope, 40)
    assert fitted.shape == (40, 40, 2)
    assert fitted.dtype == torch.bfloat16
    assert torch.all(fitted[1:-1, 7, 0].diff() >= 0)
    assert fitted_grid(slope, 64) is slope
