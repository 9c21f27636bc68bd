"""Adapters: what they change, that the best is kept, resumed, merged and read with."""

from __future__ import annotations

import errno
import json
import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from deepseek_ocr_rag import TransformersBackend
from deepseek_ocr_rag.backends.transformers.generation import image_features
from deepseek_ocr_rag.backends.transformers.model_loading import load_model
from deepseek_ocr_rag.cli import commands
from deepseek_ocr_rag.cli.main import main
from deepseek_ocr_rag.cli.shutdown import TerminatedBySignal
from deepseek_ocr_rag.cli.training import data_options
from deepseek_ocr_rag.errors import BackendUnavailableError, ConfigurationError, OutputError
from deepseek_ocr_rag.model.checkpoint import find_checkpoint
from deepseek_ocr_rag.model.views import PageViews
from deepseek_ocr_rag.training import (
    AdapterSettings,
    FineTuning,
    batches,
    evaluate,
    fine_tune,
    merge,
    read_samples,
    write_report,
)
from deepseek_ocr_rag.training.adapters import target_names
from deepseek_ocr_rag.training.training_state import TrainingNotes, keep_adapter, save_state

QUICK = FineTuning(
    mode="tiny", epochs=2, accumulate=1, judge_every=3, learning_rate=1e-2, device="cpu"
)


@pytest.fixture(scope="session")
def trained(
    folders: dict[str, Path], data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[str]]:
    """An adapter that was trained for six steps on three pages, and what was told meanwhile."""
    folder = tmp_path_factory.mktemp("adapter") / "out"
    told: list[str] = []
    result = fine_tune(folders["deepseek-ocr"], data, folder, QUICK, told=told.append)
    assert (result.steps, result.adapter) == (6, folder)
    assert result.before is not None
    assert result.best is not None
    return folder, told


@pytest.fixture
def to_learn(data: Path, tmp_path: Path) -> Path:
    """The three samples that are not judged by."""
    folder = tmp_path / "to_learn"
    folder.mkdir()
    lines = (data / "train.jsonl").read_text().splitlines()[:3]
    for line in lines:
        name = json.loads(line)["images"][0]
        (folder / name).write_bytes((data / name).read_bytes())
    (folder / "train.jsonl").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="session")
def adapter(trained: tuple[Path, list[str]]) -> Path:
    return trained[0]


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


@pytest.mark.parametrize(("targets", "times"), [(("attention",), 3), (("vision",), 6)])
def test_pictures_are_computed_again_only_if_the_towers_learn(
    folders: dict[str, Path],
    to_learn: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    targets: tuple[str, ...],
    times: int,
) -> None:
    computed: list[Sequence[PageViews]] = []

    def counted(model: PreTrainedModel, views: Sequence[PageViews]) -> list[torch.Tensor]:
        computed.append(views)
        return image_features(model, views)

    monkeypatch.setattr(batches, "image_features", counted)
    settings = replace(QUICK, adapter=AdapterSettings(targets=targets), held_out=0.0)
    fine_tune(folders["deepseek-ocr"], to_learn, tmp_path / "out", settings)
    assert len(computed) == times


def test_training_learns(trained: tuple[Path, list[str]]) -> None:
    _, told = trained
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
    folders: dict[str, Path], to_learn: Path, tmp_path: Path
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
    base = folders["deepseek-ocr"]
    fine_tune(base, to_learn, whole, settings)

    class StoppedError(Exception):
        """The machine goes down."""

    def stop(line: str) -> None:
        if "step 6" in line:
            raise StoppedError

    with pytest.raises(StoppedError):
        fine_tune(base, to_learn, parts, settings, told=stop)
    with pytest.raises(ConfigurationError, match="not those"):
        fine_tune(base, to_learn, parts, replace(settings, learning_rate=1e-3), resume=True)
    result = fine_tune(base, to_learn, parts, settings, resume=True)
    assert result.steps == 6
    one, other = (load_file(each / "training_state.safetensors") for each in (whole, parts))
    assert one.keys() == other.keys()
    assert sum("exp_avg_sq" in name for name in one) > 10
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name


def test_a_training_that_ends_before_its_first_judgement_can_be_resumed(
    folders: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    class StoppedError(Exception):
        """Ctrl-C."""

    settings, told = replace(QUICK, judge_every=6), list[str]()

    def stop(line: str) -> None:
        if "step 6" in line:
            raise StoppedError

    base, out = folders["deepseek-ocr"], tmp_path / "out"
    with pytest.raises(StoppedError):
        fine_tune(base, data, out, settings, told=stop)
    result = fine_tune(base, data, out, settings, resume=True, told=told.append)
    assert result.steps == 6
    assert not any("step 0" in line for line in told)  # that is known
    whole = fine_tune(base, data, tmp_path / "whole", settings)
    assert (result.before, result.best) == (whole.before, whole.best)
    log = json.loads((out / "training.json").read_text())["judgements"]
    assert [each["step"] for each in log] == [0, 6]


def test_a_training_that_ended_early_is_not_gone_on_with(
    folders: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    settings = replace(QUICK, judge_every=1, patience=1, learning_rate=1e-9)
    told: list[str] = []
    for resume in (False, True):
        result = fine_tune(
            *(folders["deepseek-ocr"], data, tmp_path / "out", settings),
            resume=resume,
            told=told.append,
        )
        assert (result.steps, result.best_step) == (1, 0)
    assert sum("step 1" in line for line in told) == 1


def test_a_full_disk_keeps_the_adapter_before_and_says_how_to_go_on(tmp_path: Path) -> None:
    (tmp_path / "adapter_model.safetensors").write_text("the best so far")

    class Adapter:
        def save_pretrained(self, folder: str, **_: bool) -> None:
            (Path(folder) / "adapter_model.safetensors").write_text("half of ano")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OutputError, match=r"No space left on device.*--resume"):
        keep_adapter(Adapter(), tmp_path)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["the best so far"]
    with pytest.raises(OutputError, match="cannot be written"):
        save_state(
            tmp_path / "gone",
            {},
            torch.optim.AdamW([torch.zeros(1)]),
            TrainingNotes("of some data"),
        )


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


@pytest.mark.parametrize(
    ("arguments", "missing", "named"),
    [
        (["train", "data", "-o", "out"], ("peft", "jiwer"), "peft and jiwer are not installed"),
        (["train", "data", "--check"], ("tokenizers",), "tokenizers is not installed"),
        (["eval", "data"], ("jiwer",), "jiwer is not installed"),
        (["merge", "adapter", "-o", "out"], ("torch",), "torch is not installed"),
    ],
)
def test_a_command_names_the_packages_that_it_lacks(
    arguments: list[str],
    missing: tuple[str, ...],
    named: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = data_options.find_spec
    monkeypatch.setattr(
        data_options, "find_spec", lambda name: None if name in missing else found(name)
    )
    assert main(arguments) == 7
    told = capsys.readouterr().err
    assert named in told
    assert "[train]" in told


@pytest.mark.parametrize(("more", "resumes"), [((), True), (("--check",), False)])
def test_ctrl_c_says_how_to_go_on(
    more: tuple[str, ...],
    resumes: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(options: object) -> int:
        raise TerminatedBySignal(signal.SIGINT)

    monkeypatch.setitem(commands.COMMANDS, "train", interrupted)
    assert main(["train", "data", "-o", "out", *more]) == 130
    told = capsys.readouterr().err
    assert told.startswith("dsocr: ended by SIGINT")
    assert ("--resume" in told) == resumes


def test_what_was_written_must_have_a_place_before_anything_is_read(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["eval", str(data), "--base", "nowhere", "-o", str(tmp_path / "file" / "x")]) == 1
    assert "cannot be made" in capsys.readouterr().err


def test_the_command_checks_data_and_trains_nothing(
    folders: dict[str, Path], data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = str(folders["deepseek-ocr"])
    assert main(["train", str(data), "--base", base, "--mode", "tiny", "--check"]) == 0
    assert "4 samples can be learnt, 0 cannot" in capsys.readouterr().out
