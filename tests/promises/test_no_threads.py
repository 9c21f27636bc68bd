"""Whichever thread the system refuses to start, the error is ours and every slot is freed."""

from __future__ import annotations

import asyncio
import threading

import pytest
from page_server import PageServer, marked_pdf

from deepseek_ocr_rag import FetchPolicy, Reader, ServerBackend
from deepseek_ocr_rag.concurrency import run_cancellable
from deepseek_ocr_rag.errors import BusyError
from deepseek_ocr_rag.sources.isolation import pool
from deepseek_ocr_rag.sources.isolation.pool import WorkerPool

PAGES = 2
PDF = marked_pdf(PAGES)


@pytest.fixture(scope="module")
def server():
    with PageServer() as made:
        yield made


class Refusals:
    """Refuses threads to the calling thread and to those it starts, from a certain one on."""

    def __init__(self, monkeypatch):
        self.left = None
        start = threading.Thread.start

        def start_or_not(thread):
            # Not those of the server in this process.
            if self.left is not None and "process_request" not in thread.name:
                self.left -= 1
                if self.left < 0:
                    raise RuntimeError("can't start new thread")
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", start_or_not)


@pytest.fixture
def refusals(monkeypatch):
    monkeypatch.setattr(pool, "_shared", WorkerPool(2))
    yield Refusals(monkeypatch)
    pool.shared_pool().end_if_unused()


def read(reader):
    return [page.error for page in reader.read(PDF)]


async def read_in_a_loop(reader):
    return [page.error async for page in reader.aiter_pages(PDF)]


async def read_cancellable(reader):
    return await run_cancellable(lambda: read(reader))


async def refused(refusals, allowed, coroutine):
    """Refuse threads to a coroutine, but not to the loop, which needs one to end."""
    refusals.left = allowed
    try:
        return await coroutine
    finally:
        refusals.left = None


@pytest.mark.parametrize(
    ("how", "isolated"),
    [(read, False), (read_in_a_loop, False), (read_cancellable, False), (read, True)],
)
def test_reading_fails_with_our_error_and_works_again(server, refusals, how, isolated):
    backend = ServerBackend(f"{server.url}/v1", retries=0, concurrency=2)
    whole = [None] * PAGES
    failed = 0
    with Reader(
        backend, cache=False, resolution="tiny", most_documents=1, isolated=isolated
    ) as reader:
        # Reading documents in other processes takes a thread for each request to one.
        for allowed in (0, 2, 7, 40) if isolated else range(40):
            try:
                if how is read:
                    refusals.left = allowed
                    errors = how(reader)
                else:
                    errors = asyncio.run(refused(refusals, allowed, how(reader)))
            except BusyError:
                failed += 1
            else:
                if errors == whole:
                    break
                failed += 1
                assert all(error is None or "threads" in error for error in errors)
            refusals.left = None
            # Neither the only place at the reader nor a process is lost.
            assert read(reader) == whole
        else:
            pytest.fail("it never read the whole document")
    assert failed >= 3


def test_a_download_is_refused_with_our_error(server, refusals):
    refusals.left = 0
    policy = FetchPolicy(allow_http=True, allow_private=True)
    with Reader("lite", allow_urls=policy, cache=False) as reader, pytest.raises(BusyError):
        reader.read(f"{server.url}/a.pdf")
