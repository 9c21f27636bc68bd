"""Fixtures that many tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The project's test data, which lies beside the checkout and is no part of it."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("no ../shared: the project's test data is not on this machine")
    return folder


@pytest.fixture(scope="session")
def sample_pdf() -> Path:
    """The three pages that ship with the project: two columns, a scan, a table with a figure."""
    return ROOT / "src" / "deepseek_ocr_rag" / "samples" / "sample.pdf"
