"""Many calls at once share one reader: each gets its own pages, and none waits for a long job."""

from __future__ import annotations

import asyncio
import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from reportlab.pdfgen.canvas import Canvas

from deepseek_ocr_rag import OllamaBackend, Reader, ServerBackend
from deepseek_ocr_rag.agents import AgentReader
from deepseek_ocr_rag.concurrency import run_cancellable
from deepseek_ocr_rag.errors import BusyError, ReadCancelledError

CHAT = "/v1/chat/completions"
CALLS = 64


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


def wait_until(condition, seconds=10.0):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it never happened"
        time.sleep(0.005)


@pytest.fixture
def served(openai_server):
    """A reader whose server works on two pages at once."""
    with Reader(
        ServerBackend(openai_server.url, concurrency=2), resolution="tiny", cache=False
    ) as reader:
        yield reader


def test_64_calls_at_once_each_get_their_own_pages(openai_server, served, tmp_path):
    work = Slowly(openai_server, CHAT, 0.005)
    nonces = [1000 + 37 * n for n in range(CALLS)]
    for nonce in nonces:
        (tmp_path / f"{nonce}.pdf").write_bytes(marked(nonce, nonce + 1))
    agent = AgentReader(served, root_dir=tmp_path)
    together = threading.Barrier(CALLS)

    def call(nonce):
        together.wait()
        return agent.read(f"{nonce}.pdf").document

    with ThreadPoolExecutor(CALLS) as threads:
        documents = list(threads.map(call, nonces))
    mixed_up = [
        nonce
        for nonce, document in zip(nonces, documents, strict=True)
        if [page.markdown for page in document] != [f"Page {nonce} ß", f"Page {nonce + 1} ß"]
    ]
    print(f"{CALLS} calls at once, {2 * CALLS} pages: {len(mixed_up)} mixed up")
    assert mixed_up == []
    assert work.most == 2, "the places are those of all calls together"
    assert len(work.asked) == 2 * CALLS


def test_calls_about_one_document_at_once_read_no_page_twice(openai_server, served, tmp_path):
    (tmp_path / "a.pdf").write_bytes(marked(1, 2, 3, 4))
    agent = AgentReader(served, root_dir=tmp_path)
    with ThreadPoolExecutor(8) as threads:
        texts = {reply.text for reply in threads.map(lambda _: agent.read("a.pdf"), range(8))}
    assert len(texts) == 1
    assert len(openai_server.asked(CHAT)) == 4


def test_one_page_does_not_wait_for_500(openai_server, served):
    Slowly(openai_server, CHAT, 0.03)
    job = served.open(marked(*range(1, 501)))
    read = []

    def stop_soon():
        try:
            read.extend(page.number for page in job)
        except ReadCancelledError:
            read.append("cancelled")

    working = threading.Thread(target=stop_soon)
    working.start()
    wait_until(lambda: len(read) > 5)
    waits = []
    for mark in range(600, 605):
        before = len(read)
        assert served.read(marked(mark)).pages[0].markdown == f"Page {mark} ß"
        waits.append(len(read) - before)
    print(f"pages of the long job while one page was read: {waits}")
    job.close()
    working.join(5)
    assert read[-1] == "cancelled"
    assert max(waits) < 20


def test_one_page_of_a_document_does_not_wait_for_the_rest_of_it(openai_server, served, tmp_path):
    work = Slowly(openai_server, CHAT, 0.02)
    (tmp_path / "long.pdf").write_bytes(marked(*range(1, 121)))
    agent = AgentReader(served, root_dir=tmp_path)
    with ThreadPoolExecutor(2) as threads:
        search = threads.submit(agent.search, "long.pdf", "Page 7")
        wait_until(lambda: len(work.asked) > 5)
        reply = agent.read("long.pdf", "120")
        assert "Page 120" in reply.text
        assert not search.done()
        assert len(work.asked) < 80
        assert search.result(60).passages


async def test_one_page_does_not_wait_for_more_jobs_than_the_event_loop_has_threads(
    openai_server, served, tmp_path
):
    Slowly(openai_server, CHAT, 0.01)
    for job in range(40):
        (tmp_path / f"{job}.pdf").write_bytes(marked(*range(100 * job, 100 * job + 30)))
    (tmp_path / "short.pdf").write_bytes(marked(9000))
    agent = AgentReader(served, root_dir=tmp_path)
    jobs = [
        asyncio.create_task(run_cancellable(partial(agent.search, f"{job}.pdf", "Page 7")))
        for job in range(40)
    ]
    await asyncio.to_thread(wait_until, lambda: len(openai_server.asked(CHAT)) > 10)
    reply = await asyncio.wait_for(run_cancellable(lambda: agent.read("short.pdf")), 30)
    assert "Page 9000" in reply.text
    assert not any(job.done() for job in jobs)
    for job in jobs:
        job.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)


def test_a_reader_that_has_too_much_to_do_says_so_at_once(openai_server):
    Slowly(openai_server, CHAT, 0.2)
    with Reader(
        ServerBackend(openai_server.url), resolution="tiny", cache=False, most_documents=3
    ) as reader:
        streams = [reader.open(marked(n)) for n in range(3)]
        began = time.perf_counter()
        with pytest.raises(BusyError, match=r"busy with 3 documents\. Try again"):
            reader.read(marked(9))
        assert time.perf_counter() - began < 0.5
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
    """A reader with a single slot at a server that takes a minute for a page below 100."""
    good = openai_server.good

    def answer(exchange):
        if openai_server.page_of(exchange.body) >= 100 or exchange.wait(60):
            good(exchange)

    openai_server.answers[CHAT] = answer
    backend = ServerBackend(openai_server.url, concurrency=1)
    with Reader(backend, resolution="tiny", cache=False) as reader:
        yield reader


@pytest.fixture(autouse=True)
def cancelled_calls_end(nothing_left_behind):
    """Waits until the threads of cancelled calls have ended, before the next fixture counts them."""
    yield
    wait_until(lambda: not [t for t in threading.enumerate() if t.name.startswith("dsocr")])


async def next_page_after(reader):
    """Return the seconds until another call has a page."""
    began = time.perf_counter()
    document = await asyncio.wait_for(reader.aread(marked(500)), 10)
    assert document.pages[0].markdown == "Page 500 ß"
    return time.perf_counter() - began


async def test_a_cancelled_read_frees_its_slot_within_a_second(openai_server, single):
    task = asyncio.create_task(single.aread(marked(1, 2, 3)))
    await asyncio.to_thread(wait_until, lambda: openai_server.under_way)
    began = time.perf_counter()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    spent = time.perf_counter() - began
    print(f"cancelled in {spent:.2f} s, the next page {await next_page_after(single):.2f} s later")
    assert spent < 1


async def test_a_cancelled_call_of_an_agent_frees_its_slot_within_a_second(
    openai_server, single, tmp_path
):
    (tmp_path / "a.pdf").write_bytes(marked(1, 2, 3))
    agent = AgentReader(single, root_dir=tmp_path)
    tasks = [asyncio.create_task(run_cancellable(lambda: agent.read("a.pdf"))) for _ in range(3)]
    await asyncio.to_thread(wait_until, lambda: openai_server.under_way)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert await next_page_after(single) < 1


def test_closing_from_another_thread_ends_a_read(openai_server, single):
    stream = single.open(marked(1))
    ended = []

    def read():
        with pytest.raises(ReadCancelledError):
            next(stream)
        ended.append(time.perf_counter())

    thread = threading.Thread(target=read)
    thread.start()
    wait_until(lambda: openai_server.under_way)
    began = time.perf_counter()
    stream.close()
    thread.join(10)
    assert ended[0] - began < 1


async def test_many_tasks_share_one_reader(served):
    documents = await asyncio.gather(*(served.aread(marked(n, n + 1)) for n in range(100, 130)))
    assert [document.pages[1].markdown for document in documents] == [
        f"Page {n + 1} ß" for n in range(100, 130)
    ]


def test_the_time_of_a_page_does_not_run_while_it_waits_for_a_slot(ollama_server):
    work = Slowly(ollama_server, "/api/generate", 0.2)
    backend = OllamaBackend(host=ollama_server.url, timeout=1.5)
    with (
        Reader(backend, resolution="tiny", cache=False) as reader,
        ThreadPoolExecutor(12) as threads,
    ):
        documents = list(threads.map(lambda n: reader.read(marked(n)), range(100, 112)))
    assert work.most == 1
    assert [document.pages[0].markdown for document in documents] == [
        f"Page {n} ß" for n in range(100, 112)
    ]
