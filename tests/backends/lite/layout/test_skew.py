"""Measures the tilt of a scan."""

from __future__ import annotations

import math

import pytest

from deepseek_ocr_rag.backends.lite.layout.skew import skew_of


@pytest.mark.parametrize("degrees", [-3.0, -0.5, 1.0, 5.0])
def test_lines_that_agree_give_their_angle(degrees: float) -> None:
    tilt = math.radians(degrees)
    lines = [(100.0, y, 900.0, y + 800 * math.tan(tilt)) for y in range(100, 1000, 60)]
    assert skew_of(lines) == pytest.approx(tilt, abs=1e-6)


def test_level_lines_have_no_tilt() -> None:
    assert skew_of([(100.0, float(y), 900.0, y + 0.5) for y in range(100, 1000, 60)]) == 0


def test_lines_in_all_directions_have_no_tilt() -> None:
    lines = [(0.0, 0.0, 500.0, 500 * math.tan(a / 100)) for a in (-25, -12, 1, 13, 27)]
    assert skew_of(lines) == 0


def test_no_lines_have_no_tilt() -> None:
    assert skew_of([]) == 0
