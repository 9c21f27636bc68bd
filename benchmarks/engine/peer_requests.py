"""Asks a server for forced texts, for peers.py."""

from __future__ import annotations

import argparse
import asyncio
import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from PIL import Image

from deepseek_ocr_rag.backends.attempts import AttemptSettings
from deepseek_ocr_rag.backends.base import PageRequest
from deepseek_ocr_rag.backends.page_images import png_base64
from deepseek_ocr_rag.backends.remote.request_body import NO_REPEAT, RequestBody, request_body
from deepseek_ocr_rag.model.prompts import mode_named, task_named

__all__ = ["AT_ONCE", "Bodies", "Served", "sizes"]

AT_ONCE = (8, 32)


def sizes(pages: int) -> list[int]:
    """How many pages are asked for at once, one measurement after the other."""
    return [*(count for count in AT_ONCE if count < pages), pages]


class Bodies:
    """Bodies of requests. Each picture is encoded once for all servers, each body for all
    configurations of one."""

    def __init__(self, images: Sequence[Image.Image], options: argparse.Namespace) -> None:
        self._options = options
        self._first = images[0]
        with ThreadPoolExecutor() as threads:
            self._pictures = list(threads.map(png_base64, map(self._page, images)))
        self._made: dict[tuple[str, bool], tuple[bytes, list[bytes]]] = {}

    def of(self, model: str, rule: bool) -> tuple[bytes, list[bytes]]:
        """The first page as a stream, and all pages whole."""
        if (model, rule) not in self._made:
            stream, whole = (self._fields(model, rule, stream=stream) for stream in (True, False))
            self._made[model, rule] = (
                RequestBody(stream, self._pictures[0]).encoded(),
                [
                    RequestBody(whole, picture).encoded(["stream_options"])
                    for picture in self._pictures
                ],
            )
        return self._made[model, rule]

    def _page(self, image: Image.Image) -> PageRequest:
        task, mode = task_named("document"), mode_named(self._options.mode)
        return PageRequest(0, 1, "", "", image, text_layer=None, task=task, resolution=mode)

    def _fields(self, model: str, rule: bool, *, stream: bool) -> dict[str, Any]:
        page = self._page(self._first)
        settings = AttemptSettings(page.task, page.resolution, NO_REPEAT if rule else None)
        fields = request_body(model, page, settings).fields
        # An end that is ignored need not be forbidden, which would cost vLLM a processor.
        return fields | {"max_tokens": self._options.tokens, "ignore_eos": True, "stream": stream}


class Served:
    """A server that is asked for forced texts.

    A page alone comes as a stream, which tells when its first token came. Many pages at once
    come whole, because a stream costs a server an event for each token.
    """

    def __init__(self, url: str, bodies: Bodies, tokens: int) -> None:
        self._url = url
        self._bodies = bodies
        self._tokens = tokens

    def measure(self, rule: bool) -> tuple[float, float, tuple[float, ...]]:
        """Ask for a page alone, then for many at once.

        Returns:
            Milliseconds to the first token, tokens a second behind it, pages a second of each
            number of :func:`sizes`.

        Raises:
            RuntimeError: If the server refuses, or writes another number of tokens.
        """
        reply = httpx.get(f"{self._url}/v1/models", trust_env=False)
        return asyncio.run(self._measure(*self._bodies.of(reply.json()["data"][0]["id"], rule)))

    async def _measure(
        self, stream: bytes, whole: Sequence[bytes]
    ) -> tuple[float, float, tuple[float, ...]]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(timeout=3600, trust_env=False, limits=limits) as client:

            async def at_once(count: int) -> float:
                begin = time.perf_counter()
                await asyncio.gather(*(self._ask(client, body) for body in whole[:count]))
                return count / (time.perf_counter() - begin)

            # The first time, kernels for such sizes may be compiled.
            await self._ask(client, stream)
            await at_once(AT_ONCE[0])
            first, took = await self._ask(client, stream)
            rates = [await at_once(count) for count in sizes(len(whole))]
        return first * 1e3, (self._tokens - 1) / (took - first), tuple(rates)

    async def _ask(self, client: httpx.AsyncClient, body: bytes) -> tuple[float, float]:
        """Returns the seconds to the first token and to the end."""
        begin, first, tail = time.perf_counter(), 0.0, b""
        async with client.stream(
            "POST",
            f"{self._url}/v1/chat/completions",
            content=body,
            headers={"content-type": "application/json"},
        ) as reply:
            if reply.status_code != 200:
                raise RuntimeError(f"{reply.status_code}: {(await reply.aread())[:300]!r}")
            async for piece in reply.aiter_raw():
                # The first event may only name the role.
                if not first and b'"content":"' in piece.replace(b'": "', b'":"').replace(
                    b'"content":""', b""
                ):
                    first = time.perf_counter() - begin
                tail = (tail + piece)[-4096:]
        took = time.perf_counter() - begin
        counts = re.findall(rb'"completion_tokens": ?(\d+)', tail)
        written = int(counts[-1]) if counts else 0
        if written != self._tokens:
            raise RuntimeError(f"{written} tokens came, not {self._tokens}")
        return first or took, took
