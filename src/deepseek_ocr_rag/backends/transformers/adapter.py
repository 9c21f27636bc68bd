"""Adds a LoRA adapter to a model's weights."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any, Final, cast

import torch
from transformers import PreTrainedModel

from ...errors import BackendUnavailableError, ConfigurationError, MissingExtraError, OutputError
from ...installing import install_command
from ...model.checkpoint import Checkpoint
from .model_loading import load_model

__all__ = ["adapter_files", "merge_adapter", "write_merged"]

CONFIG: Final = "adapter_config.json"
WEIGHTS: Final = "adapter_model.safetensors"


def adapter_files(folder: str | Path) -> Path:
    """The folder of an adapter.

    Raises:
        ConfigurationError: If it does not hold one in safetensors; pickles are not opened.
    """
    path = Path(folder).expanduser()
    missing = [name for name in (CONFIG, WEIGHTS) if not (path / name).is_file()]
    if missing:
        raise ConfigurationError(
            f"no adapter: {' and '.join(missing)} not found",
            source=str(folder),
            remedy="Give the folder that `dsocr train -o` wrote.",
        )
    return path


def merge_adapter(model: PreTrainedModel, folder: Path) -> PreTrainedModel:
    """Add an adapter to a model's weights; the sums are made in float32.

    Raises:
        BackendUnavailableError: If it is not one of this model.
        MissingExtraError: If PEFT is missing.
    """
    try:
        from peft import PeftModel
    except ImportError as error:
        raise MissingExtraError(
            "peft is not installed", remedy=f"Install it: {install_command('train')}"
        ) from error
    kept = {name: weight.dtype for name, weight in model.named_parameters()}
    device = next(model.parameters()).device
    try:
        _check_names(model, folder)
        # Rounded once, after the sum, and not before it.
        with warnings.catch_warnings():
            # PEFT asks for an attribute that transformers has renamed.
            warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing")
            changed = cast(
                "Any",
                PeftModel.from_pretrained(model.float(), str(folder), torch_device=str(device)),
            )
        merged = changed.merge_and_unload(safe_merge=True)
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        if isinstance(error, torch.OutOfMemoryError | BackendUnavailableError):
            raise
        raise BackendUnavailableError(
            f"the adapter does not fit this model: {str(error).splitlines()[0][:200]}",
            source=str(folder),
            remedy="Use it with the model that it was trained on.",
        ) from error
    for name, weight in merged.named_parameters():
        weight.data = weight.data.to(kept[name])
        weight.requires_grad_(False)
    return cast("PreTrainedModel", merged.eval())


def _check_names(model: PreTrainedModel, folder: Path) -> None:
    """Refuse an adapter for modules that the model does not have: PEFT may only warn."""
    wanted = json.loads((folder / CONFIG).read_text("utf-8")).get("target_modules") or []
    if not isinstance(wanted, list):
        return
    have = {name for name, _ in model.named_modules()}
    missing = sorted(
        str(name)
        for name in wanted
        if name not in have and not any(each.endswith(f".{name}") for each in have)
    )
    if missing:
        raise ValueError(f"{len(missing)} of its layers are not there, {missing[0]} for example")


def write_merged(checkpoint: Checkpoint, adapter: Path, output: Path) -> Path:
    """Write a checkpoint with the adapter in its weights, in the layout of the original.

    The weights keep the number format that they are stored in.

    Raises:
        OutputError: If it cannot be written, or something is there already.
    """
    if output.exists() and any(output.iterdir() if output.is_dir() else [output]):
        raise OutputError(
            "is there already and not empty", source=str(output), remedy="Name a new folder."
        )
    model = load_model(checkpoint, dtype=_stored_type(checkpoint), device_map={"": "cpu"})
    merged = merge_adapter(model, adapter)
    try:
        merged.save_pretrained(output)
        for name in (
            "config.json",
            "tokenizer_config.json",
            "special_tokens_map.json",
            "processor_config.json",
        ):
            if (checkpoint.folder / name).is_file():
                shutil.copyfile(checkpoint.folder / name, output / name)
        shutil.copyfile(checkpoint.tokenizer, output / "tokenizer.json")
        (output / "generation_config.json").unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot be written ({error.strerror})",
            source=str(output),
            remedy="Check the folder's permissions and the free space.",
        ) from error
    return output


def _stored_type(checkpoint: Checkpoint) -> torch.dtype:
    from safetensors import safe_open

    with safe_open(checkpoint.weights[0], "pt") as file:
        for name in file.keys():  # noqa: SIM118 - no mapping
            kind = file.get_tensor(name).dtype
            if kind in (torch.bfloat16, torch.float16, torch.float32):
                return cast("torch.dtype", kind)
    return torch.bfloat16
