from __future__ import annotations

import asyncio

import pytest
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from deepseek_ocr_rag.service.api.access.request_bodies import GRACE, body_limit, guarded_body


def sending(*bodies: bytes) -> Receive:
    left = list(bodies)

    async def receive() -> Message:
        body = left.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(left)}

    return receive


def scope(**headers: str) -> dict[str, object]:
    pairs = [(n.replace("_", "-").encode(), v.encode()) for n, v in headers.items()]
    return {"type": "http", "path": "/v1/ask", "headers": pairs}


async def whole(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message["body"]
        if not message["more_body"]:
            return body


async def test_a_body_within_its_limits_comes_through() -> None:
    guarded = guarded_body(scope(), sending(b"abc", b"de"), limit=5, silence=5, rate=1)
    assert await whole(guarded) == b"abcde"


async def test_a_body_is_ended_where_it_becomes_too_large() -> None:
    guarded = guarded_body(scope(), sending(b"abc", b"def"), limit=5, silence=5, rate=1)
    with pytest.raises(HTTPException) as told:
        await whole(guarded)
    assert told.value.status_code == 413


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content_length": "6"}, 413),
        ({"content_length": "9" * 30}, 400),
        ({"content_length": "-1"}, 400),
        ({"content_length": "5, 5"}, 400),
        ({"content_encoding": "gzip"}, 415),
        ({"content_encoding": "br"}, 415),
    ],
)
def test_headers_are_believed_before_a_byte_is_read(headers: dict[str, str], status: int) -> None:
    with pytest.raises(HTTPException) as told:
        guarded_body(scope(**headers), sending(b""), limit=5, silence=5, rate=1)
    assert told.value.status_code == status


async def test_a_silent_body_is_ended() -> None:
    async def silent() -> Message:
        await asyncio.sleep(60)
        raise AssertionError

    with pytest.raises(HTTPException) as told:
        await guarded_body(scope(), silent, limit=5, silence=0.05, rate=1)()
    assert told.value.status_code == 408


async def test_a_body_that_comes_drop_by_drop_is_ended() -> None:
    now = 0.0

    async def dripping() -> Message:
        nonlocal now
        now += 10.0
        return {"type": "http.request", "body": b"x", "more_body": True}

    guarded = guarded_body(scope(), dripping, limit=500, silence=20, rate=100, clock=lambda: now)
    with pytest.raises(HTTPException) as told:
        await whole(guarded)
    assert told.value.status_code == 408
    assert GRACE < now < 2 * GRACE


async def test_after_the_body_the_end_of_the_connection_may_be_waited_for() -> None:
    async def receive() -> Message:
        if not asked:
            asked.append(1)
            return {"type": "http.request", "body": b"", "more_body": False}
        await asyncio.sleep(0.1)
        return {"type": "http.disconnect"}

    asked: list[int] = []
    guarded = guarded_body(scope(), receive, limit=5, silence=0.02, rate=1)
    await guarded()
    assert (await guarded())["type"] == "http.disconnect"


@pytest.mark.parametrize(
    ("path", "large"),
    [
        ("/v1/jobs", True),
        ("/v1/uploads/abc/content", True),
        ("/process", True),
        ("/v1/convert/file/async", True),
        ("/v1/files", True),
        ("/v1/ask", False),
        ("/v1/uploads", False),
        ("/v1/uploads/a/b/content", False),
        ("/v1/jobs/x", False),
        ("/mcp", False),
    ],
)
def test_only_files_may_be_large(path: str, large: bool) -> None:
    assert (body_limit(path, upload_bytes=10**9, json_bytes=1000) > 1000) == large
