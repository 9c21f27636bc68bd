"""Reads the reply of a server while it arrives, without waking up for each token."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable

import pytest

from deepseek_ocr_rag.backends.remote.completion_stream import Completion, read_completion
from deepseek_ocr_rag.backends.remote.reply_text import PAUSE_SECONDS, unhurried
from deepseek_ocr_rag.model.loops.detector import find_loops

PAGE = "# Report\n\nThe keeper wrote down wind and weather and counted three boats."
TWICE = f"{PAGE}\n\n" + "The lamp was lit at six and burned until dawn broke over the bay.\n" * 3
LOOP = "The keeper climbed all ninety steps, wound the heavy clock, and slept. " * 12


def read(text: str) -> Completion:
    async def events() -> AsyncIterator[str]:
        pieces: Iterable[str] = [text[at : at + 5] for at in range(0, len(text), 5)]
        for piece in pieces:
            choice = {"delta": {"content": piece}, "finish_reason": None}
            yield f"data: {json.dumps({'choices': [choice]})}\n\n"
        choice = {"delta": {"content": ""}, "finish_reason": "stop"}
        yield f"data: {json.dumps({'choices': [choice]})}\n\ndata: [DONE]\n\n"

    return asyncio.run(read_completion(events(), max_tokens=4000))


@pytest.mark.parametrize("text", [PAGE, TWICE, LOOP, ""])
def test_loops_found_while_the_text_came_are_those_of_the_whole_text(text: str) -> None:
    reply = read(text)
    assert reply.loops == find_loops(reply.text)


def test_an_end_token_that_was_written_out_leaves_the_loops_to_be_found() -> None:
    reply = read(f"{PAGE}<｜end▁of▁sentence｜>")
    assert reply.text == PAGE
    assert reply.loops is None


def test_chunks_that_come_one_by_one_are_fetched_together() -> None:
    async def fetched() -> tuple[list[bytes], int]:
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        waits = 0

        async def chunks() -> AsyncIterator[bytes]:
            nonlocal waits
            while True:
                waits += queue.empty()
                chunk = await queue.get()
                if chunk is None:
                    return
                yield chunk

        async def server() -> None:
            for number in range(40):
                await asyncio.sleep(PAUSE_SECONDS / 10)
                queue.put_nowait(b"%d" % number)
            queue.put_nowait(None)

        writing = asyncio.create_task(server())
        found = [chunk async for chunk in unhurried(chunks())]
        await writing
        return found, waits

    found, waits = asyncio.run(fetched())
    assert found == [b"%d" % number for number in range(40)]
    assert waits < 20
