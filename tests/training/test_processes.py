"""Several processes that train together, as ``accelerate launch`` and ``torchrun`` start them; here on the CPU."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.training import AdapterSettings, FineTuning, fine_tune

PATIENCE = 900
"""Seconds; three processes load torch on a machine that may be busy."""

SCRIPTS = Path(sys.executable).parent
LAUNCHERS = {
    "torchrun": [str(SCRIPTS / "torchrun"), "--standalone", "--nproc_per_node", "2"],
    "accelerate": [
        *(str(SCRIPTS / "accelerate"), "launch", "--multi_gpu", "--num_processes", "2"),
        *("--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"),
    ],
}
"""As the guide has them, for two processes; the last options say what ``accelerate launch`` takes when
nothing is said, and warns about. ``--multi_gpu`` starts processes on a machine without GPUs, too."""

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def command(base: Path, data: Path, out: Path, *more: str) -> list[str]:
    options = ("--resolution", "tiny", "--epochs", "2.8", "--accumulate", "2", "--judge-every", "2")
    return [
        *("-m", "deepseek_ocr_rag", "train", str(data), "--base", str(base), "-o", str(out)),
        *(*options, "--learning-rate", "1e-2", "--dropout", "0.2", "--device", "cpu", *more),
    ]


def run(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments, capture_output=True, text=True, timeout=PATIENCE, env=ENVIRONMENT, check=False
    )


def judged_steps(told: str) -> list[int]:
    return [int(step) for step in re.findall(r"^dsocr: step (\d+):", told, re.MULTILINE)]


@pytest.fixture(scope="module")
def together(
    folders: dict[str, Path], data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """What two processes trained and told: four steps, judged at 0, 2 and 4."""
    out = tmp_path_factory.mktemp("together") / "out"
    ended = run([*LAUNCHERS["torchrun"], *command(folders["deepseek-ocr"], data, out)])
    assert ended.returncode == 0, ended.stderr[-3000:]
    return out, ended


@pytest.mark.long
def test_two_processes_train_what_one_does(
    folders: dict[str, Path],
    data: Path,
    together: tuple[Path, subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> None:
    """The same batches in each step, half of them in each process, and the same inputs dropped: sums
    in another order, no more. There is one held-out page, so one of the two processes writes none."""
    one, (two, ended) = tmp_path / "one", together
    settings = FineTuning(
        adapter=AdapterSettings(dropout=0.2),
        mode="tiny",
        epochs=2.8,
        accumulate=2,
        judge_every=2,
        learning_rate=1e-2,
        device="cpu",
    )
    alone = fine_tune(folders["deepseek-ocr"], data, one, settings)
    assert "by 2 processes" in ended.stderr
    assert judged_steps(ended.stderr) == [0, 2, 4]  # told and judged once, not by each
    printed = [line for line in ended.stdout.splitlines() if line.startswith("{")]
    assert len(printed) == 1
    assert json.loads(printed[0])["steps"] == alone.steps == 4
    logs = [json.loads((each / "training.json").read_text())["judgements"] for each in (one, two)]
    assert [each["step"] for each in logs[1]] == [0, 2, 4]
    assert logs[0][0]["scores"] == logs[1][0]["scores"]
    for first, second in zip(*logs, strict=True):
        assert second["loss"] == pytest.approx(first["loss"], rel=1e-3)
    states = [load_file(each / "training_state.safetensors") for each in (one, two)]
    trained = [name for name in states[0] if name.startswith("weight:")]
    for name in trained:
        torch.testing.assert_close(states[1][name], states[0][name], rtol=1e-3, atol=1e-4)
    assert any(bool(states[0][name].any()) for name in trained if "lora_B" in name)


@pytest.mark.long
def test_two_processes_go_on_after_an_interruption(
    folders: dict[str, Path],
    data: Path,
    together: tuple[Path, subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> None:
    """Started by the other launcher, ended after the second judgement, resumed: the same weights."""
    whole, _ = together
    arguments = [
        *LAUNCHERS["accelerate"],
        *command(folders["deepseek-ocr"], data, tmp_path / "out"),
    ]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT) as started:
        assert started.stderr is not None
        told = ""
        while "step 2:" not in told and (line := started.stderr.readline()):
            told += line
        started.terminate()
        told += started.stderr.read()
    assert judged_steps(told)[:2] == [0, 2], told[-3000:]
    resumed = run([*arguments, "--resume"])
    assert resumed.returncode == 0, resumed.stderr[-3000:]
    assert judged_steps(resumed.stderr)[-1:] == [4]
    states = [load_file(each / "training_state.safetensors") for each in (whole, tmp_path / "out")]
    assert states[0].keys() == states[1].keys()
    for name, tensor in states[0].items():
        assert torch.equal(tensor, states[1][name]), name


@pytest.mark.long
def test_two_processes_end_early_together(
    folders: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    """A rate at which nothing can become better: both end at the first judgement after step 0."""
    more = ("--patience", "1", "--learning-rate", "1e-9")
    ended = run(
        [*LAUNCHERS["torchrun"], *command(folders["deepseek-ocr"], data, tmp_path / "out", *more)]
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert judged_steps(ended.stderr) == [0, 2]
    (printed,) = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
    assert (printed["steps"], printed["best_step"]) == (2, 0)


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
