"""The peers' benchmark: one table of the same pages and the same numbers of tokens."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.slow

from benchmark_scripts import BENCHMARKS

TOKENS = 6


@contextmanager
def double(tokens: int) -> Iterator[str]:
    """A server that answers as vLLM does, with so many tokens."""
    command = [sys.executable, str(BENCHMARKS / "engine/client_cost.py"), "--serve"]
    command += ["--tokens", str(tokens), "--pace", "0"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.kill()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    script = BENCHMARKS / "engine/peers.py"
    return subprocess.run(
        [sys.executable, str(script), *arguments], capture_output=True, text=True, check=False
    )


def cells(table: str) -> list[list[str]]:
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


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


def test_a_server_that_writes_other_numbers_of_tokens_does_not_count(sample_pdf, tmp_path):
    with double(TOKENS - 1) as url:
        done = run(
            "model", str(sample_pdf), "--pages", "1", "--tokens", str(TOKENS), "--mode", "tiny",
            "--work", str(tmp_path), "--peers", f"double={url}",
        )  # fmt: skip
    assert done.returncode != 0
    assert f"{TOKENS - 1} tokens came, not {TOKENS}" in done.stderr
