"""Measures the tilt of a scan."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

__all__ = ["skew_of"]


def skew_of(lines: Sequence[tuple[float, float, float, float]]) -> float:
    """Measure the tilt of a scan: the median angle of its text lines, weighted by length.

    Args:
        lines: The centre lines ``(x0, y0, x1, y1)`` of the text from left to right, in pixels.

    Returns:
        Radians, positive if lines fall to the right; 0 if there are too few long lines or they do
        not agree.
    """
    angles: list[float] = []
    for x0, y0, x1, y1 in lines:
        length = math.hypot(x1 - x0, y1 - y0)
        angle = math.atan2(y1 - y0, x1 - x0)
        if abs(angle) < 0.3:
            angles.extend([angle] * min(20, int(length // 50)))
    if len(angles) < 3:
        return 0.0
    middle = median(angles)
    spread = median(abs(a - middle) for a in angles)
    return middle if abs(middle) > 0.002 and spread < 0.5 * abs(middle) + 0.003 else 0.0
