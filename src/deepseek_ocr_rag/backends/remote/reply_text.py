"""Decodes a streamed reply: limited in size, strict UTF-8, split into lines.

A server is not trusted to end its replies, to write valid UTF-8 or to keep its lines short. Text is
decoded strictly because a replacement character would be a silent gap in the user's document.
"""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from typing import Final

import httpx

from ...errors import BackendReplyError
from ...http_replies import AsyncPlainTransport

__all__ = ["GuardedTransport", "split_lines", "strict_text", "unhurried"]

MAX_REPLY_BYTES: Final = 64 * 2**20
"""8192 tokens, each in a JSON envelope, take about 2.5 MB."""

MAX_LINE_CHARACTERS: Final = 8 * 2**20
"""A server that ignores ``stream`` sends its whole reply as one line."""

PAUSE_SECONDS: Final = 0.05
"""How long to wait for more chunks after one that was not there yet."""

WAITED_SECONDS: Final = 0.002
"""A chunk that comes sooner was there already."""

_LINE_LIKE: Final = str.maketrans({"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"})


async def unhurried(chunks: AsyncIterable[bytes]) -> AsyncGenerator[bytes]:
    """Yield the chunks of a streamed reply, fetched several at a time.

    A server sends one chunk for each token. Waking up for each of them takes a fifth of this
    process's time (``benchmarks/engine/client_cost.py``), and a page is used only once it is
    complete.
    """
    clock = asyncio.get_running_loop().time
    asked = clock()
    async for chunk in chunks:
        waited = clock() - asked > WAITED_SECONDS
        yield chunk
        if waited:
            await asyncio.sleep(PAUSE_SECONDS)
        asked = clock()


async def strict_text(
    chunks: AsyncIterable[bytes], *, longest: int = MAX_REPLY_BYTES
) -> AsyncGenerator[str]:
    """Decode a reply as it arrives.

    Raises:
        BackendReplyError: If it has more than ``longest`` bytes, or is not valid UTF-8.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    size = 0
    try:
        async for chunk in chunks:
            size += len(chunk)
            if size > longest:
                raise BackendReplyError(
                    f"the reply is longer than {longest // 2**20} MiB",
                    remedy="Check that this is the right server.",
                )
            yield decoder.decode(chunk)
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise BackendReplyError(
            "the reply is not valid UTF-8", remedy="Check that this is the right server."
        ) from error


async def split_lines(texts: AsyncIterable[str]) -> AsyncGenerator[str]:
    """Split at line feeds only: JSON strings may contain other line separators."""
    parts: list[str] = []
    length = 0
    async for text in texts:
        *whole, rest = text.split("\n")
        for line in whole:
            yield "".join([*parts, line]).removesuffix("\r")
            parts, length = [], 0
        parts.append(rest)
        length += len(rest)
        if length > MAX_LINE_CHARACTERS:
            raise BackendReplyError("the reply contains a line that is too long")
    if length:
        yield "".join(parts)


class GuardedTransport(httpx.AsyncBaseTransport):
    """A transport for client libraries that read replies themselves: strict and limited in size.

    It refuses compressed replies. It escapes the three characters that JSON allows inside a string,
    but that Python's ``splitlines``, which httpx uses, takes for line ends.
    """

    def __init__(self) -> None:
        self._inner = AsyncPlainTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request; see :class:`httpx.AsyncBaseTransport`."""
        response = await self._inner.handle_async_request(request)
        stream = response.stream
        if isinstance(stream, httpx.AsyncByteStream):
            response.stream = _GuardedStream(stream)
        return response

    async def aclose(self) -> None:
        """Close all connections."""
        await self._inner.aclose()


class _GuardedStream(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        open_line = 0
        async for text in strict_text(self._inner):
            feed = text.rfind("\n")
            open_line = len(text) - feed - 1 if feed >= 0 else open_line + len(text)
            if open_line > MAX_LINE_CHARACTERS:
                raise BackendReplyError("the reply contains a line that is too long")
            yield text.translate(_LINE_LIKE).encode()

    async def aclose(self) -> None:
        await self._inner.aclose()
