"""For all test folders: no server of this machine, Triton's interpreter, own page caches."""

from __future__ import annotations

import gc
import itertools
import os
from collections.abc import Generator
from importlib.util import find_spec
from pathlib import Path

import pytest

KEPT = ("DSOCR_FULL_CHECKPOINT", "DSOCR_TEST_OLLAMA")
"""Variables with which a user configures the tests."""

NOBODY = "http://127.0.0.1:9"
"""Where no Ollama listens. Unset, it would be the one that runs on this machine."""

COUNT = itertools.count()


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
# Whoever makes an HTTP client loads the authorities that it trusts, 30 ms for all of the world's. No
# test goes to a server that has to be trusted; the key of this one was thrown away.
os.environ["SSL_CERT_FILE"] = str(Path(__file__).parent / "tests/support/one_authority.pem")
# bitsandbytes, which PEFT imports, has torch compile functions: a second and more of each process. What
# it compiles would first be compiled to C++ when it is called, and nothing of ours is compiled.
os.environ["TORCHDYNAMO_DISABLE"] = "1"
if not has_gpu():
    # Triton reads it when it is imported, which torchao and others do as well as our kernels.
    os.environ["TRITON_INTERPRET"] = "1"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Exclude all that is imported and collected here from garbage collection.

    There is nothing to free, and a collection during the tests would walk through all of it again.
    What tests import later is not excluded, so full collections are made rarer: they took 3 % of the time.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(5_000, 20, 100)
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest files first, all others behind them as they were."""
    from long_files import LONG_FILES  # found where pytest has set the paths

    turns = {Path(__file__).parent / file: turn for turn, file in enumerate(LONG_FILES)}
    items.sort(key=lambda item: turns.get(item.path, len(turns)))


@pytest.fixture(scope="session")
def page_caches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the cache folders of all tests stand: pytest lists the folder above for each new one."""
    return tmp_path_factory.mktemp("page-caches")


@pytest.fixture(scope="session")
def documented_pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all code in the documentation, so that the sample's scan is read once."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # the folder above is that of all workers
        folder = folder.parent
    folder /= "documented-pages"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(autouse=True)
def own_page_cache(page_caches: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names a cache folder of its own to each test; most make none."""
    monkeypatch.setenv("DSOCR_CACHE_DIR", str(page_caches / str(next(COUNT))))
