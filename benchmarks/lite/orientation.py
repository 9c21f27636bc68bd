"""Measures how often a page on its side is recognised, and an upright one mistaken.

Run from the repository root::

    python benchmarks/lite/orientation.py

It takes the first two pages of every readable PDF and picture in ``../shared/corpus``,
upright and turned by 90 and 270 degrees. Pages that are sideways or upside down
themselves (:data:`TURNED`) are left out.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from deepseek_ocr_rag.backends.page_images import turned
from deepseek_ocr_rag.errors import SourceError
from deepseek_ocr_rag.model.orientation import orientation
from deepseek_ocr_rag.sources.source import open_source

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus"
SUFFIXES = {".pdf", ".png", ".jpg", ".tif", ".tiff"}
TURNED = (
    "009_rotation_on_table",
    "012_key_value_picture_glitch",
    "018_disaster_case",
    "hello_world_rotated",
    "ocr_test_rotated_180",
    "ocr_test_rotated_270",
    "g4_orientation_6",
    "rotated.pdf",
)
LARGEST = 3_000_000
"""Most bytes in a file."""


def pages() -> Iterator[Image.Image]:
    """Upright pages, in grey."""
    for path in sorted(CORPUS.rglob("*")):
        if (
            path.suffix not in SUFFIXES
            or path.stat().st_size > LARGEST
            or any(name in str(path) for name in TURNED)
        ):
            continue
        try:
            with open_source(path) as source:
                for number in range(1, min(source.page_count, 2) + 1):
                    yield source.render(number, 1280).convert("L")
        except SourceError:
            continue


def main() -> None:
    upright = mistaken = with_text = 0
    seen = {90: 0, 270: 0}
    right_side = 0
    seconds = 0.0
    for page in pages():
        start = time.perf_counter()
        found = orientation(page)
        seconds += time.perf_counter() - start
        upright += 1
        mistaken += found.turn != 0
        if not found.score:
            continue
        with_text += 1
        for degrees in seen:
            turn = orientation(turned(page, degrees)).turn
            seen[degrees] += turn != 0
            right_side += turn == 360 - degrees
    total = sum(seen.values())
    print(f"{'upright pages':<34} {upright:>5}")
    print(f"{'  taken for turned':<34} {mistaken:>5}")
    print(f"{'  with text, turned either way':<34} {2 * with_text:>5}")
    print(f"{'    seen to be turned':<34} {total:>5}  {total / (2 * with_text):.0%}")
    print(f"{'      to the right side':<34} {right_side:>5}  {right_side / total:.0%}")
    print(f"{'milliseconds a page':<34} {1000 * seconds / upright:>5.0f}")


if __name__ == "__main__":
    main()
