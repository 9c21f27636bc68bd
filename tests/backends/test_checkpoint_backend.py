"""When a model is loaded: while the first page is drawn, and only once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator

import pytest
from waiting import LONG, soon

from deepseek_ocr_rag.backends.base import PageRequest, Reply, begin_loading, on_loading
from deepseek_ocr_rag.backends.checkpoint_backend import CheckpointBackend, CheckpointOptions
from deepseek_ocr_rag.errors import BackendUnavailableError

OPTIONS = CheckpointOptions(
    model="none",
    revision=None,
    tokenizer=None,
    adapter=None,
    device=None,
    no_repeat=None,
    max_new_tokens=None,
    max_tiles=None,
    attempts=1,
    page_seconds=1.0,
    download=False,
)


class Loads(CheckpointBackend[str]):
    """A backend whose model is loaded by a function."""

    name = "loads"

    def __init__(self, load: Callable[[], str]) -> None:
        super().__init__(OPTIONS)
        self._load_it = load
        self.loads = 0

    def begin_loading(self) -> None:
        self._begin_loading()

    def on_loading(self, call: Callable[[], object]) -> None:
        self._on_loading(call)

    def _load(self) -> str:
        self.loads += 1
        return self._load_it()

    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        raise NotImplementedError

    def close(self) -> None:
        with self._loading:
            self._closed.set()
            self._loaded = None


def test_a_model_is_loaded_beside_what_goes_on() -> None:
    drawn = threading.Event()
    backend = Loads(lambda: "model" if drawn.wait(LONG) else "waited in vain")
    begin_loading(backend)
    assert soon(lambda: backend.loads)
    begin_loading(backend)
    drawn.set()
    assert backend._ready() == "model"
    begin_loading(backend)
    assert backend._ready() == "model"
    assert backend.loads == 1


def test_a_page_gets_the_error_and_the_next_one_tries_again() -> None:
    outcomes = iter([False, True])

    def load() -> str:
        if not next(outcomes):
            raise BackendUnavailableError("there is no model")
        return "model"

    backend = Loads(load)
    begin_loading(backend)
    assert soon(lambda: backend.loads)
    with pytest.raises(BackendUnavailableError, match="there is no model"):
        backend._ready()
    assert backend.loads == 1
    assert backend._ready() == "model"


def test_a_closed_backend_loads_nothing_and_keeps_nothing() -> None:
    backend = Loads(lambda: "model")
    begin_loading(backend)
    assert soon(lambda: backend._loaded)
    backend.close()
    begin_loading(backend)
    with pytest.raises(BackendUnavailableError, match="closed"):
        backend._ready()
    assert backend.loads == 1


def test_without_a_thread_the_page_loads_the_model(monkeypatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    backend = Loads(lambda: "model")
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        begin_loading(backend)
    assert backend.loads == 0
    assert backend._ready() == "model"


def test_a_backend_without_a_model_is_told_nothing() -> None:
    begin_loading(object())  # type: ignore[arg-type]
    on_loading(object(), list[int]().clear)  # type: ignore[arg-type]


class Counting:
    """Counts calls."""

    count = 0

    def add(self) -> None:
        self.count += 1


@pytest.mark.parametrize("ahead", [False, True])
def test_others_are_told_once_when_a_model_begins_to_be_loaded(ahead: bool) -> None:
    before, after, gone = Counting(), Counting(), Counting()
    backend = Loads(lambda: "model")
    on_loading(backend, before.add)
    on_loading(backend, gone.add)
    assert before.count == 0
    del gone
    if ahead:
        begin_loading(backend)
    for _ in range(2):
        assert backend._ready() == "model"
    on_loading(backend, after.add)
    assert before.count == after.count == 1
