"""Writes a merged copy of a model: what happens when it cannot be written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tiny_models import write_model

from deepseek_ocr_rag.backends.transformers.adapter import write_merged
from deepseek_ocr_rag.errors import BackendUnavailableError, OutputError
from deepseek_ocr_rag.model.checkpoint import find_checkpoint
from deepseek_ocr_rag.text.excerpt import first_line


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "deepseek-ocr", "deepseek-ocr")


def adapter(folder: Path) -> Path:
    """The folder of an adapter, without its weights."""
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"lora_alpha": 1, "r": 1}), "utf-8")
    return folder


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let writing fail beyond ``size`` bytes, as on a full disk."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_weights_that_cannot_be_written_are_a_typed_error(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = adapter(tmp_path / "adapter")
    # What an adapter changes does not matter here.
    target = "deepseek_ocr_rag.backends.transformers.adapter.merge_adapter"
    monkeypatch.setattr(target, lambda model, folder: model)
    checkpoint = find_checkpoint(str(model), download=False)
    with largest_file(20_000), pytest.raises(OutputError, match="cannot be written"):
        write_merged(checkpoint, folder, tmp_path / "merged")


def test_an_adapter_that_is_no_adapter_is_a_typed_error(model: Path, tmp_path: Path) -> None:
    folder = adapter(tmp_path / "adapter")
    save_file({"other": torch.zeros(1)}, folder / "adapter_model.safetensors")
    checkpoint = find_checkpoint(str(model), download=False)
    with pytest.raises(BackendUnavailableError, match="does not fit this model: it changes more"):
        write_merged(checkpoint, folder, tmp_path / "merged")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (RuntimeError(), "RuntimeError"),
        (AssertionError("\n \n"), "AssertionError"),
        (ValueError("\nthe cause\nmore"), "the cause"),
    ],
)
def test_an_error_without_text_is_named_by_its_class(error: Exception, line: str) -> None:
    assert first_line(error) == line
