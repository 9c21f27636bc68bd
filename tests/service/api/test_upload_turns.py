"""Files are received side by side, and stored a few at a time."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from starlette.requests import Request
from starlette.types import Message
from waiting import LONG, until_async

from deepseek_ocr_rag.errors import BusyError
from deepseek_ocr_rag.service.api import upload_turns
from deepseek_ocr_rag.service.api.upload_turns import TURNS, UploadTurns, in_turn


class Client:
    """Sends a body in two halves; the second when it is told to."""

    def __init__(self, turns: UploadTurns) -> None:
        app = SimpleNamespace(state=SimpleNamespace(upload_turns=turns))
        self.request = Request({"type": "http", "headers": [], "app": app}, self._receive)
        self.waits = asyncio.Event()
        self.sends = asyncio.Event()
        self._sent = 0

    async def _receive(self) -> Message:
        self._sent += 1
        if self._sent == 2:
            self.waits.set()
            await self.sends.wait()
        return {"type": "http.request", "body": b"half", "more_body": self._sent < 2}


async def received(client: Client) -> bytes:
    async with in_turn(client.request) as sent:
        return await sent.body()


async def test_a_file_arrives_whole() -> None:
    client = Client(UploadTurns())
    client.sends.set()
    assert await received(client) == b"halfhalf"


async def test_slow_clients_hold_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_turns, "PATIENCE", 0.05)
    turns = UploadTurns()
    slow = [Client(turns) for _ in range(10 * TURNS)]
    tasks = [asyncio.create_task(received(each)) for each in slow]
    for each in slow:
        await asyncio.wait_for(each.waits.wait(), LONG)
    fast = Client(turns)
    fast.sends.set()
    assert await asyncio.wait_for(received(fast), LONG) == b"halfhalf"
    for each in slow:
        each.sends.set()
    assert await asyncio.gather(*tasks) == [b"halfhalf"] * len(slow)


async def test_a_file_keeps_its_turn_for_a_short_wait_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_turns, "PATIENCE", LONG)
    turns = UploadTurns()
    patient = [asyncio.create_task(received(Client(turns))) for _ in range(TURNS)]
    await until_async(turns.turns.locked)
    await asyncio.sleep(0.1)
    assert turns.turns.locked()
    for task in patient:
        task.cancel()
    await asyncio.gather(*patient, return_exceptions=True)
    assert not turns.turns.locked()


async def test_only_a_few_files_are_stored_at_once() -> None:
    turns, most, now = UploadTurns(), 0, 0

    async def stored(client: Client) -> None:
        nonlocal most, now
        async with in_turn(client.request) as sent:
            await sent.body()
            now += 1
            most = max(most, now)
            for _ in range(20):
                await asyncio.sleep(0)
            now -= 1

    clients = [Client(turns) for _ in range(20)]
    for each in clients:
        each.sends.set()
    await asyncio.gather(*map(stored, clients))
    assert most == TURNS


@pytest.mark.parametrize("ends", ["error", "cancelled"])
async def test_an_upload_that_ends_early_gives_its_turn_back(ends: str) -> None:
    turns = UploadTurns()

    async def fails(client: Client) -> None:
        async with in_turn(client.request) as sent:
            if ends == "error":
                raise ValueError
            await sent.body()

    for _ in range(3 * TURNS):
        client = Client(turns)
        task = asyncio.create_task(fails(client))
        if ends == "cancelled":
            await client.waits.wait()
            task.cancel()
        with pytest.raises((ValueError, asyncio.CancelledError)):
            await task
    client = Client(turns)
    client.sends.set()
    assert await received(client) == b"halfhalf"
    assert turns.receiving.borrowed_tokens == 0


async def test_too_many_files_at_once_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_turns, "WAIT_SECONDS", 0.01)
    turns = UploadTurns()
    turns.receiving.total_tokens = 1
    first = Client(turns)
    task = asyncio.create_task(received(first))
    await first.waits.wait()
    with pytest.raises(BusyError, match="too many files"):
        await received(Client(turns))
    first.sends.set()
    assert await task == b"halfhalf"
