"""The server over streamable HTTP, as the service mounts it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from mcp import Client
from mcp_documents import LINES, GatedBackend, server_over, write_pdf
from mcp_over_http import over_http
from waiting import LONG, until_async

from deepseek_ocr_rag.mcp.http_endpoint import LARGEST_REQUEST
from deepseek_ocr_rag.mcp.protocol_server import Caller, document_server

ASK = {"id": "lamps.pdf", "question": "Who is the keeper of the tower?"}
HEADERS = {"accept": "application/json, text/event-stream", "content-type": "application/json"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_pdf(tmp_path / "lamps.pdf")
    return tmp_path


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_client_of_the_sdk_asks_and_is_shown_the_evidence(
    folder: Path, mode: str
) -> None:
    with over_http(lambda: server_over(folder)) as url:
        async with Client(url, mode=mode) as client:
            asked = await client.call_tool("ask_document", ASK)
            citation = asked.structured_content["citations"][0]["citation"]
            shown = await client.call_tool("show_evidence", {"citation": citation})
            page = await client.read_resource("dsocr://doc/lamps.pdf/page/2")
    assert [each.type for each in shown.content] == ["text", "image"]
    assert LINES[2] in getattr(page.contents[0], "text", "")


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_progress_comes_over_http_and_a_slow_call_goes_on(folder: Path, mode: str) -> None:
    backend, told = GatedBackend(), []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        told.append(done)

    backend.let(2)
    with over_http(lambda: server_over(folder, backend, patience=2.0)) as url:
        async with Client(url, mode=mode) as client:
            result = await client.call_tool("ask_document", ASK, progress_callback=progress)
            while result.structured_content["pages_done"] < 2:
                result = await client.call_tool("ask_document", ASK, progress_callback=progress)
            assert result.structured_content["status"] == "reading"
            backend.let(1)
            while result.structured_content["status"] == "reading":
                result = await client.call_tool("ask_document", ASK)
    assert 2 in told
    assert result.structured_content["found"] is True


async def test_a_client_that_vanishes_stops_the_reading(folder: Path) -> None:
    backend = GatedBackend()
    with over_http(lambda: server_over(folder, backend)) as url:
        async with Client(url) as client:
            calling = asyncio.create_task(client.call_tool("ask_document", ASK))
            await until_async(lambda: backend.begun == [1])
            calling.cancel()
            await until_async(backend.cancelled.is_set)


def post(url: str, content: bytes, **headers: str) -> httpx.Response:
    return httpx.post(url, content=content, headers={**HEADERS, **headers}, timeout=LONG)


LIST = b'{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}'


def test_another_host_is_refused(folder: Path) -> None:
    """As a page does whose name was made to point to this machine."""
    with over_http(lambda: server_over(folder)) as url:
        assert post(url, LIST).status_code == 200
        assert post(url, LIST, host="evil.example").status_code == 421
        assert post(url, LIST, origin="http://evil.example").status_code == 403


def test_a_request_that_is_too_large_is_refused(folder: Path) -> None:
    with over_http(lambda: server_over(folder)) as url:
        assert post(url, b"x" * (LARGEST_REQUEST + 1)).status_code == 413


async def test_each_caller_has_documents_of_their_own(tmp_path: Path) -> None:
    write_pdf(tmp_path / "ada" / "lamps.pdf")
    write_pdf(tmp_path / "leonie" / "tower.pdf", height=410)
    tools = {name: tools_over(tmp_path / name) for name in ("ada", "leonie")}

    def server() -> object:
        return document_server(
            lambda request: Caller(request.headers["x-key"], tools[request.headers["x-key"]])
        )

    body = (
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":'
        b'{"name":"read_document","arguments":{"id":"lamps.pdf"}}}'
    )
    with over_http(server) as url:  # type: ignore[arg-type]
        mine = post(url, body, **{"x-key": "ada"}).text
        other = post(url, body, **{"x-key": "leonie"}).text
    assert LINES[1] in mine
    assert LINES[1] not in other
    assert '"isError":true' in other


def tools_over(folder: Path) -> object:
    from mcp_documents import recorded

    from deepseek_ocr_rag import Reader
    from deepseek_ocr_rag.agents.libraries.folder_library import FolderLibrary
    from deepseek_ocr_rag.mcp.library_tools import LibraryTools

    return LibraryTools(FolderLibrary(Reader(recorded(), cache=False), folder))
