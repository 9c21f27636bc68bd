"""Serves the protocol over the pipes of one client.

Lines have a bounded length, and a thread that waits for one does not keep the process alive.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Final, cast

import anyio
from mcp.server.stdio import stdio_server

from .protocol_pipes import ProtocolPipes
from .protocol_server import DocumentServer

__all__ = ["LONGEST_MESSAGE", "serve_stdio"]

LONGEST_MESSAGE: Final = 4 * 1024 * 1024
"""Most bytes of one message, the same as the SDK accepts over HTTP. A longer message is skipped."""

WAITING_MESSAGES: Final = 16
_PIECE: Final = 64 * 1024
_REFUSED: Final = "a message that is too long\n"
"""Stands for such a message. It is not JSON, so the protocol's code logs it and goes on."""


def serve_stdio(server: DocumentServer, pipes: ProtocolPipes) -> None:
    """Serve one client until it closes its end."""
    asyncio.run(_serve(server, pipes))


async def _serve(server: DocumentServer, pipes: ProtocolPipes) -> None:
    try:
        async with stdio_server(
            cast("anyio.AsyncFile[str]", _Lines(pipes.input)),
            cast("anyio.AsyncFile[str]", _Writer(pipes.output)),
        ) as (reading, writing):
            await server.run(reading, writing, server.create_initialization_options())
    except* (BrokenPipeError, ConnectionError, anyio.BrokenResourceError):
        pass  # the client is gone, so there is nobody to answer


class _Lines:
    """The lines of a pipe, each of bounded length, read in a thread that ends with the process.

    A thread that waits for input cannot be ended, and must not keep the process alive.
    """

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[str | None] = asyncio.Queue(WAITING_MESSAGES)
        threading.Thread(target=self._read, name="dsocr-mcp-input", daemon=True).start()

    def __aiter__(self) -> _Lines:
        return self

    async def __anext__(self) -> str:
        line = await self._queue.get()
        if line is None:
            raise StopAsyncIteration
        return line

    def _read(self) -> None:
        with suppress(RuntimeError):  # the loop has ended
            with suppress(OSError):  # treated like the end of input
                for line in _lines_of(self._pipe):
                    self._put(line)
            self._put(None)

    def _put(self, line: str | None) -> None:
        waiting = asyncio.run_coroutine_threadsafe(self._queue.put(line), self._loop)
        with suppress(asyncio.CancelledError):
            waiting.result()


class _Writer:
    """Writes text to a pipe, in a thread, so that a client that does not read blocks nobody."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    async def write(self, text: str) -> int:
        data = memoryview(text.encode("utf-8", "replace"))
        while data:
            written = await anyio.to_thread.run_sync(
                os.write, self._pipe, data[:_PIECE], abandon_on_cancel=True
            )
            data = data[written:]
        return len(text)

    async def flush(self) -> None:
        """Do nothing: every write is passed on at once."""


def _lines_of(pipe: int) -> Iterator[str]:
    kept, skipping = bytearray(), False
    while piece := os.read(pipe, _PIECE):
        *ended, rest = piece.split(b"\n")
        for part in ended:
            kept += part
            long = skipping or len(kept) > LONGEST_MESSAGE
            if long or kept.strip():
                yield _REFUSED if long else kept.decode("utf-8", "replace")
            kept, skipping = bytearray(), False
        kept += rest
        if len(kept) > LONGEST_MESSAGE:
            kept, skipping = bytearray(), True
    if kept.strip() and not skipping:
        yield kept.decode("utf-8", "replace")
