"""The peers of peers.py: what is installed for each, and the ways in which each is started."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["PEERS", "Configuration", "Peer", "install", "resolved", "served"]

PROCESSOR = "vllm.model_executor.models.deepseek_ocr:NGramPerReqLogitsProcessor"
READY_SECONDS = 1200.0


@dataclass(frozen=True, slots=True)
class Configuration:
    """A way to start a peer."""

    name: str
    options: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    rule: bool = False  # whether requests carry the rule against repeats


@dataclass(frozen=True, slots=True)
class Peer:
    """An engine that others wrote, with the packages of its environment."""

    name: str
    packages: tuple[str, ...]
    command: tuple[str, ...]  # with {model} and {port}; its first word is in the environment
    configurations: tuple[Configuration, ...]
    note: str = ""


# Pages do not repeat, so caches of prefixes and pictures would only cost memory.
_LEAN = ("--no-enable-prefix-caching", "--mm-processor-cache-gb", "0")
_TUNED = (*_LEAN, "--renderer-num-workers", "12", "--max-num-seqs", "512")
_GRAPHS = ("--compilation-config", json.dumps({"cudagraph_mm_encoder": True}))
_OLD_RUNNER = {"VLLM_USE_V2_MODEL_RUNNER": "0"}  # the new one refuses the processor

PEERS = {
    "vllm": Peer(
        "vllm",
        ("vllm==0.33.0",),
        ("vllm", "serve", "{model}", "--host", "127.0.0.1", "--port", "{port}"),
        (
            Configuration("plain", _LEAN),
            Configuration("12 renderers", _TUNED),
            Configuration("12 renderers, encoder graphs", (*_TUNED, *_GRAPHS)),
            Configuration("plain", (*_LEAN, "--logits-processors", PROCESSOR), _OLD_RUNNER, rule=True),
            Configuration(
                "12 renderers", (*_TUNED, "--logits-processors", PROCESSOR), _OLD_RUNNER, rule=True
            ),
        ),
    ),
    "sglang": Peer(
        "sglang",
        ("sglang==0.5.23",),
        (
            "python", "-m", "sglang.launch_server", "--model-path", "{model}",
            "--trust-remote-code", "--host", "127.0.0.1", "--port", "{port}",
        ),
        (
            Configuration("plain", ("--disable-radix-cache",)),
            Configuration(
                "512 requests", ("--disable-radix-cache", "--max-running-requests", "512")
            ),
        ),
        note="it takes the rule against repeats only as pickled code, which is not sent",
    ),
}  # fmt: skip


def _bin(folder: Path) -> Path:
    return folder / ("Scripts" if os.name == "nt" else "bin")


def commands(peer: Peer, folder: Path) -> list[list[str]]:
    """The commands that make a peer's environment."""
    if uv := shutil.which("uv"):
        python = str(_bin(folder) / "python")
        return [
            [uv, "venv", "--quiet", str(folder)],
            [uv, "pip", "install", "--quiet", "--python", python, *peer.packages],
        ]
    return [
        [sys.executable, "-m", "venv", str(folder)],
        [str(_bin(folder) / "python"), "-m", "pip", "install", "-q", *peer.packages],
    ]


def install(peer: Peer, folder: Path) -> None:
    """Make the environment of a peer, unless it is there."""
    if (folder / "complete").exists():
        return
    for command in commands(peer, folder):
        print("$", " ".join(command), flush=True)
        subprocess.run(command, check=True)
    (folder / "complete").touch()


def resolved(peer: Peer) -> dict[str, str]:
    """The versions that an installation of a peer would get; nothing is installed."""
    command = [
        sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet",
        "--only-binary=:all:", "--report", "-", *peer.packages,
    ]  # fmt: skip
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    report = json.loads(done.stdout)
    return {each["metadata"]["name"]: each["metadata"]["version"] for each in report["install"]}


@contextmanager
def served(
    peer: Peer, configuration: Configuration, folder: Path, model: str, port: int, log: Path
) -> Iterator[tuple[str, float]]:
    """Start a peer's server; yields its URL and the seconds until it answered."""
    words = [word.format(model=model, port=port) for word in peer.command]
    command = [str(_bin(folder) / words[0]), *words[1:], *configuration.options]
    environment = {**os.environ, **configuration.environment}
    print("$", " ".join(f"{k}={v}" for k, v in configuration.environment.items()), *command)
    begin = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env=environment, start_new_session=True
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _await(url, process, log)
            yield url, time.perf_counter() - begin
        finally:
            # Its workers are in its session, and hold the card.
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            raise RuntimeError(f"the server ended with {process.returncode}; {log}:\n{tail}")
        try:
            with urllib.request.urlopen(f"{url}/v1/models", timeout=5) as reply:
                if reply.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise RuntimeError(f"the server did not answer within {READY_SECONDS:.0f} s; see {log}")
