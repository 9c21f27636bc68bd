"""The real ``dsocr mcp`` process: what is on its pipes, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp_documents import LINES, recording_file, write_pdf

from deepseek_ocr_rag.mcp.stdio_transport import LONGEST_MESSAGE

SECONDS = 120.0
"""For the start of a process on a busy machine."""

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(os.name == "nt", reason="the signals are those of POSIX"),
]


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    root = tmp_path / "documents"
    write_pdf(root / "lamps.pdf")
    backend = recording_file(tmp_path / "replies.jsonl")
    return ["mcp", "--root", str(root), "--backend", backend, "--llm", "none", "--no-cache"]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **more}


async def test_the_client_of_the_sdk_reads_a_document_over_pipes(arguments: list[str]) -> None:
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "deepseek_ocr_rag", *arguments], env=environment()
    )
    async with Client(server) as client:
        listed = await client.call_tool("list_documents", {})
        read = await client.call_tool("read_document", {"id": "lamps.pdf", "pages": "2"})
        asked = await client.call_tool(
            "ask_document", {"id": "lamps.pdf", "question": "Who is the keeper of the tower?"}
        )
        shown = await client.call_tool(
            "show_evidence", {"citation": asked.structured_content["citations"][0]["citation"]}
        )
    assert listed.structured_content["documents"][0]["id"] == "lamps.pdf"
    assert LINES[2] in read.content[0].text
    assert asked.structured_content["found"] is True
    assert [each.type for each in shown.content] == ["text", "image"]


class Talk:
    """A client that writes and reads lines itself."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._number = 0

    def send(self, method: str, params: dict[str, Any], *, notification: bool = False) -> int:
        self._number += 1
        message: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params}
        if not notification:
            message["id"] = self._number
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()
        return self._number

    def answer(self, number: int) -> dict[str, Any]:
        assert self.process.stdout is not None
        while True:
            line = self.process.stdout.readline().decode()
            assert line, "the server has ended"
            self.lines.append(line)
            message: dict[str, Any] = json.loads(line)
            if message.get("id") == number:
                return message

    def initialize(self) -> dict[str, Any]:
        client = {"name": "test", "version": "1"}
        version = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client}
        answer = self.answer(self.send("initialize", version))
        self.send("notifications/initialized", {}, notification=True)
        return answer

    def call(self, tool: str, **arguments: object) -> dict[str, Any]:
        return self.answer(self.send("tools/call", {"name": tool, "arguments": arguments}))


@contextmanager
def talk(arguments: Sequence[str], **more: str) -> Iterator[Talk]:
    with subprocess.Popen(
        [sys.executable, "-m", "deepseek_ocr_rag", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(**more),
    ) as process:
        try:
            yield Talk(process)
        finally:
            process.kill()


def ended(process: subprocess.Popen[bytes], seconds: float = SECONDS) -> int:
    return process.wait(seconds)


NOISE = """
    import os, sys, threading, time

    def shout():
        while True:
            print("a library greets")
            sys.stdout.flush()
            os.write(1, b"so does one in C\\n")
            time.sleep(0.01)

    class Hook:
        def find_spec(self, name, path=None, target=None):
            if name == "deepseek_ocr_rag.mcp.protocol_server":
                sys.meta_path.remove(self)
                os.system("echo and a child")
                threading.Thread(target=shout, daemon=True).start()

    sys.meta_path.insert(0, Hook())
"""
"""Libraries that print: from Python, past it, and in a child, as soon as the server is loaded."""


def test_nothing_but_the_protocol_is_on_standard_output(
    arguments: list[str], tmp_path: Path
) -> None:
    (tmp_path / "noise").mkdir()
    (tmp_path / "noise" / "sitecustomize.py").write_text(textwrap.dedent(NOISE), "utf-8")
    path = os.pathsep.join([str(tmp_path / "noise"), *sys.path])
    with talk(arguments, PYTHONPATH=path) as client:
        client.initialize()
        answer = client.call("read_document", id="lamps.pdf")
        assert LINES[1] in answer["result"]["content"][0]["text"]
        time.sleep(0.3)
        client.call("list_documents")
        assert client.process.stdin is not None
        client.process.stdin.close()
        assert client.process.stdout is not None
        client.lines += client.process.stdout.read().decode().splitlines()
        assert client.process.stderr is not None
        noise = client.process.stderr.read().decode()
        assert ended(client.process) == 0
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in client.lines)
    for words in ("a library greets", "so does one in C", "and a child"):
        assert words in noise


def test_a_client_that_closes_its_end_ends_the_process(arguments: list[str]) -> None:
    with talk(arguments) as client:
        client.initialize()
        assert client.process.stdin is not None
        client.process.stdin.close()
        assert ended(client.process) == 0


def test_a_client_that_vanishes_ends_the_process_in_the_middle_of_a_call(
    arguments: list[str],
) -> None:
    with talk(arguments) as client:
        client.initialize()
        client.send("tools/call", {"name": "read_document", "arguments": {"id": "lamps.pdf"}})
        assert client.process.stdin is not None
        assert client.process.stdout is not None
        client.process.stdout.close()
        client.process.stdin.close()
        assert ended(client.process) in (0, 1)


def test_a_signal_ends_the_process_while_it_waits_for_its_client(arguments: list[str]) -> None:
    with talk(arguments) as client:
        client.initialize()
        client.process.send_signal(signal.SIGTERM)
        start = time.monotonic()
        assert ended(client.process) == 143
        assert time.monotonic() - start < 30


def test_a_message_that_is_too_long_is_skipped_and_the_next_one_answered(
    arguments: list[str],
) -> None:
    with talk(arguments) as client:
        client.initialize()
        client.send("tools/call", {"name": "read_document", "x": "y" * (LONGEST_MESSAGE + 1)})
        assert client.process.stdin is not None
        client.process.stdin.write(b"not JSON at all \xff\xfe\n\n")
        answer = client.call("list_documents")
        assert answer["result"]["structuredContent"]["total"] == 1


def test_what_is_wrong_is_told_before_a_client_is_served(
    arguments: list[str], tmp_path: Path
) -> None:
    wrong = [str(tmp_path / "none") if each == arguments[2] else each for each in arguments]
    done = subprocess.run(
        [sys.executable, "-m", "deepseek_ocr_rag", *wrong],
        input=b"",
        capture_output=True,
        env=environment(),
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == b""
    assert b"is not a folder" in done.stderr


def test_without_the_sdk_the_pip_command_is_told(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "broken" / "mcp").mkdir(parents=True)
    (tmp_path / "broken" / "mcp" / "__init__.py").write_text("raise ImportError('no')\n", "utf-8")
    path = os.pathsep.join([str(tmp_path / "broken"), *sys.path])
    done = subprocess.run(
        [sys.executable, "-m", "deepseek_ocr_rag", *arguments],
        input=b"",
        capture_output=True,
        env=environment(PYTHONPATH=path),
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 7
    assert b"[mcp]" in done.stderr
    assert b"Traceback" not in done.stderr


async def test_a_call_is_cancelled_by_its_notification(arguments: list[str]) -> None:
    """The process still answers after it."""
    with talk(arguments) as client:
        client.initialize()
        number = client.send(
            "tools/call", {"name": "read_document", "arguments": {"id": "lamps.pdf"}}
        )
        client.send("notifications/cancelled", {"requestId": number}, notification=True)
        answer = await asyncio.to_thread(client.call, "list_documents")
    assert answer["result"]["structuredContent"]["total"] == 1
