"""Several engine processes behind one backend, each on the CPU with the tiny golden model."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from thread_leaks import new_threads
from waiting import soon

pytest.importorskip("torch")

from deepseek_ocr_rag import Reader
from deepseek_ocr_rag.backends.base import PageRequest
from deepseek_ocr_rag.backends.local import backend as local
from deepseek_ocr_rag.backends.local import card_engines, devices
from deepseek_ocr_rag.backends.local.backend import LocalBackend
from deepseek_ocr_rag.backends.local.card_engines import CardEngines
from deepseek_ocr_rag.backends.local.engine_process import EngineProcess
from deepseek_ocr_rag.backends.registry import backend_named
from deepseek_ocr_rag.errors import (
    BackendUnavailableError,
    ConfigurationError,
    EngineUnsupportedError,
)
from deepseek_ocr_rag.model.prompts import MODES, TASKS

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

TOKENS = 6
TWO = ["cpu", "cpu"]


@pytest.fixture(scope="module")
def backend(golden_checkpoint: Path) -> Iterator[LocalBackend]:
    made = LocalBackend(golden_checkpoint, devices=TWO, max_new_tokens=TOKENS, attempts=1)
    made.load()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Checks that no test leaves a thread of this package, besides those of the shared backend."""
    before = set(threading.enumerate())
    yield
    if not any(thread.name.startswith("dsocr-engine") for thread in before):
        assert new_threads(before, ours=True) == []


@pytest.fixture(scope="module")
def page(golden_cases: Any) -> Image.Image:
    (case,) = (case for case in golden_cases if case.facts["name"] == "tiny")
    return case.image.convert("RGB")


def requests(count: int, image: Image.Image) -> Iterator[PageRequest]:
    for key in range(count):
        yield PageRequest(
            *(key, key + 1, "golden.pdf", "", image, None, TASKS["free"], MODES["tiny"]),
            redraw=lambda: image,
        )


def engines_of(backend: LocalBackend) -> CardEngines:
    loaded = backend._ready()
    assert isinstance(loaded, local._LoadedEngine)
    return loaded.engines


def kill(process: EngineProcess) -> None:
    os.kill(process._processes.engine.pid, signal.SIGKILL)
    assert soon(lambda: not process.alive)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[int, int]:
    """Counts the pages that each process was given."""
    counts: dict[int, int] = {}
    submit = EngineProcess.submit

    def counted(self: EngineProcess, *args: Any) -> Any:
        counts[id(self)] = counts.get(id(self), 0) + 1
        return submit(self, *args)

    monkeypatch.setattr(EngineProcess, "submit", counted)
    return counts


def test_pages_go_to_both_cards(backend, page, given) -> None:
    replies = list(backend.read(requests(10, page)))
    assert sorted(reply.key for reply in replies) == list(range(10))
    assert len({reply.text for reply in replies}) == 1
    assert {reply.tokens for reply in replies} == {TOKENS}
    assert len(given) == 2
    assert min(given.values()) >= 3


def test_a_reader_uses_it_like_any_other_backend(backend, sample_pdf, given) -> None:
    document = Reader(backend, resolution="tiny", cache=False).read(sample_pdf)
    assert [page.number for page in document] == [1, 2, 3]
    assert [page.error for page in document] == [None] * 3
    assert len(given) == 2
    assert backend.cards == 2  # so that pages are drawn for both


@pytest.mark.long
def test_a_process_that_stands_still_does_not_hold_up_the_others(backend, page, given) -> None:
    first, second = engines_of(backend).processes
    pid = first._processes.engine.pid
    os.kill(pid, signal.SIGSTOP)
    replies = []
    try:
        for reply in backend.read(requests(12, page)):
            replies.append(reply.key)
            if len(replies) == 8:
                os.kill(pid, signal.SIGCONT)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert sorted(replies) == list(range(12))
    assert given[id(first)] < given[id(second)]


@pytest.mark.long
def test_the_other_card_reads_the_pages_of_a_process_that_is_killed(backend, page) -> None:
    engines = engines_of(backend)
    first, second = engines.processes
    coming = requests(8, page)

    def killing() -> Iterator[PageRequest]:
        yield next(coming)
        yield next(coming)
        kill(first)
        yield from coming

    replies = list(backend.read(killing()))
    assert sorted(reply.key for reply in replies) == list(range(8))
    assert {reply.tokens for reply in replies} == {TOKENS}
    assert second.alive
    # It has been started again, or will be soon.
    assert soon(lambda: len(engines.processes) == 2 or not list(backend.read(requests(1, page))))
    assert first not in engines.processes


@pytest.mark.long
def test_if_all_processes_are_killed_pages_wait_for_a_new_one(backend, page) -> None:
    engines = engines_of(backend)
    for process in engines.processes:
        kill(process)
    replies = list(backend.read(requests(3, page)))
    assert [reply.error for reply in replies] == [None] * 3
    assert engines.processes


@pytest.mark.long
def test_pages_are_read_by_transformers_if_the_engine_does_not_run_on_the_cards(
    golden_checkpoint, page, monkeypatch, caplog
) -> None:
    def refuse(settings: dict[str, Any], *told: object) -> EngineProcess:
        raise EngineUnsupportedError("this card is too old")

    pytest.importorskip("transformers", minversion="5.20")
    monkeypatch.setattr(card_engines, "EngineProcess", refuse)
    backend = LocalBackend(golden_checkpoint, devices=TWO, max_new_tokens=2, attempts=1)
    (reply,) = backend.read(requests(1, page))
    backend.close()
    assert reply.tokens == 2
    assert "too old: using the transformers backend instead" in caplog.text


def test_all_means_the_cards_that_cuda_shows(golden_checkpoint, monkeypatch) -> None:
    import torch

    asked: list[str] = []

    def refuse(settings: dict[str, Any], *told: object) -> EngineProcess:
        asked.append(settings["device"])
        raise BackendUnavailableError("not here")

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(card_engines, "EngineProcess", refuse)
    with pytest.raises(BackendUnavailableError):
        LocalBackend(golden_checkpoint, devices="all").load()
    assert sorted(asked) == ["cuda:0", "cuda:1", "cuda:2"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert devices.all_devices() == (None,)


@pytest.mark.parametrize(
    ("text", "meant"),
    [("all", "all"), ("cuda:0, cuda:2", ("cuda:0", "cuda:2")), ("cpu,cpu", ("cpu", "cpu"))],
)
def test_the_environment_names_the_cards_of_a_backend_made_by_name(
    text, meant, monkeypatch
) -> None:
    monkeypatch.setenv("DSOCR_DEVICES", text)
    assert backend_named("local:some/folder")._devices == meant
    monkeypatch.setenv("DSOCR_DEVICES", " ")
    assert backend_named("local")._devices == (None,)


@pytest.mark.parametrize(
    "wrong",
    [
        {"devices": []},
        {"devices": "cuda:0"},
        {"devices": [""]},
        {"devices": [1]},
        {"devices": "all", "device": "cuda:1"},
    ],
)
def test_invalid_names_of_cards_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        LocalBackend(**wrong)
