"""Many pages at once: every one gets its own text, whatever the others do."""

from __future__ import annotations

import gc
import threading
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace

import pytest
from waiting import LONG, until

torch = pytest.importorskip("torch")

import numpy as np

from deepseek_ocr_rag.engine import engine as engine_module
from deepseek_ocr_rag.engine.engine import (
    MANY_COMING,
    MANY_ROWS,
    MAX_URGENT_STEPS,
    STEPS_BESIDE_URGENT,
    Engine,
    GenerationHandle,
)
from deepseek_ocr_rag.engine.reference_ops import ReferenceOps
from deepseek_ocr_rag.engine.runner import PageImage, Runner, StepOutput
from deepseek_ocr_rag.engine.scheduler import Scheduler
from deepseek_ocr_rag.engine.sequence import PageTask
from deepseek_ocr_rag.errors import (
    BackendError,
    BackendUnavailableError,
    ConfigurationError,
    PageTooLargeError,
)
from deepseek_ocr_rag.model.families import FAMILIES
from deepseek_ocr_rag.model.ngrams import NoRepeat
from deepseek_ocr_rag.model.views import page_views

FAMILY = FAMILIES["deepseek-ocr"]
SMALL = ("tiny", "small")
"""Cases with few picture tokens: seeing a page takes seconds on a CPU."""


@pytest.fixture
def make_engine(golden_config, golden_weights) -> Iterator:
    made: list[Engine] = []

    def make(slots: int = 3, blocks: int = 140, ops=None) -> Engine:
        runner = Runner(
            golden_config, golden_weights, ops or ReferenceOps(), slots=slots, blocks=blocks
        )
        made.append(Engine(runner, Scheduler(slots=slots, blocks=blocks), 8192))
        return made[-1]

    yield make
    for engine in made:
        engine.close()


@pytest.fixture(scope="module")
def cases(golden_cases) -> dict:
    return {case.facts["name"]: case for case in golden_cases if case.facts["name"] in SMALL}


def task(case, tokens: int = 12, **more) -> PageTask:
    return PageTask(
        case.arrays("expected")["input_ids"].ravel().tolist(),
        page_views(case.image, case.mode, FAMILY),
        NoRepeat(case.facts["no_repeat_ngram_size"]),
        tokens,
        min_new_tokens=tokens,
        **more,
    )


def expected(case, tokens: int = 12) -> tuple[int, ...]:
    return tuple(case.arrays("expected")["greedy"].tolist()[:tokens])


def test_pages_together_get_the_published_tokens(make_engine, cases) -> None:
    engine = make_engine()
    asked = [cases[name] for name in SMALL * 3]
    writings = [engine.submit(task(case)) for case in asked]
    assert [w.result(LONG).tokens for w in writings] == [expected(case) for case in asked]


def test_tokens_come_one_after_the_other(make_engine, cases) -> None:
    writing = make_engine().submit(task(cases["tiny"]))
    assert tuple(writing) == expected(cases["tiny"])


def test_a_page_image_is_prepared_on_the_device(make_engine, cases) -> None:
    case = cases["tiny"]
    for channels in ("RGB", "RGBX"):
        pixels = np.frombuffer(case.image.convert("RGB").tobytes("raw", channels), np.uint8)
        shape = (case.image.height, case.image.width, len(channels))
        image = PageImage(torch.from_numpy(pixels.reshape(shape).copy()), case.mode, FAMILY)
        asked = task(case)
        order = PageTask(
            asked.ids, image, asked.rule, asked.max_new_tokens, min_new_tokens=asked.min_new_tokens
        )
        assert make_engine().submit(order).result(LONG).tokens == expected(case)


def test_tokens_that_nobody_iterates_are_no_objects(make_engine, cases) -> None:
    """Searches for garbage look at each object, and the device waits meanwhile."""
    writing = make_engine().submit(task(cases["tiny"], 200))
    assert len(writing.result(LONG).tokens) == 200
    gc.collect()
    lists = sum(isinstance(each, list) for each in gc.get_objects())
    assert len(tuple(writing)) == 200
    del writing
    gc.collect()
    assert lists - sum(isinstance(each, list) for each in gc.get_objects()) < 50


def test_tokens_of_many_pages_set_off_no_search_for_garbage() -> None:
    searches = []
    numbers = torch.tensor([[2, 5, 6, 7, 8]]).int().repeat(2000, 1)
    numbers[:, 3:] = torch.tensor([-0.5, -1.5]).view(torch.int32)
    written: list[int] = []
    gc.collect()
    gc.callbacks.append(lambda phase, facts: searches.append(phase))
    try:
        for tokens, odds in StepOutput([], 2, numbers).wait():
            written += tokens
            logprobs = odds
    finally:
        gc.callbacks.pop()
    assert (written, logprobs) == ([5, 6] * 2000, [-0.5, -1.5])
    assert not searches


@pytest.mark.parametrize("source", ["right", "wrong"])
def test_drafts_do_not_change_the_text(make_engine, cases, source) -> None:
    case = cases["small"]
    draft = list(expected(case, 40)) if source == "right" else [7, 8, 9] * 20
    writing = make_engine().submit(task(case, 40, source=draft))
    assert writing.result(LONG).tokens == expected(case, 40)


def test_a_text_that_was_swapped_out_goes_on_where_it_was(make_engine, cases) -> None:
    # Room for one at a time only: the later and better ranked one pushes the first out.
    engine = make_engine(slots=1)
    started = threading.Event()

    def seen(tokens) -> bool:
        started.set()
        return False

    first = engine.submit(task(cases["small"], 40, priority=1, should_stop=seen, interval=4))
    assert started.wait(LONG)
    second = engine.submit(task(cases["tiny"], priority=0))
    assert second.result(LONG).tokens == expected(cases["tiny"])
    assert first.result(LONG).tokens == expected(cases["small"], 40)


def test_a_cancelled_page_ends_and_the_others_go_on(make_engine, cases) -> None:
    engine = make_engine(slots=1)
    long, short = engine.submit(task(cases["small"], 5000)), engine.submit(task(cases["tiny"]))
    long.cancel()
    assert long.result(LONG).end.reason == "cancelled"
    assert short.result(LONG).tokens == expected(cases["tiny"])


def test_a_loop_ends_its_page(make_engine, cases) -> None:
    writing = make_engine().submit(
        task(cases["tiny"], 500, should_stop=lambda tokens: True, interval=8)
    )
    assert writing.result(LONG).end.reason == "repetition"


def test_a_page_that_cannot_be_seen_fails_alone(make_engine, cases) -> None:
    engine = make_engine()
    good = task(cases["tiny"])
    views = page_views(cases["tiny"].image, cases["tiny"].mode, FAMILY)
    odd = type(views)(views.global_view[:, :500, :500], views.tiles, None)
    bad = PageTask(good.ids, odd, good.rule, 12)
    writings = [engine.submit(one) for one in (good, bad, good)]
    with pytest.raises(BackendError):
        writings[1].result(LONG)
    assert writings[0].result(LONG).tokens == expected(cases["tiny"])
    assert writings[2].result(LONG).tokens == expected(cases["tiny"])


def test_out_of_memory_begins_fewer_pages_at_once(make_engine, cases, monkeypatch) -> None:
    prefill, sizes = Runner.prefill, []

    def scarce(self, sequences):
        sizes.append(len(sequences))
        if len(sequences) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return prefill(self, sequences)

    monkeypatch.setattr(Runner, "prefill", scarce)
    engine = make_engine()
    writings = [engine.submit(task(cases["tiny"])) for _ in range(3)]
    assert {w.result(LONG).tokens for w in writings} == {expected(cases["tiny"])}


def test_a_page_too_large_even_alone_says_so(make_engine, cases, monkeypatch) -> None:
    def full(self, sequences):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Runner, "prefill", full)
    with pytest.raises(PageTooLargeError, match="does not fit"):
        make_engine().submit(task(cases["tiny"])).result(LONG)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_device_that_fails_ends_all_pages_and_nothing_hangs(make_engine, cases) -> None:
    submitted = threading.Event()

    class Fails(ReferenceOps):
        def attend(self, *arguments):
            submitted.wait(LONG)
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

    engine = make_engine(ops=Fails())
    writings = [engine.submit(task(cases["tiny"])) for _ in range(2)]
    submitted.set()
    for writing in writings:
        with pytest.raises(BackendUnavailableError, match="illegal memory access"):
            writing.result(LONG)
    with pytest.raises(BackendUnavailableError, match="illegal memory access"):
        engine.submit(task(cases["tiny"]))


def test_closing_ends_what_is_under_way(make_engine, cases) -> None:
    engine = make_engine()
    writing = engine.submit(task(cases["tiny"], 5000))
    engine.close()
    with pytest.raises(BackendUnavailableError, match="closed"):
        writing.result(LONG)
    with pytest.raises(BackendUnavailableError, match="closed"):
        engine.submit(task(cases["tiny"]))


def test_a_page_that_comes_while_the_engine_ends_is_refused(
    make_engine, cases, monkeypatch
) -> None:
    engine = make_engine()
    refuse, handle = engine._refuse_requests, engine_module.GenerationHandle
    refused, submitted = threading.Event(), threading.Event()

    def refuse_and_stay_alive() -> None:
        refuse()
        if not refused.is_set():
            refused.set()
            submitted.wait(60)

    def made_late(*arguments):
        closing.start()
        assert refused.wait(60)
        return handle(*arguments)

    monkeypatch.setattr(engine, "_refuse_requests", refuse_and_stay_alive)
    monkeypatch.setattr(engine_module, "GenerationHandle", made_late)
    closing = threading.Thread(target=engine.close)
    writing = engine.submit(task(cases["tiny"]))
    submitted.set()
    closing.join()
    with pytest.raises(BackendUnavailableError, match="closed"):
        writing.result(60)


def test_a_page_without_a_prompt_or_without_room_is_refused(make_engine, cases) -> None:
    engine = make_engine()
    for wrong in (replace(task(cases["tiny"]), ids=[]), task(cases["tiny"], 0)):
        with pytest.raises(ConfigurationError, match="a page needs a prompt and room"):
            engine.submit(wrong)


def test_a_prompt_that_is_too_long_is_refused(make_engine, cases) -> None:
    with pytest.raises(ConfigurationError, match="8192 positions"):
        make_engine().submit(task(cases["tiny"], 8192))


class FreeReport:
    """Tokens that cost nothing."""

    is_ready, queries = True, 1

    def __init__(self, sequences) -> None:
        self.sequences = tuple(sequences)

    def wait(self):
        return [([7], [-0.5]) for _ in self.sequences]


class FreeRunner:
    """A device that takes no time and no memory."""

    device = torch.device("cpu")

    def prefill(self, sequences) -> FreeReport:
        return FreeReport(sequences)

    def step(self, sequences, drafts) -> FreeReport:
        return FreeReport(sequences)


def test_the_slot_of_a_cancelled_prompt_is_not_given_out_until_it_is_computed() -> None:
    """Steps do not wait for prompts: another page there would get what the prompt still writes."""
    computed = threading.Event()
    prefilled: list[int] = []

    class LateReport(FreeReport):
        @property
        def is_ready(self) -> bool:
            return computed.is_set()

    class LateRunner(FreeRunner):
        def prefill(self, sequences) -> FreeReport:
            prefilled.extend(sequence.arrival for sequence in sequences)
            return LateReport(sequences) if prefilled[0] < prefilled[-1] else FreeReport(sequences)

        def step(self, sequences, drafts) -> FreeReport:
            time.sleep(0.01)
            return super().step(sequences, drafts)

    def wait_for(expected: list[int]) -> None:
        until(lambda: prefilled == expected)

    engine = Engine(LateRunner(), Scheduler(slots=2, blocks=400, min_batch=1), 8192)
    running = engine.submit(PageTask([0] * 30, None, NoRepeat(0), 8000))
    wait_for([0])
    late = engine.submit(PageTask([0] * 30, None, NoRepeat(0), 5))
    wait_for([0, 1])
    late.cancel()
    assert late.result(LONG).end.reason == "cancelled"
    following = engine.submit(PageTask([0] * 30, None, NoRepeat(0), 5))
    time.sleep(0.2)
    assert prefilled == [0, 1]
    computed.set()
    assert len(following.result(LONG).tokens) == 5
    running.cancel()
    engine.close()


def steps_beside_a_job(settling: int) -> list[set[int]]:
    """Who takes part in 50 steps, some steps after an urgent page has joined a job."""
    stepped: list[set[int]] = []
    everything = threading.Event()

    class SeenRunner(FreeRunner):
        def step(self, sequences, drafts) -> FreeReport:
            stepped.append({sequence.arrival for sequence in sequences})
            if len(sequences) > MANY_ROWS:
                everything.set()
            time.sleep(0.001)
            return super().step(sequences, drafts)

    scheduler = Scheduler(slots=MANY_ROWS + 1, blocks=5000, max_prefill_tokens=10**6)
    engine = Engine(SeenRunner(), scheduler, 8192)
    for priority in (*[1] * MANY_ROWS, 0):
        engine.submit(
            PageTask([0] * 30, None, NoRepeat(0), 8000, temperature=1.0, priority=priority)
        )
    assert everything.wait(LONG)
    first = len(stepped) + settling
    until(lambda: len(stepped) > first + 50)
    engine.close()
    return stepped[first : first + 50]


def test_an_urgent_page_gets_several_steps_for_each_of_the_others() -> None:
    stepped = steps_beside_a_job(0)
    alone = stepped.count({MANY_ROWS})
    others = sum(len(rows) == MANY_ROWS + 1 for rows in stepped)
    assert 0 < 3 * others <= alone <= MAX_URGENT_STEPS * (others + 1)


def test_an_urgent_page_that_comes_while_the_device_is_awaited_is_in_the_next_lot() -> None:
    """Else it would wait for the prompts of others twice, 40 ms each."""
    lots: list[list[int]] = []
    awaited = 0

    class LotReport(FreeReport):
        """Is ready when the second step after it is awaited, in which the urgent page comes."""

        def __init__(self, sequences) -> None:
            super().__init__(sequences)
            self.begun = awaited

        @property
        def is_ready(self) -> bool:
            return awaited >= self.begun + 2

    class StepReport(FreeReport):
        def wait(self):
            nonlocal awaited
            awaited += 1
            if len(lots) == 3 and awaited == begun[2] + 2:
                urgent.append(engine.submit(page(0)))
            return super().wait()

    class LateRunner(FreeRunner):
        def prefill(self, sequences) -> FreeReport:
            all_are_there.wait()
            lots.append([sequence.task.priority for sequence in sequences])
            begun.append(awaited)
            return LotReport(sequences) if lots[1:] else FreeReport(sequences)

        def step(self, sequences, drafts) -> StepReport:
            return StepReport(sequences)

    def page(priority: int) -> PageTask:
        return PageTask([0] * 30, None, NoRepeat(0), 40, temperature=1.0, priority=priority)

    urgent: list[GenerationHandle] = []
    begun: list[int] = []
    all_are_there = threading.Event()
    scheduler = Scheduler(slots=MANY_ROWS, blocks=3000, max_prefill_tokens=4 * 30)
    engine = Engine(LateRunner(), scheduler, 8192)
    job = [engine.submit(page(1)) for _ in range(24)]
    all_are_there.set()
    for written in job:
        written.result(LONG)
    assert len(urgent[0].result(LONG).tokens) == 40
    engine.close()
    assert lots[3] == [0]


def job_beside_first_pages(following: int) -> list[tuple[int, int]]:
    """What a document's pages do, of which four go first: prompts and rows of each turn."""
    turns: list[tuple[int, int]] = []

    class SeenRunner(FreeRunner):
        def prefill(self, sequences) -> FreeReport:
            all_are_there.wait()
            turns.append((len(sequences), 0))
            return super().prefill(sequences)

        def step(self, sequences, drafts) -> FreeReport:
            turns.append((0, len(sequences)))
            return super().step(sequences, drafts)

    all_are_there = threading.Event()
    scheduler = Scheduler(slots=MANY_ROWS, blocks=3000, max_prefill_tokens=4 * 30)
    engine = Engine(SeenRunner(), scheduler, 8192)
    pages = [
        PageTask(
            [0] * 30, None, NoRepeat(0), 500, temperature=1.0, priority=number >= 4,
            following=following + 19 - number,
        )
        for number in range(20)
    ]  # fmt: skip
    written = [engine.submit(page) for page in pages]
    all_are_there.set()
    for page in written:
        page.result(LONG)
    engine.close()
    return turns


def test_prompts_of_a_short_document_do_not_wait_for_its_first_pages() -> None:
    turns = job_beside_first_pages(following=0)
    last = max(number for number, (prompts, _) in enumerate(turns) if prompts)
    assert last < 40


def test_prompts_of_a_long_document_wait_while_its_first_pages_step_alone() -> None:
    turns = job_beside_first_pages(following=MANY_COMING)
    prompts = [number for number, (prompts, _) in enumerate(turns) if prompts]
    *_, before, last = prompts
    between = [rows for _, rows in turns[before + 1 : last]]
    assert len(between) >= STEPS_BESIDE_URGENT
    assert between.count(4) > 0.9 * len(between)
    # Without them, all the others step.
    assert all(rows >= 16 for _, rows in turns[last + 3 : last + 400])


def test_a_page_that_has_written_much_is_no_longer_urgent(monkeypatch) -> None:
    monkeypatch.setattr(engine_module, "MAX_URGENT_TOKENS", 30)
    assert all(len(rows) == MANY_ROWS + 1 for rows in steps_beside_a_job(60))


def test_steps_wait_for_drafts_only_where_the_text_repeats_itself() -> None:
    """Otherwise the device would wait for the host at every token."""
    text = [*range(10, 60), *range(10, 40), *range(100, 150)]
    seen: list[tuple[int, int, int]] = []

    class TextReport(FreeReport):
        def __init__(self, sequences, tokens: list[int], queries: int) -> None:
            super().__init__(sequences)
            self.tokens, self.queries = tokens, queries

        def wait(self) -> list[tuple[list[int], list[float]]]:
            return [(self.tokens, [0.0] * len(self.tokens))]

    class TextRunner(FreeRunner):
        written = 0

        def _next(self, sequences, drafts: list[int], queries: int) -> TextReport:
            right = 0
            while right < len(drafts) and drafts[right] == text[self.written + right]:
                right += 1
            start, self.written = self.written, self.written + right + 1
            return TextReport(sequences, text[start : self.written], queries)

        def prefill(self, sequences) -> TextReport:
            return self._next(sequences, [], 1)

        def step(self, sequences, drafts) -> TextReport:
            seen.append((self.written, sequences[0].in_flight, len(drafts[0])))
            return self._next(sequences, drafts[0], 1 + len(drafts[0]))

    engine = Engine(TextRunner(), Scheduler(slots=2, blocks=400), 8192)
    page = engine.submit(PageTask([0] * 30, None, NoRepeat(0), len(text)))
    assert list(page.result(LONG).tokens) == text
    engine.close()
    # Three tokens have come again, and one was in flight.
    repeated = range(54, 80 + 4)
    assert all(written in repeated and in_flight == 0 for written, in_flight, n in seen if n)
    assert sum(drafts for _, _, drafts in seen) > 20
    assert all(in_flight == 1 for written, in_flight, _ in seen if 2 < written < 50)
    assert len(seen) < len(text) - 15


def test_2000_pages_leave_nothing_in_the_memory_of_the_host() -> None:
    engine = Engine(FreeRunner(), Scheduler(slots=8, blocks=60), 8192)

    def write(pages: int) -> int:
        for _ in range(pages // 20):
            # A picture for each, which must be let go.
            order = [PageTask([0] * 30, bytearray(10**6), NoRepeat(0), 10) for _ in range(20)]
            for writing in [engine.submit(one) for one in order]:
                writing.result(LONG)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        first, last = write(200), write(2000)
    finally:
        tracemalloc.stop()
        engine.close()
    print(f"{last - first:+} bytes after 2,000 more pages")
    assert last - first < 100_000
