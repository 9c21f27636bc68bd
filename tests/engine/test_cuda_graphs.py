"""How often work is run before it is captured; no GPU is used."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from typing import ClassVar

import pytest

torch = pytest.importorskip("torch")

import tiny_engine

from deepseek_ocr_rag.engine import compile_ahead, cuda_graphs
from deepseek_ocr_rag.engine.compile_ahead import few_layers, stand_in
from deepseek_ocr_rag.engine.prefill import PrefillRequest
from deepseek_ocr_rag.engine.reference_ops import ReferenceOps
from deepseek_ocr_rag.engine.runner import Runner
from deepseek_ocr_rag.engine.vision.towers import Vision
from deepseek_ocr_rag.engine.vision.view_batches import usable_sizes


class Graph:
    """Notes when something is captured."""

    happened: ClassVar[list[str]] = []

    def capture_begin(self, **given):
        self.happened.append("begin")

    def capture_end(self):
        self.happened.append("end")

    def pool(self):
        return (0, 0)


@pytest.fixture
def happened(monkeypatch):
    """What happens on the device that is not there."""
    notes = Graph.happened = []
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "Stream", lambda: None)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: notes.append("empty"))
    return notes


@pytest.mark.parametrize("rehearsed", [False, True])
def test_what_was_rehearsed_is_captured_at_once(happened, rehearsed):
    def work():
        happened.append("work")
        return torch.ones(1)

    _, output = cuda_graphs.captured(work, None, None, rehearsed=rehearsed)
    first = [] if rehearsed else ["work", "empty"]
    assert happened == [*first, "begin", "work", "end"]
    assert output == 1


def test_a_capture_that_fails_is_ended(happened):
    def work():
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError):
        cuda_graphs.captured(work, None, None, rehearsed=True)
    assert happened == ["begin", "end"]


def captured_towers(happened, monkeypatch, *, rehearsed: bool) -> list[tuple[int, int]]:
    """Capture two sizes of views; returns the number and side of the views of each run."""
    few = few_layers(tiny_engine.SECOND)
    weights = stand_in(few, "model", torch.device("cpu")).vision
    vision = Vision(few, weights, capture=True)
    seen = []

    def begin(views):
        seen.append((len(views), views.shape[-1]))
        happened.append("work")
        return views

    monkeypatch.setattr(vision, "_begin", begin)
    vision.capture((256, 128), rehearsed=rehearsed)
    return seen


BATCHES_OF_VIEWS = [(size, side) for side in (256, 128) for size in usable_sizes((side // 16) ** 2)]


def test_towers_are_run_before_they_are_captured(happened, monkeypatch):
    seen = captured_towers(happened, monkeypatch, rehearsed=False)
    assert seen == [batch for batch in BATCHES_OF_VIEWS for _ in range(2)]
    assert happened == ["work", "empty", "begin", "work", "end"] * len(BATCHES_OF_VIEWS)


def test_the_tables_of_towers_that_were_rehearsed_are_filled_first(happened, monkeypatch):
    seen = captured_towers(happened, monkeypatch, rehearsed=True)
    assert seen == [(1, 256), (1, 128), *BATCHES_OF_VIEWS]
    assert happened == ["work", "work", "empty", *["begin", "work", "end"] * len(BATCHES_OF_VIEWS)]


def test_steps_of_more_rows_than_were_rehearsed_are_run_first(happened, monkeypatch):
    few = few_layers(tiny_engine.SECOND)
    weights = stand_in(few, "model", torch.device("cpu"))
    runner = Runner(few, weights, ReferenceOps(), slots=24, blocks=4, max_prefill_tokens=1024)
    graphs = runner._step_graphs
    graphs._capturer = cuda_graphs._Capturer()
    runs = []

    def step(inputs):
        runs.append(inputs.shape[1])
        return torch.zeros(1)

    monkeypatch.setattr(graphs, "_step", step)
    graphs.capture(4, 24, rehearsed=20)
    assert [runs.count(rows) for rows in (24, 16, 8)] == [2, 1, 1]
    assert runs.count(4) == len(cuda_graphs.QUERY_COUNTS)


def test_the_prompts_of_a4_pages_are_hardly_padded(monkeypatch):
    """Padding is computed too: 448 of 4,096 tokens took a tenth of a lot's time."""
    few = few_layers(tiny_engine.SECOND)
    weights = stand_in(few, "model", torch.device("cpu"))
    runner = Runner(few, weights, ReferenceOps(), slots=4, blocks=4, max_prefill_tokens=4096)
    graphs = runner._prefill_graphs
    graphs._capturer = object()
    taken = []

    def graph(capturer, tokens):
        taken.append(tokens)
        raise StopIteration

    monkeypatch.setattr(graphs, "_graph", graph)
    page = [128815] * 903 + [7] * 12
    for count in (1, 2, 3, 4):
        with pytest.raises(StopIteration):
            graphs.run([PrefillRequest(0, page, torch.empty(0))] * count)
    with pytest.raises(StopIteration):
        graphs.run([PrefillRequest(0, [7] * 4096, torch.empty(0))])
    assert taken == [928, 1856, 2784, 3712, 4096]


@pytest.mark.parametrize("threads", [1, 2])
def test_towers_and_decoder_are_rehearsed_in_a_thread_each(monkeypatch, threads):
    """Each meets what the other has begun, if both run at once."""
    both = threading.Barrier(threads, timeout=60)
    few = few_layers(tiny_engine.SECOND)
    weights = stand_in(few, "model", torch.device("cpu"))
    names = set()

    def meet(*given):
        names.add(threading.current_thread().name)
        both.wait()

    monkeypatch.setattr(Runner, "compile_vision", meet)
    monkeypatch.setattr(Runner, "compile_decoder", meet)
    rehearsal = compile_ahead.Rehearsal(4, 40, "model", "model", 1024, (256,), ())
    compile_ahead.rehearse(few, weights, ReferenceOps(), rehearsal, threads=threads)
    assert len(names) == threads


def test_a_rehearsal_in_two_threads_reports_the_errors_of_both(monkeypatch):
    few = few_layers(tiny_engine.SECOND)
    weights = stand_in(few, "model", torch.device("cpu"))
    rehearsal = compile_ahead.Rehearsal(4, 40, "model", "model", 1024, (256,), ())

    def fail(*given):
        raise torch.OutOfMemoryError

    for failing in ("compile_vision", "compile_decoder"):
        with monkeypatch.context() as patched:
            for name in ("compile_vision", "compile_decoder"):
                patched.setattr(Runner, name, fail if name == failing else lambda *given: None)
            with pytest.raises(torch.OutOfMemoryError):
                compile_ahead.rehearse(few, weights, ReferenceOps(), rehearsal, threads=2)
