"""Numbers with their nouns."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag.text.counted import counted


@pytest.mark.parametrize(
    ("number", "shown"), [(0, "0 pages"), (1, "1 page"), (2, "2 pages"), (1234, "1,234 pages")]
)
def test_only_one_is_singular(number: int, shown: str) -> None:
    assert counted(number, "page") == shown
