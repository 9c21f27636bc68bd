"""A real llama.cpp server on loopback, in a process of its own that always ends.

It comes out of the wheel ``xllamacpp``, which holds llama.cpp's server for the CPU. Run as a
program, this file is that process: it reads its settings from its first argument, says its
address in one line, and ends when its standard input does, so also when its parent is killed.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

__all__ = ["FIRST_BUILD", "LlamaServer", "llama_build"]

FIRST_BUILD = 9587
"""The first llama.cpp that reads deepseek-ocr rightly."""

START_SECONDS = 120.0
"""A checkpoint of ours is loaded in one; a busy machine may take its time."""

END_SECONDS = 10.0


def llama_build() -> int:
    """The build of llama.cpp in ``xllamacpp``; 0 where it is not installed or does not say."""
    if find_spec("xllamacpp") is None:
        return 0
    try:
        # "2026.10.11549"; the versions before had no build at their end.
        return int(version("xllamacpp").rpartition(".")[2])
    except (PackageNotFoundError, ValueError):
        return 0


@dataclass
class LlamaServer:
    """The server; a context.

    Attributes:
        model: GGUF of the language model.
        projector: GGUF of the picture encoder; None starts a server without vision.
        special: As ``--special``: whether special tokens are written out.
        slots: As ``--parallel``: how many requests are answered at once.
        context: Tokens of each slot. (llama.cpp's ``--ctx-size`` is that of all together.)
        alias: What the model is called; None leaves it to the server.
        embedding: Whether the server answers embeddings instead.
        port: Where it listens; 0 chooses one, which it then keeps when it is started again.
    """

    model: Path
    projector: Path | None = None
    special: bool = False
    slots: int = 1
    context: int = 4096
    alias: str | None = None
    embedding: bool = False
    port: int = 0
    url: str = field(default="", init=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _log: IO[bytes] | None = field(default=None, init=False)

    def __enter__(self) -> LlamaServer:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until the model is loaded.

        Raises:
            RuntimeError: If it is not there in time; the message ends with its last words.
        """
        if self._process is not None:
            raise RuntimeError("the server runs already")
        self.port = self.port or _free_port()
        settings = {
            "model": str(self.model),
            "projector": str(self.projector or ""),
            "special": self.special,
            "slots": self.slots,
            "context": self.context,
            "alias": self.alias,
            "embedding": self.embedding,
            "port": self.port,
        }
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in stop
        self._process = subprocess.Popen(
            [sys.executable, __file__, json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        try:
            self.url = self._address()
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """End it, by force if need be. Stopping twice does nothing."""
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.close()
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()
        if self._log is not None:
            self._log.close()
            self._log = None

    def kill(self) -> None:
        """End it as a power failure would; :meth:`start` brings it back at the same address."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
        self.stop()

    def _address(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        ends = time.monotonic() + START_SECONDS
        line = b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self._process.stdout], [], [], 0.2)
            piece = os.read(self._process.stdout.fileno(), 4096) if ready else None
            line += piece or b""
            if piece == b"" or time.monotonic() > ends:
                raise RuntimeError(f"llama.cpp's server did not start:\n{self._last_words()}")
        return line.decode().strip()

    def _last_words(self) -> str:
        assert self._log is not None
        self._log.seek(0)
        return self._log.read().decode("utf-8", "replace")[-4000:]


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _serve(settings: dict[str, Any]) -> None:
    """What the process does."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = settings["model"]
    parameters.mmproj.path = settings["projector"]
    parameters.special = settings["special"]
    parameters.n_parallel = settings["slots"]
    parameters.n_ctx = settings["slots"] * settings["context"]
    parameters.embedding = settings["embedding"]
    parameters.port = settings["port"]
    if settings["alias"]:
        parameters.model_alias = {settings["alias"]}
    parameters.n_gpu_layers = 0
    parameters.mmproj_use_gpu = False
    parameters.warmup = False
    parameters.fit_params = False
    parameters.verbosity = 1
    # llama.cpp's threads wait for each other: with other work on the same cores, two are many
    # times slower than one.
    for cpu in (parameters.cpuparams, parameters.cpuparams_batch):
        cpu.n_threads = 1
        cpu.poll = 0
    server = xllamacpp.Server(parameters)
    # llama.cpp writes to standard output too.
    sys.stdout.flush()
    os.write(1, f"{server.listening_address}\n".encode())
    while sys.stdin.buffer.read(1):
        pass
    # Its own end waits for requests that are under way.
    os._exit(0)


if __name__ == "__main__":
    _serve(json.loads(sys.argv[1]))
