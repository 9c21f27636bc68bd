"""A model's folder is read as data: what could run is never opened."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deepseek_ocr_rag.errors import BackendUnavailableError, ConfigurationError
from deepseek_ocr_rag.model.checkpoint import find_checkpoint

CONFIG = {"model_type": "unlimited_ocr"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"")
    return tmp_path


def index(folder: Path, weight_map: object) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


def test_a_folder_is_a_model(folder: Path) -> None:
    checkpoint = find_checkpoint(folder)
    assert checkpoint.family.name == "unlimited-ocr"
    assert checkpoint.weights == (folder / "model.safetensors",)
    assert checkpoint.revision is None


def test_the_golden_folder_is_deepseek_ocr(golden_checkpoint: Path) -> None:
    assert find_checkpoint(golden_checkpoint).family.name == "deepseek-ocr"


def test_the_tokenizer_may_lie_elsewhere(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "other.json"
    (folder / "tokenizer.json").rename(elsewhere)
    assert find_checkpoint(folder, tokenizer=elsewhere).tokenizer == elsewhere


def test_the_index_says_which_weights_belong(folder: Path) -> None:
    (folder / "part-1.safetensors").write_bytes(b"")
    index(folder, {"a": "part-1.safetensors", "b": "part-1.safetensors"})
    assert find_checkpoint(folder).weights == (folder / "part-1.safetensors",)


@pytest.mark.parametrize(
    "name", ["../model.safetensors", "/etc/passwd", "a/model.safetensors", "model.bin"]
)
def test_an_index_cannot_point_out_of_the_folder(folder: Path, name: str) -> None:
    index(folder, {"a": name})
    with pytest.raises(BackendUnavailableError, match="not a safetensors file in the folder"):
        find_checkpoint(folder)


def test_a_missing_part_is_named(folder: Path) -> None:
    index(folder, {"a": "model-00002.safetensors"})
    with pytest.raises(BackendUnavailableError, match=r"model-00002\.safetensors is missing"):
        find_checkpoint(folder)


def test_pickled_weights_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(BackendUnavailableError, match="pickle"):
        find_checkpoint(folder)


@pytest.mark.parametrize("missing", ["config.json", "tokenizer.json", "model.safetensors"])
def test_an_incomplete_folder_says_what_is_missing(folder: Path, missing: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(BackendUnavailableError) as caught:
        find_checkpoint(folder)
    assert missing.split(".", maxsplit=1)[0] in str(caught.value) or "weights" in str(caught.value)


@pytest.mark.parametrize("content", ["", "[]", "{", '"text"', "\udcff"])
def test_a_broken_configuration_is_a_typed_error(folder: Path, content: str) -> None:
    (folder / "config.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(BackendUnavailableError, match=r"config\.json"):
        find_checkpoint(folder)


def test_a_folder_has_no_revision(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="revision"):
        find_checkpoint(folder, revision="main")


def test_a_name_that_is_neither_folder_nor_hub_id_is_refused() -> None:
    with pytest.raises(BackendUnavailableError, match="not a folder"):
        find_checkpoint("/no/such/folder/here")


def test_an_unknown_hub_model_needs_a_revision() -> None:
    with pytest.raises(ConfigurationError, match="40 hex digits"):
        find_checkpoint("somebody/their-model", download=False)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    return tmp_path


def put_into_cache(hub: Path, name: str, commit: str) -> Path:
    snapshot = hub / f"models--{name.replace('/', '--')}" / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text(json.dumps(CONFIG))
    (snapshot / "tokenizer.json").write_text("{}")
    (snapshot / "model.safetensors").write_bytes(b"")
    return snapshot


def test_a_hub_model_is_found_in_the_cache_at_its_pinned_revision(hub: Path) -> None:
    commit = "84757cb04b4d9b74adc65dc31cdf52fca7dc2a97"
    snapshot = put_into_cache(hub, "baidu/Unlimited-OCR", commit)
    for name in ("baidu/Unlimited-OCR", "unlimited-ocr"):
        checkpoint = find_checkpoint(name, download=False)
        assert checkpoint.folder == snapshot
        assert checkpoint.revision == commit


def test_a_download_that_was_broken_off_is_not_taken_for_the_model(hub: Path) -> None:
    snapshot = put_into_cache(
        hub, "baidu/Unlimited-OCR", "84757cb04b4d9b74adc65dc31cdf52fca7dc2a97"
    )
    weights = {"a": "model.safetensors", "b": "model-2.safetensors"}
    index = snapshot / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weights}))
    with pytest.raises(BackendUnavailableError, match="hf download"):
        find_checkpoint("unlimited-ocr", download=False)
    (snapshot / "model-2.safetensors").write_bytes(b"")
    assert find_checkpoint("unlimited-ocr", download=False).folder == snapshot


def test_another_revision_in_the_cache_is_not_taken(hub: Path) -> None:
    put_into_cache(hub, "baidu/Unlimited-OCR", "0" * 40)
    with pytest.raises(BackendUnavailableError, match="hf download"):
        find_checkpoint("baidu/Unlimited-OCR", download=False)


@pytest.fixture
def told_once(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A session of the hub's client that records requests and gets no answers."""
    import huggingface_hub.utils

    asked: list[str] = []

    class Session:
        def head(self, url: str, timeout: float) -> None:
            asked.append(url)
            assert 0 < timeout <= 60
            raise ConnectionError("no route to host")

    monkeypatch.setattr(huggingface_hub, "get_session", Session)
    return asked


def test_without_a_network_a_missing_model_is_told_after_one_request(
    hub: Path, told_once: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    looked_up = huggingface_hub.snapshot_download

    def only_in_the_cache(*args: Any, local_files_only: bool = False, **more: Any) -> str:
        assert local_files_only, "the hub's client asks five times"
        return looked_up(*args, local_files_only=True, **more)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", only_in_the_cache)
    with pytest.raises(BackendUnavailableError) as caught:
        find_checkpoint("unlimited-ocr", download=True)
    assert told_once == [huggingface_hub.constants.ENDPOINT]
    assert (
        "not on this machine, and https://huggingface.co cannot be reached (no route to host)"
        in (caught.value.problem)
    )
    assert "hf download baidu/Unlimited-OCR --revision" in str(caught.value.remedy)


def test_where_the_hub_answers_a_missing_model_is_downloaded(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub
    import huggingface_hub.utils

    class Session:
        def head(self, url: str, timeout: float) -> int:
            return 503  # any answer will do: the download itself tells what is wrong

    def download(*args: Any, local_files_only: bool = False, **more: Any) -> str:
        if local_files_only:
            raise LocalEntryNotFoundError("not in the cache")
        return str(put_into_cache(hub, "baidu/Unlimited-OCR", more["revision"]))

    from huggingface_hub.errors import LocalEntryNotFoundError

    monkeypatch.setattr(huggingface_hub, "get_session", Session)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    found = find_checkpoint("unlimited-ocr", download=True)
    assert found.folder.is_relative_to(hub)


def test_a_model_in_the_cache_needs_no_network(hub: Path, told_once: list[str]) -> None:
    commit = "84757cb04b4d9b74adc65dc31cdf52fca7dc2a97"
    snapshot = put_into_cache(hub, "baidu/Unlimited-OCR", commit)
    assert find_checkpoint("unlimited-ocr", download=True).folder == snapshot
    assert told_once == []
