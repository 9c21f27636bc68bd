"""The engine as a backend: a real process, on the CPU, with the tiny model of the golden data."""

from __future__ import annotations

import gc
import math
import os
import signal
import threading
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import pytest
from PIL import Image
from thread_leaks import new_threads
from waiting import LONG, least, soon

pytest.importorskip("torch")

from deepseek_ocr_rag.backends.base import Backend, PageRequest, begin_loading
from deepseek_ocr_rag.backends.local import backend as local
from deepseek_ocr_rag.backends.local import (
    card_engines,
    engine_process,
    engine_worker,
    process_pair,
)
from deepseek_ocr_rag.backends.local.backend import LocalBackend
from deepseek_ocr_rag.backends.local.engine_process import EngineProcess
from deepseek_ocr_rag.backends.local.process_pair import ProcessPair, start_pair
from deepseek_ocr_rag.backends.local.reading import READ_AHEAD
from deepseek_ocr_rag.backends.registry import backend_named
from deepseek_ocr_rag.backends.transformers import adapter
from deepseek_ocr_rag.document.text_layer import TextLayer
from deepseek_ocr_rag.errors import (
    BackendUnavailableError,
    ConfigurationError,
    EngineLostError,
    EngineUnsupportedError,
)
from deepseek_ocr_rag.model.prompts import MODES, TASKS
from deepseek_ocr_rag.model.tokenizer import ModelTokenizer

TOKENS = 20


@pytest.fixture(scope="module")
def backend(golden_checkpoint: Path) -> Iterator[LocalBackend]:
    made = LocalBackend(golden_checkpoint, device="cpu", max_new_tokens=TOKENS, attempts=1)
    made.load()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Checks that no test leaves a thread of this package, besides those of the shared backend."""
    before = set(threading.enumerate())
    yield
    assert new_threads(before, ours=True) == []


@pytest.fixture(scope="module")
def patient(golden_checkpoint: Path) -> Iterator[LocalBackend]:
    """Writes pages that have no end; the last test that uses it closes it."""
    made = LocalBackend(golden_checkpoint, device="cpu", max_new_tokens=5000, attempts=1)
    made.load()
    yield made
    made.close()


@pytest.fixture(scope="module")
def published_page(golden_cases: Any) -> Image.Image:
    (case,) = (case for case in golden_cases if case.facts["name"] == "tiny")
    return case.image.convert("RGB")


@pytest.fixture(scope="module")
def page(published_page: Image.Image) -> Image.Image:
    """Small, so that little time goes into what happens to its pixels."""
    return published_page.resize((128, 181))


def request(key: int, image: Image.Image | None, **changes: Any) -> PageRequest:
    fields = {"text_layer": None, "task": TASKS["free"], "resolution": MODES["tiny"]} | changes
    return PageRequest(key, key + 1, "golden.pdf", "", image, **fields)


def process_of(backend: LocalBackend) -> EngineProcess:
    loaded = backend._ready()
    assert isinstance(loaded, local._LoadedEngine)
    (process,) = loaded.engines.processes
    return process


def test_it_is_a_backend() -> None:
    made = LocalBackend()
    assert isinstance(made, Backend)
    assert (made.name, made.needs_image, made.reads_text_layer) == ("local", True, False)
    made.close()


def test_it_can_be_named() -> None:
    assert repr(backend_named("local:some/folder")) == "LocalBackend('some/folder')"
    assert backend_named("local").name == "local"


def test_every_page_gets_the_published_text(backend, published_page, golden_cases) -> None:
    (case,) = (case for case in golden_cases if case.facts["name"] == "tiny")
    greedy = case.arrays("expected")["greedy"].tolist()
    replies = list(backend.read(request(key, published_page) for key in range(6)))
    loaded = backend._ready()
    # From the 20th step on, two of the golden scores are too close to compare.
    expected = loaded.settings.tokenizer.decode(greedy[:19])
    assert sorted(reply.key for reply in replies) == list(range(6))
    for reply in replies:
        assert reply.text.startswith(expected[:-2])
        assert (reply.tokens, reply.finish_reason) == (TOKENS, "length")
        assert len(reply.logprobs) == TOKENS


def test_vision_in_fp8_is_that_of_the_engine(backend, golden_checkpoint, page) -> None:
    made = LocalBackend(
        golden_checkpoint, device="cpu", max_new_tokens=TOKENS, attempts=1, vision="fp8"
    )
    with closing(made):
        (eight,), (plain,) = made.read([request(0, page)]), backend.read([request(0, page)])
    assert made.fingerprint != backend.fingerprint
    # The first token's probability depends on the picture alone.
    assert 0 < abs(eight.logprobs[0].logprob - plain.logprobs[0].logprob) < 0.5


def test_the_text_layer_makes_drafts_and_is_asked_only_for_the_first_pages(backend, page) -> None:
    asked: list[int] = []

    def draft(key: int):
        return lambda: asked.append(key) or TextLayer(words=())

    list(backend.read(request(key, page, draft=draft(key)) for key in range(7)))
    assert asked == [0, 1, 2, 3]


def test_a_page_without_an_image_fails_alone(backend, page) -> None:
    replies = {r.key: r for r in backend.read([request(0, None), request(1, page)])}
    assert replies[0].finish_reason == "error"
    assert "no image" in replies[0].error
    assert replies[1].error is None


def test_a_page_is_streamed_while_it_is_written(backend, page) -> None:
    pieces = list(backend.stream(request(0, page)))
    (reply,) = backend.read([request(0, page)])
    assert len(pieces) > 5
    assert "".join(pieces) == reply.text


def test_cancelling_a_request_ends_its_stream(backend, page) -> None:
    whole = list(backend.stream(request(0, page)))
    cancelled = request(0, page)
    cancelled.cancellation.cancel()
    assert len(list(backend.stream(cancelled))) < len(whole)


def test_several_documents_are_read_at_once(backend, page) -> None:
    first = backend.read(request(key, page) for key in range(3))
    second = backend.read(request(key, page) for key in range(3))
    keys = [[next(first).key, next(second).key] for _ in range(3)]
    assert sorted(a for a, _ in keys) == sorted(b for _, b in keys) == [0, 1, 2]


def test_a_cancelled_page_gets_no_reply_and_frees_its_slot_within_a_second(patient, page) -> None:
    def seconds() -> float:
        unwanted = request(0, page)
        with ThreadPoolExecutor(1) as other:
            reading = other.submit(lambda: list(patient.read([unwanted])))
            time.sleep(0.5)
            start = time.monotonic()
            unwanted.cancellation.cancel()
            replies = reading.result(LONG)
            # Where this thread stood still, the page may have been read to its end.
            return math.inf if replies else time.monotonic() - start

    assert least(seconds, 1) < 1


def test_closing_ends_the_process(patient, page, monkeypatch) -> None:
    monkeypatch.setattr(process_pair, "END_SECONDS", 60.0)  # on a busy machine
    processes = process_of(patient)._processes
    stream = patient.stream(request(0, page))
    assert next(stream)
    stream.close()
    patient.close()
    assert (processes.engine.wait(0), processes.watch.wait(0)) == (0, 0)
    with pytest.raises(BackendUnavailableError, match="closed"):
        list(patient.read([request(0, page)]))


def test_pictures_are_freed_while_their_pages_are_written(backend, page) -> None:
    """Hundreds of them would take gigabytes."""
    pictures: list[weakref.ref[Image.Image]] = []
    kept: list[int] = []

    def coming() -> Iterator[PageRequest]:
        for key in range(8):
            picture = page.copy()
            pictures.append(weakref.ref(picture))
            yield request(key, picture, redraw=page.copy)
            del picture
            gc.collect()
            kept.append(sum(each() is not None for each in pictures))

    assert len(list(backend.read(coming()))) == 8
    # Only those that were submitted last, however many are being written.
    assert max(kept) <= 2


@pytest.mark.long
def test_only_few_pages_wait_for_a_slot(golden_checkpoint, page) -> None:
    backend = LocalBackend(
        golden_checkpoint, device="cpu", max_new_tokens=TOKENS, attempts=1, most_pages=2
    )
    taken = count()
    replies = backend.read(request(next(taken), page) for _ in range(200))
    next(replies)
    # Two are being written, one has ended, and the next may have been taken since.
    assert next(taken) <= READ_AHEAD + 2 + 2
    replies.close()
    backend.close()


@pytest.mark.long
def test_no_page_is_lost_when_pages_end_faster_than_they_are_fetched(
    golden_checkpoint, page
) -> None:
    """Several changes are queued here, and for a moment no page is in progress."""
    backend = LocalBackend(golden_checkpoint, device="cpu", max_new_tokens=1, attempts=1)
    replies = []
    for reply in backend.read(request(key, page) for key in range(12)):
        replies.append(reply.key)
        time.sleep(0.2)
    assert sorted(replies) == list(range(12))
    backend.close()


def test_a_page_that_repeats_itself_is_ended_and_cut(golden_checkpoint, page, monkeypatch) -> None:
    """The tiny model's text is arbitrary, so the search for loops is made to report one."""
    monkeypatch.setattr(process_pair, "WATCH", "repeating_watch")
    backend = LocalBackend(golden_checkpoint, device="cpu", max_new_tokens=5000, attempts=1)
    (reply,) = backend.read([request(0, page)])
    backend.close()
    assert reply.finish_reason == "repetition"
    assert reply.tokens < 5000


def test_no_pages_load_no_model(tmp_path: Path) -> None:
    assert list(LocalBackend(tmp_path).read(iter(()))) == []


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_pages_of_a_process_that_was_killed_are_given_to_a_new_one(backend, page) -> None:
    first = process_of(backend)
    redrawn: list[int] = []

    def redraw(key: int) -> Image.Image:
        redrawn.append(key)
        return page

    requests = iter([request(key, page, redraw=partial(redraw, key)) for key in range(3)])

    def coming() -> Iterator[PageRequest]:
        # Stopped, so that no page ends before the process is killed.
        os.kill(first._processes.engine.pid, signal.SIGSTOP)
        yield next(requests)
        yield next(requests)
        os.kill(first._processes.engine.pid, signal.SIGKILL)
        yield next(requests)

    replies = list(backend.read(coming()))
    assert sorted(reply.key for reply in replies) == [0, 1, 2]
    assert {reply.tokens for reply in replies} == {TOKENS}
    assert {0, 1} <= set(redrawn)
    assert process_of(backend) is not first
    # The new process has new threads. No test below uses this backend.
    backend.close()


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.long
def test_a_caller_that_waits_for_a_killed_process_gets_an_error(golden_checkpoint, page) -> None:
    backend = LocalBackend(golden_checkpoint, device="cpu", max_new_tokens=5000, attempts=1)
    for which in ("engine", "watch"):
        stream = backend.stream(request(0, page))
        next(stream)
        engine = process_of(backend)
        os.kill(getattr(engine._processes, which).pid, signal.SIGKILL)
        with pytest.raises(EngineLostError, match="SIGKILL"):
            list(stream)
        assert engine._processes.engine.wait(LONG) is not None
    again = backend.stream(request(0, page))
    assert next(again)
    again.close()
    backend.close()


def test_damaged_weights_are_reported(golden_checkpoint, tmp_path) -> None:
    for file in golden_checkpoint.iterdir():
        (tmp_path / file.name).symlink_to(file.resolve())
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "model.safetensors").write_bytes(b"\x08" + b"\0" * 40)
    with pytest.raises(BackendUnavailableError, match="cannot read the weights"):
        LocalBackend(tmp_path, device="cpu").load()


def test_a_model_that_the_engine_cannot_run_is_read_by_transformers(
    golden_checkpoint, page, monkeypatch, caplog
) -> None:
    def refuse(settings: dict[str, Any], *told: object) -> EngineProcess:
        raise EngineUnsupportedError("the local engine cannot run here: there is no CUDA device")

    pytest.importorskip("transformers", minversion="5.20")
    monkeypatch.setattr(card_engines, "EngineProcess", refuse)
    backend = LocalBackend(golden_checkpoint, device="cpu", max_new_tokens=4, attempts=1)
    (reply,) = backend.read([request(0, page)])
    backend.close()
    assert reply.tokens == 4
    assert "no CUDA device: using the transformers backend instead" in caplog.text


@pytest.mark.parametrize(
    "changes",
    [
        {"cache": "int4"},
        {"weights": "fp4"},
        {"vision": "int8"},
        {"gpu_memory_limit": 0},
        {"most_pages": 0},
        {"max_new_tokens": -1},
        {"attempts": 0},
    ],
)
def test_invalid_arguments_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        LocalBackend(**changes)


@pytest.mark.parametrize("device", ["cpu", "cpu:0"])
def test_on_a_cpu_the_engine_gets_the_merged_copy(
    device: str, golden_checkpoint, monkeypatch, tmp_path
) -> None:
    """Without a GPU too, where the adapter was left out in silence."""
    monkeypatch.setattr(local, "gpu_name", lambda: None)
    monkeypatch.setattr(adapter, "adapter_files", Path)
    monkeypatch.setattr(adapter, "write_merged", lambda found, changes, output: output)
    started: list[dict[str, Any]] = []

    def engines(settings: list[dict[str, Any]], *told: object) -> Any:
        started.extend(settings)
        raise BackendUnavailableError("that is enough")

    monkeypatch.setattr(local, "CardEngines", engines)
    backend = LocalBackend(golden_checkpoint, device=device, adapter=tmp_path)
    with pytest.raises(BackendUnavailableError, match="enough"):
        backend.load()
    (settings,) = started
    assert Path(settings["folder"]).parent.name.startswith("dsocr-merged-")


def test_a_merged_copy_is_deleted_if_the_engine_does_not_start(monkeypatch, tmp_path) -> None:
    backend = LocalBackend()
    copy = TemporaryDirectory(prefix="dsocr-merged-", dir=tmp_path)

    def fails() -> Any:
        backend._copy = copy
        raise BackendUnavailableError("the card has fallen off")

    monkeypatch.setattr(backend, "_load_engine", fails)
    with pytest.raises(BackendUnavailableError, match="fallen off"):
        backend.load()
    assert list(tmp_path.iterdir()) == []
    backend.close()


def test_the_tokenizer_is_loaded_once_the_process_has_its_settings(
    golden_checkpoint, monkeypatch
) -> None:
    """It holds the interpreter for half a second, in which nothing else of this process runs."""
    order: list[str] = []
    from_file = ModelTokenizer.from_file
    send = engine_process.send

    def loaded(path: Path) -> ModelTokenizer:
        order.append("tokenizer")
        return from_file(path)

    def sent(pipe: Any, frame: Any) -> None:
        time.sleep(0.2)
        send(pipe, frame)
        order.append("settings")

    monkeypatch.setattr(ModelTokenizer, "from_file", loaded)
    monkeypatch.setattr(engine_process, "send", sent)
    backend = LocalBackend(golden_checkpoint, device="cpu")
    backend.load()
    backend.close()
    assert order == ["settings", "tokenizer"]


def test_the_process_starts_while_the_first_page_is_drawn(golden_checkpoint, page) -> None:
    backend = LocalBackend(golden_checkpoint, device="cpu", max_new_tokens=2, attempts=1)

    def drawn() -> Iterator[PageRequest]:
        begin_loading(backend)
        assert soon(lambda: backend._loaded)
        yield request(0, page)

    (reply,) = backend.read(drawn())
    backend.close()
    assert reply.tokens == 2


def test_closing_it_ends_a_start_without_waiting_for_its_end(
    golden_checkpoint, monkeypatch
) -> None:
    """As a program that stops while its model is loaded, which takes seconds on a GPU."""
    monkeypatch.setattr(process_pair, "ENGINE", "never_ready")
    pairs: list[ProcessPair] = []

    def started(tokenizer: str) -> ProcessPair:
        pairs.append(start_pair(tokenizer))
        return pairs[-1]

    monkeypatch.setattr(engine_process, "start_pair", started)
    backend = LocalBackend(golden_checkpoint, device="cpu")
    backend.begin_loading()
    assert soon(lambda: pairs)
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(backend.load)
        backend.close()
        with pytest.raises(BackendUnavailableError, match="closed"):
            waiting.result(LONG)
    assert pairs[0].engine.wait(LONG) is not None
    assert pairs[0].watch.wait(LONG) is not None


def test_what_was_imported_is_searched_for_garbage_neither_at_the_start_nor_later(
    golden_checkpoint, monkeypatch
) -> None:
    """It takes a quarter of a second, for which the first page would wait."""
    frozen: list[int] = []

    def start(*given: object) -> None:
        frozen.append(gc.get_freeze_count())
        raise BackendUnavailableError("no engine")

    monkeypatch.setattr(engine_worker, "start_engine", start)
    monkeypatch.setattr(engine_worker, "send", lambda *given: None)
    keys = ("device", "cache", "memory_limit", "slots", "weights", "vision")
    startup = {
        "folder": str(golden_checkpoint),
        "tokenizer": str(golden_checkpoint / "tokenizer.json"),
        **dict.fromkeys(keys),
    }
    gc.unfreeze()  # what the suite has frozen
    try:
        engine_worker.serve(startup, cast("Any", None), cast("Any", None))
    finally:
        gc.freeze()
    assert frozen[0] > 100_000
