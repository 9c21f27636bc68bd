"""Clients that others wrote: LlamaIndex's, and LangChain's in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from mcp_documents import LINES, recording_file, server_over, write_pdf
from mcp_over_http import over_http

PYTHON_WITH_LANGCHAIN = os.environ.get("LANGCHAIN_MCP_PYTHON", "")
"""A Python with ``langchain-mcp-adapters``, whose 0.3 wants mcp<2::

    python -m venv adapters && adapters/bin/pip install "langchain-mcp-adapters>=0.3"
    LANGCHAIN_MCP_PYTHON=adapters/bin/python pytest tests/mcp/test_other_clients.py
"""

ASK = {"id": "lamps.pdf", "question": "Who is the keeper of the tower?"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "documents"
    write_pdf(root / "lamps.pdf")
    return root


async def test_llama_index_calls_the_tools_over_http(folder: Path) -> None:
    tools_mcp = pytest.importorskip("llama_index.tools.mcp")
    with over_http(lambda: server_over(folder)) as url:
        client = tools_mcp.BasicMCPClient(url)
        tools = await tools_mcp.McpToolSpec(client=client).to_tool_list_async()
        by_name = {tool.metadata.name: tool for tool in tools}
        assert len(by_name) == 5
        read = await by_name["read_document"].acall(id="lamps.pdf", pages="1")
        asked = await by_name["ask_document"].acall(**ASK)
    assert LINES[1] in str(read.raw_output)
    assert "Leonie Hartog" in str(asked.raw_output)


async def test_llama_index_calls_the_tools_of_the_command(folder: Path, tmp_path: Path) -> None:
    tools_mcp = pytest.importorskip("llama_index.tools.mcp")
    backend = recording_file(tmp_path / "replies.jsonl")
    client = tools_mcp.BasicMCPClient(
        sys.executable,
        args=[
            *("-m", "deepseek_ocr_rag", "mcp", "--root", str(folder)),
            *("--backend", backend, "--llm", "none", "--no-cache"),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=120,
    )
    result = await client.call_tool("search_document", {"query": "Ada Holm", "id": "lamps.pdf"})
    assert LINES[1] in result.content[0].text


LANGCHAIN = """
    import asyncio, json, sys
    from langchain_mcp_adapters.client import MultiServerMCPClient

    async def main(url):
        client = MultiServerMCPClient({"dsocr": {"transport": "streamable_http", "url": url}})
        tools = {tool.name: tool for tool in await client.get_tools()}
        call = {"name": "ask_document", "id": "1", "type": "tool_call", "args": %(ask)r}
        asked = await tools["ask_document"].ainvoke(call)
        citation = asked.artifact["structured_content"]["citations"][0]["citation"]
        call = {"name": "show_evidence", "id": "2", "type": "tool_call", "args": {"citation": citation}}
        shown = await tools["show_evidence"].ainvoke(call)
        blobs = await client.get_resources("dsocr", uris=["dsocr://doc/lamps.pdf/page/2"])
        print(json.dumps({
            "tools": sorted(tools),
            "asked": str(asked.content),
            "shown": [part["type"] for part in shown.content],
            "page": blobs[0].as_string(),
        }))

    asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.skipif(
    not PYTHON_WITH_LANGCHAIN,
    reason="langchain-mcp-adapters wants mcp<2, so it needs an environment of its own: "
    "LANGCHAIN_MCP_PYTHON names its Python (see docs/guides/mcp.md)",
)
def test_langchain_calls_the_tools_over_http(folder: Path) -> None:
    program = textwrap.dedent(LANGCHAIN) % {"ask": ASK}
    with over_http(lambda: server_over(folder)) as url:
        done = subprocess.run(
            [PYTHON_WITH_LANGCHAIN, "-c", program, url],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found["tools"]) == 5
    assert "Leonie Hartog" in found["asked"]
    assert found["shown"] == ["text", "image"]
    assert LINES[2] in found["page"]
