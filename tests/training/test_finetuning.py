"""Adapters: what they change, that the best is kept, resumed, merged and read with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from deepseek_ocr_rag import TransformersBackend
from deepseek_ocr_rag.backends.transformers.model_loading import load_model
from deepseek_ocr_rag.cli.main import main
from deepseek_ocr_rag.errors import BackendUnavailableError, ConfigurationError, OutputError
from deepseek_ocr_rag.model.checkpoint import find_checkpoint
from deepseek_ocr_rag.training import (
    AdapterSettings,
    FineTuning,
    evaluate,
    fine_tune,
    merge,
    read_samples,
    write_report,
)
from deepseek_ocr_rag.training.adapters import target_names

QUICK = FineTuning(
    mode="tiny", epochs=2, accumulate=1, judge_every=3, learning_rate=1e-2, device="cpu"
)


@pytest.fixture(scope="session")
def adapter(folders: dict[str, Path], data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained for six steps on three pages."""
    folder = tmp_path_factory.mktemp("adapter") / "out"
    result = fine_tune(folders["deepseek-ocr"], data, folder, QUICK)
    assert (result.steps, result.adapter) == (6, folder)
    assert result.before is not None
    assert result.best is not None
    return folder


def test_groups_name_what_they_say(folder: Path) -> None:
    checkpoint = find_checkpoint(folder)
    model = load_model(checkpoint, dtype=torch.float32, device_map={"": "cpu"})
    start = "model.language_model.layers."
    assert target_names(model, ("attention",))[0] == [
        f"{start}{layer}.self_attn.{name}_proj" for layer in (0, 1) for name in "qkvo"
    ]
    projections = ("gate_proj", "up_proj", "down_proj")
    modules, _ = target_names(model, ("mlp", "shared"))
    assert sorted(modules) == sorted(
        f"{start}{layer}{name}"
        for each in projections
        for layer, name in ((0, f".mlp.{each}"), (1, f".mlp.shared_experts.{each}"))
    )
    assert target_names(model, ("experts",)) == (
        [],
        [f"{start}1.mlp.experts.gate_up_proj", f"{start}1.mlp.experts.down_proj"],
    )
    vision, _ = target_names(model, ("vision",))
    assert all(name.startswith("model.vision_tower.") for name in vision)


def test_a_group_that_matches_nothing_is_an_error(folders: dict[str, Path]) -> None:
    model = load_model(
        find_checkpoint(folders["deepseek-ocr"]), dtype=torch.float32, device_map={"": "cpu"}
    )
    model.model.language_model.layers = model.model.language_model.layers[:1]
    with pytest.raises(ConfigurationError, match="shared match nothing"):
        target_names(model, ("attention", "shared"))
    with pytest.raises(ConfigurationError, match="no targets heads"):
        AdapterSettings(targets=("heads",))


def test_training_changes_the_adapter_and_tells_what_it_judged(adapter: Path) -> None:
    weights = load_file(adapter / "adapter_model.safetensors")
    log = json.loads((adapter / "training.json").read_text())
    assert [each["step"] for each in log["judgements"]] == [0, 3, 6]
    assert all("lora" in name for name in weights)
    best = min(log["judgements"], key=lambda each: each["scores"]["cer"])
    changed = any(bool(w.any()) for n, w in weights.items() if "lora_B" in n)
    assert changed == (best["step"] > 0)


def test_training_learns(folders: dict[str, Path], data: Path, tmp_path: Path) -> None:
    told: list[str] = []
    fine_tune(folders["deepseek-ocr"], data, tmp_path / "out", QUICK, told=told.append)
    losses = [float(line.split("loss ")[1].split(",")[0]) for line in told if "loss" in line]
    assert "3 pages" in told[0]
    assert told[1].startswith("step 0: character error rate")
    assert losses[-1] < losses[0]


def test_a_full_folder_is_not_written_into(
    folders: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(OutputError, match="not empty"):
        fine_tune(folders["deepseek-ocr"], data, tmp_path, QUICK)
    with pytest.raises(OutputError, match="training_state"):
        fine_tune(folders["deepseek-ocr"], data, tmp_path, QUICK, resume=True)


def test_a_resumed_training_ends_where_a_whole_one_does(
    folders: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    """To the last bit: weights, moments and random numbers. The learning rate still rises when it is
    interrupted, and the adapter drops some of its inputs at random."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    settings = FineTuning(
        adapter=AdapterSettings(dropout=0.2),
        mode="tiny",
        epochs=2,
        accumulate=1,
        judge_every=3,
        held_out=0.0,
        device="cpu",
        patience=0,
    )
    only = tmp_path / "train.jsonl"
    for line in (data / "train.jsonl").read_text().splitlines()[:3]:
        with only.open("a") as file:
            file.write(line + "\n")
        name = json.loads(line)["images"][0]
        (tmp_path / name).write_bytes((data / name).read_bytes())
    base = folders["deepseek-ocr"]
    fine_tune(base, only, whole, settings)

    class StoppedError(Exception):
        """The machine goes down."""

    def stop(line: str) -> None:
        if "step 6" in line:
            raise StoppedError

    with pytest.raises(StoppedError):
        fine_tune(base, only, parts, settings, told=stop)
    with pytest.raises(ConfigurationError, match="not those"):
        fine_tune(base, only, parts, replace(settings, learning_rate=1e-3), resume=True)
    result = fine_tune(base, only, parts, settings, resume=True)
    assert result.steps == 6
    one, other = (load_file(each / "training_state.safetensors") for each in (whole, parts))
    assert one.keys() == other.keys()
    assert sum("exp_avg_sq" in name for name in one) > 10
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name


def test_merged_weights_write_what_the_adapter_does(
    folders: dict[str, Path], data: Path, adapter: Path, tmp_path: Path
) -> None:
    base = folders["deepseek-ocr"]
    merged = merge(base, adapter, tmp_path / "merged")
    original = load_file(base / "model.safetensors")
    changed = load_file(merged / "model.safetensors")
    assert changed.keys() == original.keys()
    assert {n: w.dtype for n, w in changed.items()} == {n: w.dtype for n, w in original.items()}
    samples = read_samples(data).checked()[:1]
    options = {"device": "cpu", "dtype": "float32", "max_new_tokens": 12, "attempts": 1}
    texts = []
    for backend in (
        TransformersBackend(base, adapter=adapter, **options),
        TransformersBackend(merged, **options),
    ):
        texts.append(evaluate(backend, samples, mode="tiny").texts)
        backend.close()
    assert texts[0] == texts[1]
    assert texts[0] != ("",)


def test_an_adapter_of_another_model_is_refused(
    folders: dict[str, Path], adapter: Path, tmp_path: Path
) -> None:
    weights = load_file(adapter / "adapter_model.safetensors")
    other = {name.replace("layers.1.", "layers.7."): weight for name, weight in weights.items()}
    save_file(other, tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text((adapter / "adapter_config.json").read_text())
    backend = TransformersBackend(folders["deepseek-ocr"], adapter=tmp_path, device="cpu")
    with pytest.raises(BackendUnavailableError, match="does not fit"):
        backend.load()
    with pytest.raises(ConfigurationError, match="no adapter"):
        TransformersBackend(folders["deepseek-ocr"], adapter=folders["deepseek-ocr"]).load()


def test_the_adapter_is_part_of_the_fingerprint(folders: dict[str, Path], adapter: Path) -> None:
    base = folders["deepseek-ocr"]
    plain, with_it = TransformersBackend(base), TransformersBackend(base, adapter=adapter)
    assert plain.fingerprint != with_it.fingerprint


def test_a_report_shows_both_texts_and_runs_nothing(
    folders: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    samples = read_samples(data).checked()[:1]
    backend = TransformersBackend(
        folders["deepseek-ocr"], device="cpu", max_new_tokens=4, attempts=1
    )
    found = evaluate(backend, samples, mode="tiny")
    backend.close()
    page = write_report(found, samples, tmp_path).read_text()
    assert "Revenue rose." in page
    assert "<|ref|>" not in page
    assert json.loads((tmp_path / "report.json").read_text())["scores"]["pages"] == 1


def test_the_command_checks_data_and_trains_nothing(
    folders: dict[str, Path], data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = str(folders["deepseek-ocr"])
    assert main(["train", str(data), "--base", base, "--mode", "tiny", "--check"]) == 0
    assert "4 samples can be learnt, 0 cannot" in capsys.readouterr().out
