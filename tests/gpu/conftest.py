"""A checkpoint of the full size, and a GPU that each test finds empty."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session")
def checkpoint() -> Path:
    folder = os.environ.get("DSOCR_FULL_CHECKPOINT")
    if not folder:
        pytest.skip("DSOCR_FULL_CHECKPOINT names no checkpoint")
    return Path(folder)


@pytest.fixture(autouse=True)
def empty_device() -> Iterator[None]:
    yield
    # What an error's traceback held may wait to be collected.
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
