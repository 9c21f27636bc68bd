"""For all test folders: no server of this machine, Triton's interpreter, own page caches."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

KEPT = ("DSOCR_FULL_CHECKPOINT", "DSOCR_TEST_OLLAMA")
"""What whoever starts the tests says to them."""

NOBODY = "http://127.0.0.1:9"
"""Where no Ollama listens. Unset, it would be the one that runs on this machine."""


def forget_servers() -> None:
    """Forget the servers, keys and models of this machine: tests see those that they start.

    It holds for the processes that tests start as well, such as the blocks of the README.
    """
    for name in [*os.environ]:
        if name.startswith(("DSOCR_", "OLLAMA_")) and name not in KEPT:
            del os.environ[name]
    os.environ["OLLAMA_HOST"] = NOBODY


def has_gpu() -> bool:
    """Whether torch can use one; it is only asked where a driver is."""
    drivers = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
    if not any(Path(driver).exists() for driver in drivers) or find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()


forget_servers()
if not has_gpu():
    # Triton reads it when it is imported, which torchao and others do as well as our kernels.
    os.environ["TRITON_INTERPRET"] = "1"


@pytest.fixture(autouse=True)
def own_page_cache(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The cache folder of one test."""
    folder = tmp_path_factory.mktemp("page-cache")
    monkeypatch.setenv("DSOCR_CACHE_DIR", str(folder))
    return folder
