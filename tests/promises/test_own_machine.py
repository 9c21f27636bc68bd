"""Tests see no server of the machine that they run on, and kernels run there without a GPU."""

from __future__ import annotations

import os
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from deepseek_ocr_rag.answering.models.ollama_model import OllamaModel
from deepseek_ocr_rag.backends import OllamaBackend

ROOT = Path(__file__).resolve().parents[2]


class Visitors(socketserver.ThreadingTCPServer):
    """Counts who comes, and answers nothing."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), socketserver.BaseRequestHandler)
        self.count = 0

    def verify_request(self, *_: object) -> bool:
        self.count += 1
        return False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def server() -> Iterator[Visitors]:
    """Somebody's own server, which has nothing to do with the tests."""
    with Visitors() as visitors:
        thread = threading.Thread(target=visitors.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield visitors
        visitors.shutdown()
        thread.join()


def test_ollama_is_nowhere_unless_a_test_starts_one() -> None:
    assert ":9" in repr(OllamaBackend()) + str(OllamaBackend().__dict__)
    assert ":9" in str(OllamaModel("m").__dict__)


LOOK_FOR_SERVERS = """
from deepseek_ocr_rag.backends import probe_backends
print(*probe_backends(), sep="\\n")
"""


@pytest.mark.parametrize("tested", [False, True], ids=["outside of tests", "in tests"])
def test_the_servers_of_the_machine_are_asked_nothing(server: Visitors, tested: bool) -> None:
    """Outside of tests they are, or this would show nothing."""
    machine = {"OLLAMA_HOST": server.url, "DSOCR_SERVER_URL": f"{server.url}/v1"}
    code = ("import conftest\n" if tested else "") + LOOK_FOR_SERVERS
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **machine},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert ran.returncode == 0, ran.stderr
    assert (server.count == 0) == tested


def test_kernels_run_in_the_interpreter_whoever_imports_triton_first() -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("a GPU runs them")
    assert os.environ["TRITON_INTERPRET"] == "1"
    triton = pytest.importorskip("triton")
    assert triton.knobs.runtime.interpret
