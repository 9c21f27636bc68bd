"""Work in threads of the event loop, where the system starts none."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import pytest
from waiting import LONG

from deepseek_ocr_rag.answering import AnswerStream
from deepseek_ocr_rag.answering.answer import Answer
from deepseek_ocr_rag.errors import BusyError
from deepseek_ocr_rag.threads import in_thread

CALLER: ContextVar[str] = ContextVar("caller")


@contextmanager
def no_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As Python fails where the system refuses: ``RuntimeError: can't start new thread``."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        yield


def test_the_function_runs_elsewhere_in_the_callers_context() -> None:
    async def run() -> tuple[str, threading.Thread]:
        CALLER.set("keeper")
        return await in_thread(lambda: (CALLER.get(), threading.current_thread()))

    caller, thread = asyncio.run(run())
    assert caller == "keeper"
    assert thread is not threading.current_thread()


def test_what_the_function_raises_is_raised() -> None:
    def fail() -> None:
        raise KeyError("lamp")

    with pytest.raises(KeyError, match="lamp"):
        asyncio.run(in_thread(fail))


def test_a_refused_function_is_never_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """The executor keeps it in its queue, for the next thread."""
    called: list[str] = []

    async def run() -> None:
        with no_threads(monkeypatch), pytest.raises(BusyError, match="no more threads"):
            await in_thread(lambda: called.append("refused"))
        await in_thread(lambda: called.append("started"))

    asyncio.run(run())
    assert called == ["started"]


def test_work_that_another_thread_has_taken_up_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start
    called: list[str] = []
    done = threading.Event()

    def start_and_refuse(thread: threading.Thread) -> None:
        start(thread)
        assert done.wait(LONG)
        raise RuntimeError("can't start new thread")

    def work() -> str:
        called.append("once")
        done.set()
        return "done"

    async def run() -> str:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", start_and_refuse)
            return await in_thread(work)

    assert asyncio.run(run()) == "done"
    assert called == ["once"]


def written(*pieces: str) -> AnswerStream:
    def write() -> Generator[str, None, Answer]:
        yield from pieces
        return Answer("How old is the lamp?", "".join(pieces))

    return AnswerStream(write())


def test_a_stream_goes_on_after_a_refused_thread_without_a_lost_piece(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run() -> list[str]:
        stream = written("The lamp ", "is old.")
        with no_threads(monkeypatch), pytest.raises(BusyError, match="no more threads"):
            await anext(stream)
        return [piece async for piece in stream]

    assert asyncio.run(run()) == ["The lamp ", "is old."]
