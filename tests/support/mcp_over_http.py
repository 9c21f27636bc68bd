"""A document server over HTTP on a free port of this machine, in a thread."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.applications import Starlette
from waiting import LONG

from deepseek_ocr_rag.mcp.http_endpoint import HttpEndpoint
from deepseek_ocr_rag.mcp.protocol_server import DocumentServer


@contextmanager
def over_http(make: Callable[[], DocumentServer], *, check_host: bool = True) -> Iterator[str]:
    """The address of a server while the context lasts."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        host = f"127.0.0.1:{listening.getsockname()[1]}"
        endpoint = HttpEndpoint(make(), hosts=[host] if check_host else None)

        @asynccontextmanager
        async def lifespan(_: Starlette):
            async with endpoint.running():
                yield

        app = Starlette(routes=[endpoint.route("/mcp")], lifespan=lifespan)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none"))
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        end = time.monotonic() + LONG
        while not server.started:
            assert time.monotonic() < end, "the server did not start"
            time.sleep(0.01)
        try:
            yield f"http://{host}/mcp"
        finally:
            server.should_exit = True
            thread.join(LONG)
