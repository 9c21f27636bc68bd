"""Two processes that train the small reader together, one on each GPU, over NCCL: the command itself."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

import pytest
import torch
from drawn_pages import drawn_page, image_of
from safetensors.torch import load_file
from small_reader import write_checkpoint
from torch import Tensor

from deepseek_ocr_rag.training import TrainingSample, write_samples
from deepseek_ocr_rag.training.samples import DOCUMENT_PROMPT

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(torch.cuda.device_count() < 2, reason="no two CUDA devices"),
]

ITALIC = ("Times-Italic", "Times-BoldItalic")
LEARNT, HELD_OUT = 32, 6
STEPS, BETWEEN = 16, 8
PATIENCE = 240
ENVIRONMENT = {**os.environ, "HF_HUB_OFFLINE": "1"}
APART = 0.02
"""By how much weights may differ, as a share of their length. Sums in another order differ in the last
bits, which the optimizer makes larger where a gradient is nearly nothing."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("reader") / "small")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages in a face that the small reader does not know."""

    def drawn() -> Iterator[tuple[TrainingSample, bytes]]:
        for number in range(LEARNT + HELD_OUT):
            name = f"italic {number}"
            page = drawn_page(random.Random(name), (number % LEARNT + 0.5) / LEARNT, ITALIC)
            picture = BytesIO()
            image_of(page).save(picture, "PNG")
            split = "train" if number < LEARNT else "validation"
            yield (
                TrainingSample(
                    name, Path(), DOCUMENT_PROMPT, page.answer(), mode="tiny", split=split
                ),
                picture.getvalue(),
            )

    return write_samples(tmp_path_factory.mktemp("data"), drawn()).parent


def command(processes: int, base: Path, data: Path, out: Path) -> list[str]:
    words = "--resolution tiny --epochs 2 --accumulate 4 --learning-rate 1e-3 --dropout 0.1"
    train = [
        *("-m", "deepseek_ocr_rag", "train", str(data), "--base", str(base), "-o", str(out)),
        *(*words.split(), "--judge-every", str(BETWEEN), "--target", "projector"),
        *("--target", "vision", "--target", "attention"),
    ]
    if processes == 1:
        return [sys.executable, *train]
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    return [sys.executable, *launcher, *train]


def run(arguments: Sequence[str]) -> str:
    """Run to its end; returns what it told."""
    ended = subprocess.run(
        arguments, capture_output=True, text=True, timeout=PATIENCE, env=ENVIRONMENT, check=False
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended.stderr


def state(out: Path) -> dict[str, Tensor]:
    return load_file(out / "training_state.safetensors")


def apart(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """Length of the difference of all trained weights, as a share of what was learnt."""
    assert one.keys() == other.keys()
    names = [name for name in one if name.startswith("weight:") and "lora_B" in name]
    difference = torch.cat([(one[name] - other[name]).float().flatten() for name in names])
    return float(difference.norm() / torch.cat([one[name].flatten() for name in names]).norm())


def judgements(out: Path) -> list[dict[str, float]]:
    found: list[dict[str, float]] = json.loads((out / "training.json").read_text())["judgements"]
    return found


@pytest.fixture(scope="module")
def together(base: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("together") / "out"
    return out, run(command(2, base, data, out))


def test_two_gpus_train_what_one_does(
    base: Path, data: Path, together: tuple[Path, str], tmp_path: Path
) -> None:
    two, told = together
    assert "by 2 processes" in told
    one, again = tmp_path / "one", tmp_path / "again"
    run(command(1, base, data, one))
    run(command(1, base, data, again))
    logs = [judgements(out) for out in (one, again, two)]
    for name, log in zip(("one GPU", "again", "two GPUs"), logs, strict=True):
        print(name, "losses", [round(each["loss"], 6) for each in log[1:]])
    noise, difference = apart(state(one), state(again)), apart(state(one), state(two))
    print(f"weights apart: one GPU twice {noise:.2e}, one and two {difference:.2e}")
    assert [each["step"] for each in logs[2]] == [0, BETWEEN, STEPS]
    for first, second in zip(logs[0], logs[2], strict=True):
        assert second["loss"] == pytest.approx(first["loss"], rel=1e-2)
    assert logs[2][2]["loss"] < logs[2][1]["loss"]
    assert difference < APART


def test_two_gpus_go_on_after_an_interruption(
    base: Path, data: Path, together: tuple[Path, str], tmp_path: Path
) -> None:
    whole, _ = together
    arguments = command(2, base, data, tmp_path / "out")
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT) as started:
        assert started.stderr is not None
        told = ""
        while f"step {BETWEEN}:" not in told and (line := started.stderr.readline()):
            told += line
        started.terminate()
        told += started.stderr.read()
    steps = [int(step) for step in re.findall(r"^dsocr: step (\d+):", told, re.MULTILINE)]
    assert steps[:2] == [0, BETWEEN], told[-3000:]
    assert STEPS not in steps
    run([*arguments, "--resume"])
    first, second = state(whole), state(tmp_path / "out")
    equal = sum(torch.equal(first[name], second[name]) for name in first)
    difference = apart(first, second)
    print(f"resumed: {equal} of {len(first)} tensors equal, weights apart {difference:.2e}")
    assert difference < APART
