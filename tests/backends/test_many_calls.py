"""Many calls at once share one reader: each gets its own pages, and none waits for a long job."""

from __future__ import annotations

import asyncio
import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import pytest
from event_loop_clock import MINUTES
from reportlab.pdfgen.canvas import Canvas
from waiting import LONG, least, slowness, until, until_async

from deepseek_ocr_rag import OllamaBackend, Reader, ServerBackend
from deepseek_ocr_rag.agents import AgentReader
from deepseek_ocr_rag.concurrency import run_cancellable
from deepseek_ocr_rag.concurrency.fair_turns import FairSemaphore
from deepseek_ocr_rag.errors import BusyError, ReadCancelledError

CHAT = "/v1/chat/completions"


def marked(*marks):
    """Make a PDF whose pages have colours that the servers of these tests read as those numbers."""
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=(200, 200))
    for mark in marks:
        canvas.setFillColorRGB(mark // 256 / 255, mark % 256 / 255, 77 / 255)
        canvas.rect(0, 0, 200, 200, stroke=0, fill=1)
        canvas.setFillColorRGB(0, 0, 0)
        canvas.rect(80, 80, 60, 60, stroke=0, fill=1)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


class Slowly:
    """Makes a server take its time for every page, and counts the pages that it works on."""

    def __init__(self, server, path, seconds):
        self.asked = []
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()
        self._server = server
        self._seconds = seconds
        server.answers[path] = self._answer

    def _answer(self, exchange):
        with self._lock:
            self.asked.append(exchange)
            self._now += 1
            self.most = max(self.most, self._now)
        wanted = exchange.wait(self._seconds)
        with self._lock:
            self._now -= 1
        if wanted:
            self._server.good(exchange)


class Stepped:
    """A server that answers the next page when it is told to, and notes which it was asked for.

    On leaving its ``with`` it answers all, so that a test that fails does not wait for ever.
    """

    def __init__(self, server):
        self.asked = []
        self.answered = []
        self._server = server
        self._steps = threading.Semaphore(0)
        self._all = threading.Event()
        self._untaken = 0
        server.answers[CHAT] = self._answer

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.step_from_now_on()

    def _answer(self, exchange):
        page = self._server.page_of(exchange.body)
        self.asked.append(page)
        try:
            self._answer_when_told(exchange)
        finally:
            self.answered.append(page)

    def _answer_when_told(self, exchange):
        while not self._all.is_set():
            if self._steps.acquire(timeout=0.01):
                self._untaken = 0
                break
            if not exchange.wait(0):
                return
        self._server.good(exchange)

    def step_unless(self, holds):
        """Answer the next page, or stop waiting once ``holds()``: its caller may have left."""
        self._untaken = 1
        self._steps.release()
        until(lambda: not self._untaken or holds())

    def step_from_now_on(self):
        self._all.set()


@dataclass(frozen=True)
class Waiting:
    """Who asked for a place when none was free."""

    semaphore: FairSemaphore
    reading: object
    thread: threading.Thread


@pytest.fixture
def in_line(monkeypatch):
    """Everybody who had to wait for a place so far."""
    found = []
    original = FairSemaphore._request

    def request(semaphore, reading):
        granted = original(semaphore, reading)
        if not granted.done():
            found.append(Waiting(semaphore, reading, threading.current_thread()))
        return granted

    monkeypatch.setattr(FairSemaphore, "_request", request)
    return found


@pytest.fixture
def served(openai_server):
    """A reader whose server works on two pages at once."""
    with Reader(
        ServerBackend(openai_server.url, concurrency=2), resolution="tiny", cache=False
    ) as reader:
        yield reader


@pytest.mark.parametrize("calls", [24, pytest.param(64, marks=pytest.mark.long)])
def test_many_calls_at_once_each_get_their_own_pages(openai_server, served, tmp_path, calls):
    work = Slowly(openai_server, CHAT, 0.005)
    nonces = [1000 + 37 * n for n in range(calls)]
    for nonce in nonces:
        (tmp_path / f"{nonce}.pdf").write_bytes(marked(nonce, nonce + 1))
    agent = AgentReader(served, root_dir=tmp_path)
    together = threading.Barrier(calls)

    def call(nonce):
        together.wait()
        return agent.read(f"{nonce}.pdf").document

    with ThreadPoolExecutor(calls) as threads:
        documents = list(threads.map(call, nonces))
    mixed_up = [
        nonce
        for nonce, document in zip(nonces, documents, strict=True)
        if [page.markdown for page in document] != [f"Page {nonce} ß", f"Page {nonce + 1} ß"]
    ]
    print(f"{calls} calls at once, {2 * calls} pages: {len(mixed_up)} mixed up")
    assert mixed_up == []
    assert work.most == 2, "the places are those of all calls together"
    assert len(work.asked) == 2 * calls


def test_calls_about_one_document_at_once_read_no_page_twice(openai_server, served, tmp_path):
    (tmp_path / "a.pdf").write_bytes(marked(1, 2, 3, 4))
    agent = AgentReader(served, root_dir=tmp_path)
    with ThreadPoolExecutor(8) as threads:
        texts = {reply.text for reply in threads.map(lambda _: agent.read("a.pdf"), range(8))}
    assert len(texts) == 1
    assert len(openai_server.asked(CHAT)) == 4


def test_one_page_does_not_wait_for_500(openai_server, served, in_line):
    job = served.open(marked(*range(1, 501)))
    waits = []
    with ThreadPoolExecutor(2) as threads, Stepped(openai_server) as work:
        long = threads.submit(list, job)
        for mark in range(600, 605):
            # Both places are taken, also where the job's next page had yet to be drawn.
            until(lambda: len(work.asked) - len(work.answered) == 2)
            others = {waiting.reading for waiting in in_line}
            page = threads.submit(served.read, marked(mark))
            until(lambda others=others: {waiting.reading for waiting in in_line} - others)
            before = len(work.asked)
            while not page.done():
                work.step_unless(page.done)
            assert page.result().pages[0].markdown == f"Page {mark} ß"
            waits.append(work.asked.index(mark) - before)
        job.close()
        assert isinstance(long.exception(LONG), ReadCancelledError)
    print(f"pages of the long job that were asked for before the one: {waits}")
    assert max(waits) < 4


def test_one_page_of_a_document_does_not_wait_for_the_rest_of_it(
    openai_server, served, tmp_path, in_line
):
    (tmp_path / "long.pdf").write_bytes(marked(*range(1, 121)))
    agent = AgentReader(served, root_dir=tmp_path)
    readers = []

    def read_the_last():
        readers.append(threading.current_thread())
        return agent.read("long.pdf", "120").text

    with ThreadPoolExecutor(2) as threads, Stepped(openai_server) as work:
        search = threads.submit(agent.search, "long.pdf", "Page 7")
        until(lambda: len(work.asked) == 2)
        text = threads.submit(read_the_last)
        until(lambda: readers and readers[0] in [waiting.thread for waiting in in_line])
        while not text.done():
            work.step_unless(text.done)
        asked = len(work.asked)
        assert "Page 120" in text.result()
        assert not search.done()
        work.step_from_now_on()
        assert search.result(LONG).passages
    assert asked < 30


async def test_one_page_does_not_wait_for_more_jobs_than_the_event_loop_has_threads(
    openai_server, served, tmp_path, in_line
):
    work = Stepped(openai_server)
    # Only one or two pages of each are read before the short one.
    for job in range(40):
        (tmp_path / f"{job}.pdf").write_bytes(marked(*range(100 * job, 100 * job + 6)))
    (tmp_path / "short.pdf").write_bytes(marked(9000))
    agent = AgentReader(served, root_dir=tmp_path)
    jobs = [
        asyncio.create_task(run_cancellable(partial(agent.search, f"{job}.pdf", "Page 7")))
        for job in range(40)
    ]

    def documents():
        slots = served.backend._slots
        return {waiting.reading for waiting in in_line if waiting.semaphore is slots}

    # On a machine that stands still, a few jobs may have failed by now: by default an event loop
    # has at most 32 threads.
    await until_async(lambda: len(documents()) > 32)
    others = documents()
    short = asyncio.create_task(run_cancellable(lambda: agent.read("short.pdf")))
    await until_async(lambda: documents() - others)
    while not short.done():
        await asyncio.to_thread(work.step_unless, short.done)
    assert "Page 9000" in short.result().text
    assert not any(job.done() and job.exception() is None for job in jobs)
    for job in jobs:
        job.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)


def test_a_reader_that_has_too_much_to_do_says_so_at_once(openai_server):
    Slowly(openai_server, CHAT, 0.05)
    with Reader(
        ServerBackend(openai_server.url), resolution="tiny", cache=False, most_documents=3
    ) as reader:
        streams = [reader.open(marked(n)) for n in range(3)]
        # Waiting would be without end: the three stay open meanwhile.
        with pytest.raises(BusyError, match=r"busy with 3 documents\. Try again"):
            reader.read(marked(9))
        assert openai_server.asked(CHAT) == []
        streams.pop().close()
        assert reader.read(marked(9)).pages[0].markdown == "Page 9 ß"
        list(streams.pop())
        assert reader.read(marked(8)).pages[0].markdown == "Page 8 ß"
        streams.pop().close()


def test_a_forgotten_stream_gives_its_slot_back(openai_server):
    import gc

    with Reader(ServerBackend(openai_server.url), cache=False, most_documents=1) as reader:
        reader.open(marked(1))
        gc.collect()
        reader.open(marked(1)).close()


def test_an_agent_is_told_that_the_reader_is_busy(openai_server, tmp_path):
    (tmp_path / "a.pdf").write_bytes(marked(1))
    with Reader(ServerBackend(openai_server.url), cache=False, most_documents=1) as reader:
        agent = AgentReader(reader, root_dir=tmp_path)
        with reader.open(marked(1)), pytest.raises(BusyError) as caught:
            agent.read("a.pdf")
    assert "busy" in agent.explain(caught.value)
    assert "Try again" in agent.explain(caught.value)


@pytest.fixture
def single(openai_server):
    """A reader with a single slot at a server that never answers for a page below 100."""
    good = openai_server.good

    def answer(exchange):
        if openai_server.page_of(exchange.body) >= 100 or exchange.wait(5 * LONG):
            good(exchange)

    openai_server.answers[CHAT] = answer
    backend = ServerBackend(openai_server.url, concurrency=1)
    with Reader(backend, resolution="tiny", cache=False) as reader:
        yield reader


@pytest.fixture(autouse=True)
def cancelled_calls_end(nothing_left_behind):
    """Waits until the threads of cancelled calls have ended, before the next fixture counts them."""
    yield
    until(lambda: not [t for t in threading.enumerate() if t.name.startswith("dsocr")])


async def next_page(reader):
    """Check that another call gets a page, though the server never answers for the one before."""
    document = await asyncio.wait_for(reader.aread(marked(500)), LONG)
    assert document.pages[0].markdown == "Page 500 ß"


async def best_of_some(seconds):
    """:func:`waiting.least` for a coroutine."""
    times = []
    while not times or (times[-1] >= 1 and len(times) < 10):
        slow = slowness()
        times.append(await seconds() / max(slow, slowness()))
    return min(times)


async def test_a_cancelled_read_frees_its_slot_within_a_second(openai_server, single):
    async def seconds():
        asked = len(openai_server.asked(CHAT))
        task = asyncio.create_task(single.aread(marked(1, 2, 3)))
        await until_async(lambda: len(openai_server.asked(CHAT)) > asked)
        began = time.perf_counter()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, LONG)
        spent = time.perf_counter() - began
        await next_page(single)
        return spent

    assert await best_of_some(seconds) < 1


async def test_a_cancelled_call_of_an_agent_frees_its_slot_within_a_second(
    openai_server, single, tmp_path
):
    (tmp_path / "a.pdf").write_bytes(marked(1, 2, 3))
    agent = AgentReader(single, root_dir=tmp_path)

    async def seconds():
        asked = len(openai_server.asked(CHAT))
        tasks = [
            asyncio.create_task(run_cancellable(lambda: agent.read("a.pdf"))) for _ in range(3)
        ]
        await until_async(lambda: len(openai_server.asked(CHAT)) > asked)
        for task in tasks:
            task.cancel()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), LONG)
        began = time.perf_counter()
        await next_page(single)
        return time.perf_counter() - began

    assert await best_of_some(seconds) < 1


def test_closing_from_another_thread_ends_a_read(openai_server, single):
    def seconds():
        asked = len(openai_server.asked(CHAT))
        stream = single.open(marked(1))
        with ThreadPoolExecutor(1) as other:
            reading = other.submit(next, stream)
            until(lambda: len(openai_server.asked(CHAT)) > asked)
            began = time.perf_counter()
            stream.close()
            assert isinstance(reading.exception(LONG), ReadCancelledError)
        return time.perf_counter() - began

    assert least(seconds, 1) < 1


async def test_many_tasks_share_one_reader(served):
    documents = await asyncio.gather(*(served.aread(marked(n, n + 1)) for n in range(100, 112)))
    assert [document.pages[1].markdown for document in documents] == [
        f"Page {n + 1} ß" for n in range(100, 112)
    ]


def test_the_time_of_a_page_does_not_run_while_it_waits_for_a_slot(ollama_server, loop_clock):
    work = Slowly(ollama_server, "/api/generate", 0.01)
    written = ollama_server.good

    def good(exchange):
        loop_clock.jump(0.4 * MINUTES)
        written(exchange)

    ollama_server.good = good
    backend = OllamaBackend(host=ollama_server.url, timeout=MINUTES, stall_timeout=10 * MINUTES)
    with (
        Reader(backend, resolution="tiny", cache=False) as reader,
        ThreadPoolExecutor(12) as threads,
    ):
        documents = list(threads.map(lambda n: reader.read(marked(n)), range(100, 112)))
    assert work.most == 1
    assert [document.pages[0].markdown for document in documents] == [
        f"Page {n} ß" for n in range(100, 112)
    ]
