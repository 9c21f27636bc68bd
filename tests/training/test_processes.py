"""Several processes that train together, as ``accelerate launch`` and ``torchrun`` start them; here on the CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.training import FineTuning, fine_tune

PATIENCE = 900
"""Seconds; three processes load torch on a machine that may be busy."""


def command(base: Path, data: Path, out: Path) -> list[str]:
    options = ("--mode", "tiny", "--epochs", "1.4", "--accumulate", "2", "--judge-every", "2")
    return [
        *("-m", "deepseek_ocr_rag", "train", str(data), "--base", str(base), "-o", str(out)),
        *(*options, "--learning-rate", "1e-2", "--device", "cpu"),
    ]


def run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        check=False,
    )


@pytest.mark.long
def test_two_processes_train_what_one_does(
    folders: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    """The same batches in each step, half of them in each process: sums in another order, no more.
    There is one held-out page, so one of the two processes writes none."""
    base, one, two = folders["deepseek-ocr"], tmp_path / "one", tmp_path / "two"
    settings = FineTuning(
        mode="tiny", epochs=1.4, accumulate=2, judge_every=2, learning_rate=1e-2, device="cpu"
    )
    alone = fine_tune(base, data, one, settings)
    # `accelerate launch` starts GPU processes through the same module, but none on CPUs.
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    ended = run([*launch, *command(base, data, two)])
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert "by 2 processes" in ended.stderr
    printed = [line for line in ended.stdout.splitlines() if line.startswith("{")]
    assert len(printed) == 1  # the first process alone tells the result
    assert json.loads(printed[0])["steps"] == alone.steps == 2
    logs = [json.loads((each / "training.json").read_text())["judgements"] for each in (one, two)]
    assert [each["step"] for each in logs[1]] == [0, 2]
    assert logs[0][0]["scores"] == logs[1][0]["scores"]
    for first, second in zip(*logs, strict=True):
        assert second["loss"] == pytest.approx(first["loss"], rel=1e-4)
    states = [load_file(each / "training_state.safetensors") for each in (one, two)]
    trained = [name for name in states[0] if name.startswith("weight:")]
    for name in trained:
        torch.testing.assert_close(states[1][name], states[0][name], rtol=1e-3, atol=2e-5)
    assert any(bool(states[0][name].any()) for name in trained if "lora_B" in name)


def test_processes_that_cannot_share_the_batches_are_refused(
    folders: dict[str, Path], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from deepseek_ocr_rag.training import finetuning
    from deepseek_ocr_rag.training.processes import Processes, started_processes

    three = Processes(torch.device("cpu"), 3)
    monkeypatch.setattr(finetuning, "started_processes", lambda device: three)
    with pytest.raises(ConfigurationError, match="accumulate is 8, for 3 processes"):
        fine_tune(folders["deepseek-ocr"], data, tmp_path / "out")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigurationError, match="all train on cuda:1"):
        started_processes("cuda:1")
