"""For all test folders: gives each test a page cache of its own."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_page_cache(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The cache folder of one test."""
    folder = tmp_path_factory.mktemp("page-cache")
    monkeypatch.setenv("DSOCR_CACHE_DIR", str(folder))
    return folder
