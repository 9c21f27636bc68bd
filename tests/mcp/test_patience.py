"""The 40 seconds after which a call is answered with how far it is, and what becomes of its work."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp_documents import LINES, GatedBackend, server_over, write_pdf
from waiting import LONG, until_async

from deepseek_ocr_rag.concurrency.cancellation import current_cancellation
from deepseek_ocr_rag.errors import BusyError
from deepseek_ocr_rag.mcp.patience import PATIENCE, PagesRead, RunningCalls, Unfinished

ASK = {"id": "lamps.pdf", "question": "Who keeps the tower?"}
Tell = Callable[[int, int | None], None]


async def nothing(_: PagesRead) -> None:
    pass


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_pdf(tmp_path / "lamps.pdf")
    return tmp_path


def test_clients_that_give_up_after_a_minute_are_answered_before() -> None:
    assert PATIENCE == 40


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_slow_call_says_how_far_it_is_goes_on_and_ends_when_called_again(
    folder: Path, mode: str
) -> None:
    backend = GatedBackend()
    backend.let(2)
    server = server_over(folder, backend, patience=1.0)
    async with Client(server, mode=mode) as client:
        while True:
            result = await client.call_tool("ask_document", ASK)
            told = result.structured_content
            assert not result.is_error
            assert told["status"] == "reading"
            if told["pages_done"] == 2:
                break
        assert told["pages_total"] == 3
        assert told["call_again"] == {"tool": "ask_document", "arguments": ASK}
        assert "2 of 3 pages" in result.content[0].text
        backend.let(1)
        again = told["call_again"]
        while result.structured_content["status"] == "reading":
            result = await client.call_tool(again["tool"], again["arguments"])
    assert "Leonie Hartog" in result.content[0].text
    assert backend.begun == [1, 2, 3]


async def test_the_work_goes_on_while_nobody_calls(folder: Path) -> None:
    backend = GatedBackend()
    server = server_over(folder, backend, patience=0.2)
    async with Client(server) as client:
        result = await client.call_tool("read_document", {"id": "lamps.pdf"})
        assert result.structured_content["status"] == "reading"
        backend.let(3)
        await until_async(lambda: backend.begun == [1, 2, 3])
        while result.structured_content["status"] == "reading":
            result = await client.call_tool("read_document", {"id": "lamps.pdf"})
    assert result.structured_content["pages"] == [1, 2, 3]
    assert LINES[3] in result.content[0].text


async def test_a_resource_that_takes_long_says_so(folder: Path) -> None:
    backend = GatedBackend()
    async with Client(server_over(folder, backend, patience=0.1)) as client:
        result = await client.read_resource("dsocr://doc/lamps.pdf")
        assert "Make the same call again" in getattr(result.contents[0], "text", "")


async def test_progress_rises(folder: Path) -> None:
    backend = GatedBackend()
    told: list[tuple[float, float | None]] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        told.append((done, total))
        backend.let(1)

    backend.let(1)
    async with Client(server_over(folder, backend)) as client:
        await client.call_tool("ask_document", ASK, progress_callback=progress)
    assert [total for _, total in told] == [3] * len(told)
    counts = [done for done, _ in told]
    assert counts == sorted(set(counts))
    assert counts[:2] == [1, 2]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_call_that_its_client_cancels_stops_the_reading(folder: Path, mode: str) -> None:
    backend = GatedBackend()
    async with Client(server_over(folder, backend), mode=mode) as client:
        calling = asyncio.create_task(client.call_tool("ask_document", ASK))
        await until_async(lambda: backend.begun == [1])
        calling.cancel()
        await until_async(backend.cancelled.is_set)
        tools = await client.list_tools()
    assert len(tools.tools) == 5


async def test_a_client_that_leaves_stops_the_reading_even_of_a_call_that_goes_on(
    folder: Path,
) -> None:
    backend = GatedBackend()
    async with Client(server_over(folder, backend, patience=0.1), mode="legacy") as client:
        result = await client.call_tool("ask_document", ASK)
        assert result.structured_content["status"] == "reading"
        await until_async(lambda: backend.begun == [1])
    await until_async(backend.cancelled.is_set)


async def test_two_calls_for_the_same_share_the_work_and_one_may_leave() -> None:
    started, release = [], threading.Event()

    def work(tell: Tell) -> str:
        started.append(1)
        release.wait(LONG)
        return "done"

    calls: RunningCalls[str] = RunningCalls()
    first = asyncio.create_task(calls.result("key", work, nothing))
    second = asyncio.create_task(calls.result("key", work, nothing))
    await until_async(lambda: started == [1])
    first.cancel()
    await asyncio.sleep(0.05)
    release.set()
    assert await second == "done"
    assert started == [1]
    await calls.close()


async def test_a_result_is_given_once_and_a_later_call_works_anew() -> None:
    counted: list[int] = []

    def work(tell: Tell) -> int:
        counted.append(1)
        return len(counted)

    calls: RunningCalls[int] = RunningCalls()
    assert await calls.result("key", work, nothing) == 1
    assert await calls.result("key", work, nothing) == 2


async def test_too_many_calls_at_work_are_refused_and_finished_ones_do_not_count() -> None:
    release = threading.Event()
    calls: RunningCalls[bool] = RunningCalls(patience=0.05, most_running=2)
    for key in "ab":
        assert isinstance(
            await calls.result(key, lambda _: release.wait(LONG), nothing), Unfinished
        )
    with pytest.raises(BusyError, match="2 calls"):
        await calls.result("c", lambda _: True, nothing)
    release.set()
    await until_free(calls)
    assert await calls.result("a", lambda _: False, nothing) is True
    await calls.close()


async def until_free(calls: RunningCalls[Any]) -> None:
    """Wait until another call is taken."""
    end = time.monotonic() + LONG
    while True:
        try:
            await calls.result("c", lambda _: True, nothing)
        except BusyError:
            assert time.monotonic() < end
            await asyncio.sleep(0.01)
        else:
            return


async def test_an_error_of_work_that_went_on_comes_with_the_next_call() -> None:
    release = threading.Event()

    def work(tell: Tell) -> None:
        release.wait(LONG)
        raise BusyError("as it were", remedy="Wait.")

    calls: RunningCalls[None] = RunningCalls(patience=0.05)
    assert isinstance(await calls.result("key", work, nothing), Unfinished)
    release.set()
    with pytest.raises(BusyError, match="as it were"):
        await waited_for(calls.result, "key", work)


async def test_kept_results_are_bounded() -> None:
    calls: RunningCalls[bytes] = RunningCalls(patience=0.0, most_running=1)
    for number in range(60):
        while True:
            try:
                await calls.result(number, lambda _: b"result", nothing)
            except BusyError:
                await asyncio.sleep(0.005)
            else:
                break
    assert calls.kept <= 17
    await calls.close()


async def test_closing_cancels_all_that_is_at_work() -> None:
    ended = threading.Event()

    def work(tell: Tell) -> None:
        with current_cancellation().on_cancel(ended.set):
            ended.wait(LONG)

    calls: RunningCalls[None] = RunningCalls(patience=0.05)
    assert isinstance(await calls.result("key", work, nothing), Unfinished)
    await calls.close()
    await until_async(ended.is_set)


async def waited_for(result: Callable[..., Any], key: str, work: Callable[[Tell], Any]) -> Any:
    """Call until there is a result."""
    while isinstance(found := await result(key, work, nothing), Unfinished):
        pass
    return found
