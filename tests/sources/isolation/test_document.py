"""Documents in processes of their own: what breaks there is one page here."""

from __future__ import annotations

import asyncio
import gc
import io
import os
import random
import signal
import sys
import threading
import time
import zlib
from contextlib import suppress

import psutil
import pytest
from bombs import bombs, one_page, pdf_of, stream
from reportlab.pdfgen.canvas import Canvas
from waiting import LONG, soon

from deepseek_ocr_rag import Limits, Reader, open_source
from deepseek_ocr_rag.backends import Reply
from deepseek_ocr_rag.concurrency.frames import Frame
from deepseek_ocr_rag.errors import (
    CorruptSourceError,
    DeepSeekOCRError,
    LimitExceededError,
    PageRenderError,
    PasswordError,
    SourceError,
)
from deepseek_ocr_rag.sources.isolation import document as isolated_document
from deepseek_ocr_rag.sources.isolation import pool as pools
from deepseek_ocr_rag.sources.isolation.pool import WorkerPool, shared_pool
from deepseek_ocr_rag.sources.isolation.process import Worker

posix = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


@pytest.fixture
def pool(monkeypatch):
    """A pool for this test alone."""
    made = WorkerPool(2)
    monkeypatch.setattr(pools, "_shared", made)
    yield made
    made.end_if_unused()
    assert made.workers == 0, "a document was left open"


def workers_of(pool):
    return [psutil.Process(each._process.pid) for each in (*pool._idle, *pool._busy)]


def numbered(pages):
    """A PDF whose page n is n points wider than 100."""
    file = io.BytesIO()
    canvas = Canvas(file)
    for number in range(1, pages + 1):
        canvas.setPageSize((100 + number, 200))
        canvas.drawString(9, 100, f"page {number}")
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def with_crash(at, pages):
    """A PDF of empty pages, of which one ends the process that draws it."""
    crash = bombs()["form in itself"]()
    form = crash[crash.index(b"5 0 obj\n") + 8 : crash.rindex(b"\nendobj\nxref")]
    form = form.replace(b"/F 5 0 R", b"/F 4 0 R")
    kids = b" ".join(b"%d 0 R" % (5 + n) for n in range(pages))
    good = b"<</Type /Page /Parent 2 0 R /MediaBox [0 0 99 99]>>"
    bad = good.replace(b">>", b" /Contents 3 0 R /Resources <</XObject <</F 4 0 R>>>>>>")
    return pdf_of(
        [
            b"<</Type /Catalog /Pages 2 0 R>>",
            b"<</Type /Pages /Kids [%b] /Count %d>>" % (kids, pages),
            stream(b"/F Do"),
            form,
            *[bad if n == at else good for n in range(1, pages + 1)],
        ]
    )


SMALL = Limits(worker_bytes=200_000_000)


class Widths:
    """A backend that writes the width of each picture."""

    name = "widths"
    model = "none"
    needs_image = True
    reads_text_layer = False

    def __init__(self, seconds=0.0):
        self.seconds = seconds

    def read(self, requests):
        for request in requests:
            time.sleep(self.seconds)
            yield Reply(request.key, f"{request.width:.0f} {request.image.size}")

    def close(self):
        pass


# Crashes


def test_a_page_that_ends_its_process_is_a_failed_page_and_the_rest_goes_on(pool):
    with open_source(with_crash(2, 3), limits=SMALL, name="a.pdf") as source:
        assert source.render(1, 50).size == (50, 50)
        with pytest.raises(
            PageRenderError, match=r"a\.pdf, page 2: .* ended two worker processes"
        ) as caught:
            source.render(2, 50)
        assert "worker_bytes" in str(caught.value)
        assert source.render(3, 50).size == (50, 50)


def test_a_large_picture_is_sent_without_another_in_memory():
    side = 6000
    # While it is drawn it is there twice, 144 MB each; a third one would not fit. The rest is the
    # process itself, which may have read other documents before.
    limits = Limits(worker_bytes=390_000_000)
    with open_source(one_page(stream(b""), size=(99, 99)), limits=limits) as source:
        assert source.render(1, side).size == (side, side)


def test_a_page_that_ends_its_process_is_tried_twice_and_never_again(pool, monkeypatch):
    started = []
    monkeypatch.setattr(pools, "Worker", lambda: started.append(1) or Worker())
    with open_source(with_crash(1, 1), limits=SMALL) as source:
        for step in (lambda: source.render(1, 50), lambda: source.text_layer(1)):
            with pytest.raises(PageRenderError):
                step()
        with pytest.raises(PageRenderError):
            source.info(1)
        assert len(started) == 2


def test_a_reader_gives_the_crash_as_a_page_with_its_error(pool):
    with Reader(Widths(), limits=SMALL) as reader:
        pages = reader.read(with_crash(2, 4)).pages
    assert [page.number for page in pages] == [1, 2, 3, 4]
    assert [page.finish_reason for page in pages] == ["blank", "error", "blank", "blank"]
    assert "ended two worker processes" in pages[1].error


def test_a_document_that_crashes_when_it_is_opened_is_corrupt(pool, monkeypatch):
    monkeypatch.setattr(isolated_document, "_open_request", lambda *_: {"do": "nonsense"})
    with pytest.raises(CorruptSourceError, match="opening the document ended two worker processes"):
        open_source(numbered(1))


@posix
def test_a_process_killed_while_it_waits_costs_nothing(pool):
    with open_source(numbered(3)) as source:
        for number in (1, 2, 3):
            for process in workers_of(pool):
                process.kill()
                process.wait(LONG)
            assert source.info(number).width == 100 + number
            for process in workers_of(pool):
                process.kill()
            assert source.render(number, 50)


@posix
@pytest.mark.parametrize(
    "point", [0, 4, 9, *(pytest.param(n, marks=pytest.mark.long) for n in (1, 2, 3, 5, 6, 7, 8))]
)
def test_a_read_gives_the_same_when_a_process_is_killed_in_it(pool, point):
    data = numbered(12)
    with Reader(Widths(0.004)) as reader:
        expected = [page.markdown for page in reader.read(data)]
        assert len(set(expected)) == 12
        done = threading.Event()

        def kill():
            done.wait(random.Random(point).uniform(0, 0.25))
            for each in (*pool._idle, *pool._busy):
                with suppress(psutil.NoSuchProcess):  # it may just have ended
                    psutil.Process(each._process.pid).send_signal(signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        pages = reader.read(data).pages
        killer.join()
    assert [page.markdown for page in pages] == expected


# Deadlines


def slow():
    return bombs()["shading with a slow program"]()


def test_a_page_that_never_ends_is_ended(pool, monkeypatch):
    monkeypatch.setattr(isolated_document, "GRACE_SECONDS", LONG)  # to open it
    with open_source(slow(), limits=Limits(page_seconds=0.5)) as source:
        monkeypatch.setattr(isolated_document, "GRACE_SECONDS", 0.3)
        began = time.perf_counter()
        with pytest.raises(LimitExceededError, match=r"longer than 0\.5 seconds"):
            source.render(1, 1280)
        assert time.perf_counter() - began < LONG
        with pytest.raises(LimitExceededError):
            source.text_layer(1)


def test_a_slow_page_that_ends_by_itself_is_not_tried_again_either(pool, monkeypatch):
    monkeypatch.setattr(isolated_document, "GRACE_SECONDS", LONG)
    strokes = b"0 0 m 600 700 l 0 700 l 600 0 l S " * 20_000
    data = one_page(stream(zlib.compress(strokes), b"/Filter /FlateDecode"))
    with open_source(data, limits=Limits(page_seconds=0.05)) as source:
        with pytest.raises(LimitExceededError, match=r"longer than 0\.05 seconds"):
            source.render(1, 1280)
        assert pool.workers == 1, "it was not ended"
        asked = []
        monkeypatch.setattr(Worker, "ask", lambda *args, **more: asked.append(args))
        with pytest.raises(LimitExceededError, match=r"longer than 0\.05 seconds"):
            source.text_layer(1)
        assert asked == []
        monkeypatch.undo()


def test_closing_ends_a_page_that_is_being_drawn(pool):
    source = open_source(slow())
    errors = []

    def render():
        try:
            source.render(1, 1280)
        except DeepSeekOCRError as error:
            errors.append(str(error))

    thread = threading.Thread(target=render)
    thread.start()
    time.sleep(0.3)
    began = time.perf_counter()
    source.close()
    thread.join()
    assert time.perf_counter() - began < LONG
    assert len(errors) == 1
    assert "closed" in errors[0]


def test_a_stream_whose_document_is_closed_meanwhile_ends(pool):
    with Reader(Widths()) as reader:
        stream_of_pages = reader.open(slow())
        threading.Timer(0.5, stream_of_pages._opened.close).start()
        began = time.perf_counter()
        (page,) = stream_of_pages
        assert page.finish_reason == "error"
        assert time.perf_counter() - began < LONG


# Several documents, threads and processes


def test_processes_are_started_when_needed_kept_and_ended_with_the_reader(pool):
    reader = Reader(Widths())
    assert pool.workers == 0
    reader.read(numbered(2))
    first = {process.pid for process in workers_of(pool)}
    assert first
    reader.read(numbered(2))
    assert {process.pid for process in workers_of(pool)} & first
    reader.close()
    # One that was being started meanwhile ends as soon as it stands.
    assert soon(lambda: pool.workers == 0)


def test_closing_a_document_ends_no_worker_that_was_only_started_for_it(pool, monkeypatch):
    monkeypatch.setattr(pools, "FINISH_SECONDS", LONG)
    document = pool.register()
    preparing, released = threading.Event(), threading.Event()

    def prepare(worker):
        preparing.set()
        released.wait(LONG)

    def borrow():
        with pool.worker(document, prepare=prepare):
            pass

    with pool.worker(document):
        other = threading.Thread(target=borrow)
        other.start()
        assert preparing.wait(LONG)
    other.join()
    starting = [each for each in threading.enumerate() if each.name == "dsocr-worker"]
    closing = threading.Thread(target=pool.forget, args=(document,))
    closing.start()
    assert soon(lambda: not pool._documents)
    released.set()
    for thread in (closing, *starting):
        thread.join()
    assert pool.workers == 2


def test_processes_end_some_time_after_the_last_document_is_closed(pool, monkeypatch):
    monkeypatch.setattr(pools, "LINGER_SECONDS", LONG)
    open_source(numbered(1)).close()
    assert pool.workers == 1
    monkeypatch.setattr(pools, "LINGER_SECONDS", 0.2)
    open_source(numbered(1)).close()
    assert soon(lambda: pool.workers == 0)


def test_a_reader_that_closes_leaves_the_documents_of_others_alone(pool):
    with open_source(numbered(1)) as source:
        Reader(Widths()).close()
        assert pool.workers == 1
        assert source.render(1, 50)


def test_many_threads_and_documents_get_their_own_pages(pool):
    documents = [open_source(numbered(5), name=str(n)) for n in range(6)]
    wrong = []

    def look(seed):
        dice = random.Random(seed)
        for _ in range(20):
            number = dice.randint(1, 5)
            if dice.choice(documents).info(number).width != 100 + number:
                wrong.append(number)

    threads = [threading.Thread(target=look, args=(seed,)) for seed in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert pool.workers <= 2
    for each in documents:
        each.close()


def test_closed_and_forgotten_documents_are_closed_in_the_processes_too(pool):
    kept = open_source(numbered(1))
    open_source(numbered(1)).close()
    forgotten = open_source(numbered(1))
    del forgotten
    gc.collect()
    kept.info(1)
    assert [len(worker.documents) for worker in pool._idle] == [1]
    kept.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_copy_starts_processes_of_its_own(pool):
    with open_source(numbered(3)) as source:
        source.info(1)
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            result = b"wrong"
            try:
                if source.info(2).width == 102 and shared_pool() is not pool:
                    result = b"right"
                source.close()
                shared_pool().end_if_unused()
            finally:
                os.write(write, result)
                os._exit(0)
        os.close(write)
        assert source.info(3).width == 103
        os.waitpid(child, 0)
        with os.fdopen(read, "rb") as told:
            assert told.read() == b"right"
        assert source.render(1, 50)


def test_a_closed_document_says_so(pool):
    source = open_source(numbered(1))
    source.close()
    with pytest.raises(SourceError, match="closed"):
        source.render(1, 50)


async def test_two_reads_at_once_in_asyncio(pool):
    data = numbered(4)
    with Reader(Widths()) as reader:
        both = await asyncio.gather(reader.aread(data), reader.aread(data))
    assert [page.markdown for page in both[0]] == [page.markdown for page in both[1]]


# What comes from the other side is not believed


@pytest.mark.parametrize(
    "answer",
    [
        Frame({}),
        Frame({"width": 5, "height": 5}, b"1"),
        Frame({"width": "a", "height": None}),
        Frame({"error": "SystemExit", "problem": "x"}),
        Frame({"error": None}),
    ],
)
def test_nonsense_is_a_crash(pool, monkeypatch, answer):
    with open_source(numbered(1)) as source:
        monkeypatch.setattr(Worker, "ask", lambda *_, **__: answer)
        with pytest.raises(PageRenderError, match="ended two worker processes"):
            source.render(1, 50)
        monkeypatch.undo()
        monkeypatch.setattr(pools, "_shared", pool)


def test_errors_come_over_with_their_name_and_page():
    with pytest.raises(PasswordError, match=r"x\.pdf: the PDF is encrypted"):
        open_source(one_encrypted(), name="x.pdf")


def one_encrypted():
    file = io.BytesIO()
    canvas = Canvas(file, encrypt="secret")
    canvas.drawString(9, 9, "x")
    canvas.save()
    return file.getvalue()


@pytest.mark.skipif(sys.platform != "linux", reason="descriptors are counted in /proc")
def test_no_descriptor_is_left_over(pool):
    me = psutil.Process()
    with open_source(numbered(1)) as source:
        source.render(1, 50)
        before = me.num_fds()
        for process in workers_of(pool):
            process.kill()
            process.wait(LONG)
        source.render(1, 50)
        for _ in range(20):
            open_source(numbered(1)).close()
        assert soon(lambda: me.num_fds() <= before)  # other threads may have opened some


def test_more_cards_get_more_workers_but_no_more_than_processors(monkeypatch):
    monkeypatch.setattr(pools, "_usable_cores", lambda: 10)
    made = WorkerPool(4)
    assert [made.widen(most) for most in (8, 40, 4)] == [8, 10, 10]
