"""Many requests at once behind a plain iterator."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from waiting import LONG, until_async

from deepseek_ocr_rag.backends.base import PageRequest, Reply
from deepseek_ocr_rag.backends.remote.concurrent_requests import (
    Failure,
    ReadPage,
    read_concurrently,
)
from deepseek_ocr_rag.errors import BackendReplyError, BackendUnavailableError


class Session:
    """Answers every page after ``seconds``, and remembers what happened to it."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.events: list[str] = []

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[ReadPage]:
        self.events.append("opened")
        try:
            yield self.read_page
        finally:
            self.events.append("closed")

    async def read_page(self, request: PageRequest) -> Reply | Failure:
        try:
            await asyncio.sleep(self.seconds * request.page)
        except asyncio.CancelledError:
            self.events.append(f"cancelled {request.page}")
            raise
        return Reply(request.key, f"Page {request.page}")


class EachAfterTheOneBehindIt(Session):
    """Answers a page once the reply of the page that was asked for after it has been fetched."""

    def __init__(self, *pages: int) -> None:
        super().__init__()
        self._after = dict(itertools.pairwise(pages))
        self.fetched: set[int] = set()

    async def read_page(self, request: PageRequest) -> Reply | Failure:
        before = self._after.get(request.page)
        await until_async(lambda: before is None or before in self.fetched)
        return Reply(request.key, f"Page {request.page}")


def test_replies_come_as_they_finish(page_request: Any) -> None:
    session = EachAfterTheOneBehindIt(9, 5, 1)
    keys = []
    for reply in read_concurrently([page_request(n) for n in (9, 5, 1)], session, concurrency=3):
        keys.append(reply.key)
        session.fetched.add(reply.key)
    assert keys == [1, 5, 9]


def test_requests_end_before_the_session_that_they_need(page_request: Any) -> None:
    session = Session(0.01)
    replies = read_concurrently(
        [page_request(1), *(page_request(n) for n in (9001, 9002))], session, concurrency=3
    )
    assert next(replies).key == 1
    replies.close()  # type: ignore[attr-defined]
    assert sorted(session.events[1:3]) == ["cancelled 9001", "cancelled 9002"]
    assert session.events[-1] == "closed"


def test_a_session_is_opened_for_the_first_request_only(page_request: Any) -> None:
    session = Session()
    assert list(read_concurrently([], session, concurrency=3)) == []
    assert session.events == []
    list(read_concurrently([page_request(1), page_request(2)], session, concurrency=1))
    assert session.events == ["opened", "closed"]


@pytest.mark.parametrize("error", [BackendUnavailableError("no"), ZeroDivisionError("bug")])
def test_a_session_that_cannot_be_opened_raises(page_request: Any, error: Exception) -> None:
    @asynccontextmanager
    async def broken() -> AsyncIterator[ReadPage]:
        await asyncio.sleep(0.01)
        raise error
        yield

    with pytest.raises(type(error)):
        list(read_concurrently((page_request(n) for n in range(9)), broken, concurrency=3))


def test_closing_ends_a_session_that_is_still_opening(page_request: Any) -> None:
    events: list[str] = []
    opening = threading.Event()

    @asynccontextmanager
    async def slow() -> AsyncIterator[ReadPage]:
        opening.set()
        try:
            await asyncio.sleep(10 * LONG)
        finally:
            events.append("ended")
        yield Session().read_page

    def requests() -> Any:
        yield page_request(1)
        assert opening.wait(LONG)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(read_concurrently(requests(), slow, concurrency=2))
    assert events == ["ended"]


def test_errors_of_a_page_are_replies_and_keep_their_attempts(page_request: Any) -> None:
    @asynccontextmanager
    async def failing() -> AsyncIterator[ReadPage]:
        async def read_page(request: PageRequest) -> Reply | Failure:
            return Failure(BackendReplyError("odd", page=request.page), attempts=3)

        yield read_page

    (reply,) = read_concurrently([page_request(7)], failing, concurrency=1)
    assert (reply.key, reply.finish_reason, reply.attempts) == (7, "error", 3)
    assert reply.error == "page 7: odd"
