"""The real ``dsocr serve`` as a process, on a free port."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from docs_pages import ROOT
from running_service import recording


class Server:
    """A running ``dsocr serve`` on a free port."""

    def __init__(self, folder: Path, *options: str, backend: str | None = None) -> None:
        self.log = folder / "serve.log"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DSOCR_")}
        backend = backend or recording(folder / "recording.jsonl")
        command = [sys.executable, "-m", "deepseek_ocr_rag", "serve", "--port", "0"]
        command += ["--data", str(folder / "data"), "--backend", backend, "--llm", "none"]
        with self.log.open("ab") as log:
            start = log.tell()
            self.process = subprocess.Popen(
                [*command, *options],
                stdout=subprocess.DEVNULL,
                stderr=log,
                env={**kept, "PYTHONPATH": str(ROOT / "src"), "OLLAMA_HOST": "127.0.0.1:9"},
            )
        self.url = f"http://127.0.0.1:{self._port(start)}"
        self.http = httpx.Client(base_url=self.url, timeout=60, trust_env=False)
        self._wait_until_ready()

    def _port(self, start: int) -> str:
        for _ in range(600):
            told = self.log.read_bytes()[start:].decode()
            if found := re.search(r"serving on http://[^ ]+:(\d+)", told):
                return found[1]
            assert self.process.poll() is None, told
            time.sleep(0.1)
        raise AssertionError(told)

    def _wait_until_ready(self) -> None:
        for _ in range(600):
            try:
                if self.http.get("/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            assert self.process.poll() is None, self.log.read_text("utf-8")
            time.sleep(0.1)
        raise AssertionError(self.log.read_text("utf-8"))

    def end(self, number: int) -> int:
        self.http.close()
        self.process.send_signal(number)
        return self.process.wait(60)


@contextmanager
def served(folder: Path, *options: str, backend: str | None = None) -> Iterator[Server]:
    """A server that is ready; without a backend it replays the sample's pages."""
    server = Server(folder, *options, backend=backend)
    try:
        yield server
    finally:
        server.http.close()
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait(60)
