"""The MCP server at /mcp of the service: finished jobs, of the caller's key only."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from running_service import finished, recording, send, serving

from deepseek_ocr_rag import sample_path
from deepseek_ocr_rag.mcp.service_mount import add_mcp
from deepseek_ocr_rag.service.api.access.api_keys import ApiKeys
from deepseek_ocr_rag.service.api.api_settings import ApiSettings
from deepseek_ocr_rag.service.queue import JobQueue
from deepseek_ocr_rag.service.service_limits import ReaderSettings, ServiceLimits

KEYS = {"ada": "the-key-of-ada-0123", "leonie": "the-key-of-leonie-45"}


def with_key(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {KEYS[name]}"}


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("service")
    reader = ReaderSettings(backend=recording(folder / "recording.jsonl"))
    keys = ApiKeys.parse([f"{name}:{key}" for name, key in KEYS.items()], source="the test")
    with (
        JobQueue(folder / "data", reader, ServiceLimits()) as queue,
        serving(queue, ApiSettings(keys=keys), partial(add_mcp, queue=queue)) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def job(http: httpx.Client) -> str:
    """The id of a job of Ada's that has ended well."""
    http.headers.update(with_key("ada"))
    job = finished(http, send(http, Path(sample_path()))["id"])
    assert job["status"] == "succeeded"
    return str(job["id"])


@asynccontextmanager
async def client_of(http: httpx.Client, name: str, mode: str = "auto") -> AsyncIterator[Client]:
    async with httpx2.AsyncClient(headers=with_key(name), timeout=60, trust_env=False) as sender:
        transport = streamable_http_client(f"{http.base_url}/mcp", http_client=sender)
        async with Client(transport, mode=mode) as client:
            yield client


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_finished_jobs_are_documents(http: httpx.Client, job: str, mode: str) -> None:
    async with client_of(http, "ada", mode) as client:
        listed = await client.call_tool("list_documents", {})
        id = listed.structured_content["documents"][0]["id"]
        read = await client.call_tool("read_document", {"id": id, "pages": "2"})
        found = await client.call_tool("search_document", {"query": "Who keeps the lamp?"})
        asked = await client.call_tool(
            "ask_document", {"id": job, "question": "When was the lighthouse built?"}
        )
        citation = asked.structured_content["citations"][0]["citation"]
        shown = await client.call_tool("show_evidence", {"citation": citation})
        resources = (await client.list_resources()).resources
        page = await client.read_resource(f"{resources[0].uri}/page/3")
    assert id == f"{job}/sample.pdf"
    assert read.structured_content["pages"] == [2]
    assert "Anna Berg keeps the lamp." in read.content[0].text
    assert found.structured_content["passages"][0]["page"] == 2
    assert asked.structured_content["found"] is True
    assert "1871" in asked.content[0].text
    assert [each.type for each in shown.content] == ["text", "image"]
    assert "40 litres" in getattr(page.contents[0], "text", "")


async def test_another_keys_jobs_do_not_exist(http: httpx.Client, job: str) -> None:
    async with client_of(http, "leonie") as client:
        listed = await client.call_tool("list_documents", {})
        read = await client.call_tool("read_document", {"id": f"{job}/sample.pdf"})
        shown = await client.call_tool(
            "show_evidence", {"citation": f"dsocr://doc/{job}/sample.pdf/page/1"}
        )
        found = await client.call_tool("search_document", {"query": "lighthouse"})
    assert listed.structured_content["documents"] == []
    assert read.is_error
    assert shown.is_error
    assert found.structured_content["passages"] == []
    for result in (read, shown, found):
        assert "1871" not in str(result)


LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
ACCEPT = {"accept": "application/json, text/event-stream"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Authorization": "Bearer a-wrong-key-0123456"}, 401),
        ({"Authorization": ""}, 401),
        ({"Host": "evil.example"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_hosts_and_keys_are_checked_as_everywhere(
    http: httpx.Client, job: str, headers: dict[str, str], status: int
) -> None:
    sent: dict[str, Any] = {**with_key("ada"), **ACCEPT, **headers}
    assert http.post("/mcp", json=LIST, headers=sent).status_code == status


def test_a_body_that_is_too_large_is_refused(http: httpx.Client, job: str) -> None:
    body = b" " * (3 * 1024 * 1024)
    headers = {**with_key("ada"), **ACCEPT, "content-type": "application/json"}
    assert http.post("/mcp", content=body, headers=headers).status_code == 413


async def test_pages_that_were_not_read_are_told(http: httpx.Client, job: str) -> None:
    async with client_of(http, "ada") as client:
        result = await client.call_tool("read_document", {"id": job, "pages": "9"})
        folder = await client.call_tool("list_documents", {"folder": "reports"})
    assert result.is_error
    assert folder.is_error
    assert "no folders" in folder.content[0].text


def test_the_rest_of_the_service_answers_beside_it(http: httpx.Client, job: str) -> None:
    assert http.get(f"/v1/jobs/{job}", headers=with_key("ada")).status_code == 200
    assert http.get("/livez").status_code == 200


async def test_many_callers_at_once_get_their_own(http: httpx.Client, job: str) -> None:
    async def count(name: str) -> int:
        async with client_of(http, name) as client:
            listed = await client.call_tool("list_documents", {})
            return len(listed.structured_content["documents"])

    counts = await asyncio.gather(*(count(name) for name in ["ada", "leonie"] * 5))
    assert counts == [1, 0] * 5


def test_the_command_serves_it(tmp_path: Path) -> None:
    arguments = ["serve", "--port", "0", "--data", str(tmp_path / "data"), "--llm", "none"]
    arguments += ["--backend", recording(tmp_path / "recording.jsonl")]
    with subprocess.Popen(
        [sys.executable, "-m", "deepseek_ocr_rag", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        try:
            assert process.stderr is not None
            told = ""
            while "the MCP server is at /mcp" not in told:
                line = process.stderr.readline()
                assert line, told
                told += line
            url = re.findall(r"http://127.0.0.1:[0-9]+", told)[0]
            reply = until_answered(f"{url}/mcp")
        finally:
            process.terminate()
            process.communicate(timeout=60)
    assert reply.status_code == 200
    assert "show_evidence" in reply.text


def until_answered(url: str) -> httpx.Response:
    end = time.monotonic() + 60
    while True:
        try:
            return httpx.post(url, json=LIST, headers=ACCEPT, trust_env=False, timeout=30)
        except httpx.ConnectError:
            assert time.monotonic() < end
            time.sleep(0.1)
