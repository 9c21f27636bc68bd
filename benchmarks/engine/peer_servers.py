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
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

__all__ = [
    "PEERS",
    "Configuration",
    "Peer",
    "commands",
    "expert_tables",
    "install",
    "resolved",
    "served",
    "versions",
]

PROCESSOR = "vllm.model_executor.models.deepseek_ocr:NGramPerReqLogitsProcessor"
READY_SECONDS = 1200.0
SHAPE = "E=64,N=896,device_name="
HOPPER = ("NVIDIA_H20", "NVIDIA_H200", "NVIDIA_H100_80GB_HBM3", "NVIDIA_GH200_480GB")
TABLES = "{tables}"
"""In a configuration's environment: the folder of :func:`expert_tables`."""


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
_LEAN = ("--no-enable-prefix-caching", "--mm-processor-cache-gb", "0", "--max-num-seqs", "512")
_GRAPHS = ("--compilation-config", json.dumps({"cudagraph_mm_encoder": True}))
_ONE = (*_LEAN, "--renderer-num-workers", "12")
_FOUR = (*_LEAN, "--renderer-num-workers", "4", "--api-server-count", "4")
_RULE = ("--logits-processors", PROCESSOR)
_TABLES = {"VLLM_TUNED_CONFIG_FOLDER": TABLES}
_OLD_RUNNER = {"VLLM_USE_V2_MODEL_RUNNER": "0"}  # the new one refuses the processor

PEERS = {
    "vllm": Peer(
        "vllm",
        ("vllm==0.33.0",),
        ("vllm", "serve", "{model}", "--host", "127.0.0.1", "--port", "{port}"),
        (
            Configuration("plain", _LEAN[:3]),
            Configuration("tuned", (*_ONE, *_GRAPHS), _TABLES),
            Configuration("tuned, 4 API servers", (*_FOUR, *_GRAPHS), _TABLES),
            Configuration(
                "tuned, 4 API servers, fp8 cache",
                (*_FOUR, *_GRAPHS, "--kv-cache-dtype", "fp8"),
                _TABLES,
            ),
            Configuration("plain", (*_LEAN[:3], *_RULE), _OLD_RUNNER, rule=True),
            Configuration("tuned", (*_ONE, *_GRAPHS, *_RULE), _TABLES | _OLD_RUNNER, rule=True),
            Configuration(
                "tuned, 4 API servers",
                (*_FOUR, *_GRAPHS, *_RULE),
                _TABLES | _OLD_RUNNER,
                rule=True,
            ),
        ),
        note="tuned: 12 renderers in one or 16 in four API servers, 512 pages at once, graphs of the "
        "picture encoder, and for the experts the table of the next card of its generation if its own "
        "has none",
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


def outside() -> dict[str, str]:
    """The variables of this process, without those that lead Python to this one's packages."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def versions(peer: Peer, folder: Path) -> str:
    """What is installed in a peer's environment: its version, and torch's."""
    names = [peer.packages[0].partition("==")[0], "torch"]
    code = "import importlib.metadata as m, sys; print(*map(m.version, sys.argv[1:]))"
    command = [str(_bin(folder) / "python"), "-c", code, *names]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, env=outside())
    version, torch = done.stdout.split()
    return f"{version} (torch {torch})"


def expert_tables(folder: Path, card: str, out: Path) -> Path:
    """Give a card the block sizes of the experts' products that were found on its next of kin.

    vLLM has tables by the card's name. DeepSeek-OCR's shape has one for the H20 alone, whose
    multiprocessors are of the same kind as those of other Hopper cards.

    Args:
        folder: The environment that has vLLM.
        card: As ``torch.cuda.get_device_name`` says it.
        out: Where the table is written.

    Returns:
        ``out``, empty if the card has a table of its own or no kin.
    """
    out.mkdir(parents=True, exist_ok=True)
    mine = card.replace(" ", "_")
    if not mine.startswith(HOPPER):
        return out
    tables = "lib/python*/site-packages/vllm/model_executor/layers/fused_moe/configs"
    for kin in HOPPER:
        for table in folder.glob(f"{tables}/{SHAPE}{kin}.json"):
            own = table.with_name(f"{SHAPE}{mine}.json")
            if not own.exists() and not any(out.iterdir()):
                shutil.copyfile(table, out / own.name)
    return out


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
    peer: Peer,
    configuration: Configuration,
    folder: Path,
    model: str,
    port: int,
    log: Path,
    tables: Path,
) -> Iterator[tuple[str, float]]:
    """Start a peer's server; yields its URL and the seconds until it answered."""
    words = [word.format(model=model, port=port) for word in peer.command]
    command = [str(_bin(folder) / words[0]), *words[1:], *configuration.options]
    chosen = {k: v.format(tables=tables) for k, v in configuration.environment.items()}
    # What it compiles is built with the tools of its own environment.
    path = f"{_bin(folder)}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    environment = {**outside(), "PATH": path, **chosen}
    begin = time.perf_counter()
    process = None
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(
                command, stdout=output, stderr=output, env=environment, start_new_session=True
            )
            # Whoever has read this may interrupt, and the server is ended.
            print("$", *(f"{k}={v}" for k, v in chosen.items()), *command, flush=True)
            url = f"http://127.0.0.1:{port}"
            _await(url, process, log)
            yield url, time.perf_counter() - begin
        finally:
            if process is not None:
                _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a server and its workers, which are in its session and hold the card."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(15)
    # Whoever has outlived it.
    with suppress(ProcessLookupError):
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
