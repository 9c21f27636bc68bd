"""For all test folders: no test sees the pages that this user, or another test, has kept."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_page_cache(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The folder in which pages are kept during one test."""
    folder = tmp_path_factory.mktemp("page-cache")
    monkeypatch.setenv("DSOCR_CACHE_DIR", str(folder))
    return folder
