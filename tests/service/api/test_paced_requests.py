"""Other requests take turns, so that looks at a job are answered between them."""

from __future__ import annotations

import asyncio

import pytest

from deepseek_ocr_rag.service.api.operations.paced_requests import LoopTurns, PacedRequests

CROWD = 60


async def rounds_of(work):
    """In which round of the event loop each of a crowd came to its work."""
    round_number, came = 0, []

    async def one():
        await work()
        came.append(round_number)

    crowd = [asyncio.ensure_future(one()) for _ in range(CROWD)]
    while not all(each.done() for each in crowd):
        await asyncio.sleep(0)
        round_number += 1
    return came


async def test_only_a_few_go_on_in_a_round_and_all_in_their_order():
    turns = LoopTurns(3)
    came = await rounds_of(turns.wait)
    assert len(came) == CROWD
    assert came == sorted(came)
    assert max(came.count(each) for each in came) <= 3
    assert came[-1] <= CROWD // 3 + 3


async def test_who_is_alone_waits_for_no_round():
    turns = LoopTurns(2)
    first = turns.wait()
    with pytest.raises(StopIteration):
        first.send(None)


async def test_a_request_that_is_given_up_takes_nobodys_turn():
    turns = LoopTurns(1)
    await turns.wait()
    waiting = [asyncio.ensure_future(turns.wait()) for _ in range(5)]
    await asyncio.sleep(0)
    for each in waiting[:4]:
        each.cancel()
    await asyncio.wait_for(waiting[4], 5)


class App:
    """Notes the pieces of bodies, and answers."""

    def __init__(self):
        self.begun = []
        self.bodies = []

    async def __call__(self, scope, receive, send):
        self.begun.append(scope["path"])
        body, more = b"", True
        while more:
            message = await receive()
            body += message["body"]
            more = message["more_body"]
        self.bodies.append(body)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def asked(app, method, path, pieces=(b"",)):
    left = list(pieces)

    async def receive():
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    async def send(message):
        pass

    scope = {"type": "http", "method": method, "path": path}
    return asyncio.ensure_future(app(scope, receive, send))


async def test_a_look_at_a_job_begins_before_the_crowd_that_came_earlier():
    inner = App()
    app = PacedRequests(inner)
    crowd = [asked(app, "POST", "/v1/jobs") for _ in range(CROWD)]
    look = asked(app, "GET", "/v1/jobs/j1")
    await look
    assert inner.begun.index("/v1/jobs/j1") < CROWD // 4
    await asyncio.gather(*crowd)
    assert len(inner.begun) == CROWD + 1


async def test_what_else_is_asked_of_a_job_takes_turns():
    inner = App()
    app = PacedRequests(inner)
    crowd = [asked(app, "POST", "/v1/jobs") for _ in range(CROWD)]
    result = asked(app, "GET", "/v1/jobs/j1/result")
    await asyncio.gather(*crowd, result)
    assert inner.begun[-1] == "/v1/jobs/j1/result"


async def test_a_piece_of_a_body_is_not_lost_when_its_reader_is_interrupted():
    bodies, interrupted = [], 0

    async def impatient(scope, receive, send):
        nonlocal interrupted
        parts = []
        while len(parts) < 3:
            reading = asyncio.ensure_future(receive())
            await asyncio.sleep(0)  # it has the piece now, and a turn or not
            if not reading.done():
                interrupted += 1
                reading.cancel()
                await asyncio.sleep(0)
                continue
            parts.append(reading.result()["body"])
        bodies.append(b"".join(parts))

    app = PacedRequests(impatient)
    await asyncio.gather(*(asked(app, "POST", "/v1/jobs", [b"a", b"b", b"c"]) for _ in range(8)))
    assert interrupted
    assert bodies == [b"abc"] * 8
