"""The peers' benchmark: one table of the same pages and the same numbers of tokens."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from PIL import Image

import deepseek_ocr_rag

pytest.importorskip("torch")
pytestmark = pytest.mark.slow

from benchmark_scripts import BENCHMARKS, load_benchmark

TOKENS = 6


@contextmanager
def double(tokens: int) -> Iterator[str]:
    """A server that answers as vLLM does, with this many tokens."""
    command = [sys.executable, str(BENCHMARKS / "engine/client_cost.py"), "--serve"]
    command += ["--tokens", str(tokens), "--pace", "0"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.kill()


COMMAND = [sys.executable, "-u", str(BENCHMARKS / "engine/peers.py")]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(deepseek_ocr_rag.__file__).parents[1])}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, check=False, env=ENVIRONMENT
    )


def cells(table: str) -> list[list[str]]:
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.long
def test_the_engine_and_a_server_stand_in_one_table(golden_checkpoint, sample_pdf, tmp_path):
    with double(TOKENS) as url:
        done = run(
            str(golden_checkpoint), str(sample_pdf), "--pages", "2", "--tokens", str(TOKENS),
            "--mode", "tiny", "--device", "cpu", "--work", str(tmp_path),
            "--peers", f"local,double={url}",
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    head, *rows = cells(done.stdout)
    assert head[-1] == "2 at once"
    assert [(row[0].split()[0], row[1], row[2]) for row in rows] == [
        ("local", "bf16", "no"),
        ("local", "bf16", "yes"),
        ("local", "fp8 cache", "no"),
        ("local", "fp8 cache", "yes"),
        ("double", "as it is", "no"),
        ("double", "as it is", "yes"),
    ]
    for row in rows:
        assert float(row[4]) > 0
        assert float(row[-1].strip("*")) > 0
    # Of each engine the best is marked, with and without the rule.
    assert sum(row[-1].startswith("**") for row in rows) == 4


def test_a_pdf_from_the_disk_stands_beside_what_peers_do_with_pictures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS / "engine")
    peers = load_benchmark("engine/peers.py")

    def row(peer, configuration, rule, rate, pdf=0.0):
        return peers.Measured(peer, "1", configuration, rule, 1.0, 16.0, 1000.0, (rate,), pdf)

    rows = [
        row("local", "bf16", False, 25.0), row("local", "bf16", True, 24.0, 22.0),
        row("vllm", "plain", True, 4.0), row("vllm", "tuned", True, 6.0),
        row("vllm", "tuned", False, 9.0),
    ]  # fmt: skip
    (head, *table) = cells(peers.table(rows, 8))
    place = head.index("PDF from the disk")
    assert [line[place] for line in table] == ["-", "22.0", "-", "-", "-"]
    (line,) = peers.ratios(rows)
    assert "pictures 4.0 times, PDF from the disk 3.7 times" in line


@pytest.mark.long
def test_a_server_that_writes_other_numbers_of_tokens_does_not_count(sample_pdf, tmp_path):
    with double(TOKENS - 1) as url:
        done = run(
            "model", str(sample_pdf), "--pages", "1", "--tokens", str(TOKENS), "--mode", "tiny",
            "--work", str(tmp_path), "--peers", f"double={url}",
        )  # fmt: skip
    assert done.returncode != 0
    assert f"{TOKENS - 1} tokens came, not {TOKENS}" in done.stderr


def environment(folder: Path) -> Path:
    """One whose ``vllm`` is the double, and refuses processors and other packages than its own.

    With an option of the tuned configurations it never answers.
    """
    source = Path(deepseek_ocr_rag.__file__).parents[1]
    packages = folder / "packages"
    for name, version in (("vllm", "0.26.0"), ("torch", "2.11.0")):
        about = packages / f"{name}-{version}.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
    scripts = {
        "python": f'PYTHONPATH={packages} exec {sys.executable} -S "$@"',
        "vllm": f"""case "$*" in *--logits-processors*) echo no such option; exit 2;; *--max-num-seqs*) sleep 600;; esac
[ -z "$PYTHONPATH" ] || exit 3
while [ "$1" != --port ]; do shift; done
export PYTHONPATH={source}
sleep 600 | {sys.executable} {BENCHMARKS / "engine/client_cost.py"} --serve --tokens {TOKENS} --pace 0 --port $2""",
    }
    (folder / "bin").mkdir()
    for name, lines in scripts.items():
        script = folder / "bin" / name
        script.write_text(f"#!/bin/sh\n{lines}\n")
        script.chmod(0o755)
    return folder


@pytest.mark.long
def test_servers_of_an_environment_that_exists_are_started_and_ended(sample_pdf, tmp_path):
    folder = environment(tmp_path / "there")
    done = run(
        "model", str(sample_pdf), "--pages", "2", "--tokens", str(TOKENS), "--mode", "tiny",
        "--work", str(tmp_path / "work"), "--peers", "vllm", "--environment", f"vllm={folder}",
        "--configurations", "plain;rule:plain",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    _, *rows = cells(done.stdout)
    # One configuration did not start, and the other counts.
    assert "no such option" in done.stdout
    ((engine, configuration, rule, ready, *_),) = rows
    assert (engine, configuration, rule) == ("vllm 0.26.0 (torch 2.11.0)", "plain", "no")
    assert float(ready) > 0
    port = done.stdout.split("--port ")[1].split()[0]
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/v1/models", trust_env=False)


def test_a_card_without_a_table_takes_that_of_the_most_similar_card(tmp_path):
    tables = tmp_path / "lib/python3.12/site-packages/vllm/model_executor/layers/fused_moe/configs"
    tables.mkdir(parents=True)
    (tables / "E=64,N=896,device_name=NVIDIA_H20.json").write_text("{}")
    servers = load_benchmark("engine/peer_servers.py")
    found = servers.expert_tables(tmp_path, "NVIDIA H200", tmp_path / "found")
    assert [table.name for table in found.iterdir()] == ["E=64,N=896,device_name=NVIDIA_H200.json"]
    assert not any(servers.expert_tables(tmp_path, "NVIDIA H20", tmp_path / "own").iterdir())
    assert not any(servers.expert_tables(tmp_path, "NVIDIA A100", tmp_path / "other").iterdir())


@pytest.mark.long
def test_an_interrupted_run_has_a_table_of_what_was_measured(sample_pdf, tmp_path):
    folder = environment(tmp_path / "there")
    arguments = [
        "model", str(sample_pdf), "--pages", "1", "--tokens", str(TOKENS), "--mode", "tiny",
        "--work", str(tmp_path / "work"), "--peers", "vllm", "--environment", f"vllm={folder}",
        "--configurations", "plain;tuned",
    ]  # fmt: skip
    # As a shell starts what is to run in the background.
    with subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    ) as started:  # fmt: skip
        assert started.stdout is not None
        told = ""
        while "--max-num-seqs" not in told and (line := started.stdout.readline()):
            told += line
        started.send_signal(signal.SIGINT)
        told += started.stdout.read()
    assert started.returncode == 0
    _, *rows = cells(told)
    assert [(row[0], row[1]) for row in rows] == [("vllm 0.26.0 (torch 2.11.0)", "plain")]
    commands = (" ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"]))
    assert [command for command in commands if str(folder) in command] == []


def test_each_picture_is_encoded_once_for_all_configurations(monkeypatch):
    requests = load_benchmark("engine/peer_requests.py")
    encoded = []
    monkeypatch.setattr(
        requests, "png_base64", lambda page: encoded.append(page) or b"%d" % len(encoded)
    )
    options = argparse.Namespace(tokens=TOKENS, mode="tiny")
    images = [Image.new("RGB", (8, 8)) for _ in range(3)]
    bodies = requests.Bodies(images, options)
    for rule in (False, True):
        stream, whole = bodies.of("model", rule)
        sent = [json.loads(body) for body in (stream, *whole)]
        assert [body["stream"] for body in sent] == [True, False, False, False]
        assert all(("vllm_xargs" in body) == rule for body in sent)
        assert all(body["max_tokens"] == TOKENS and body["ignore_eos"] for body in sent)
        assert len({body["messages"][0]["content"][0]["image_url"]["url"] for body in sent}) == 3
    assert len(encoded) == 3
