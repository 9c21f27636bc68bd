"""Adds a LoRA adapter to a model's weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Final, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from transformers import PreTrainedModel

from ...errors import BackendUnavailableError, ConfigurationError, OutputError
from ...model.checkpoint import Checkpoint
from .model_loading import load_model

__all__ = ["adapter_files", "merge_adapter", "write_merged"]

CONFIG: Final = "adapter_config.json"
WEIGHTS: Final = "adapter_model.safetensors"
DOWN: Final = ".lora_A.weight"
UP: Final = ".lora_B.weight"


def adapter_files(folder: str | Path) -> Path:
    """Check that a folder holds an adapter, and return its path.

    Raises:
        ConfigurationError: If it has no adapter in safetensors; pickles are not opened.
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
    """Add an adapter to a model's weights, in place; the sums are computed in float32.

    PEFT's files are read here and not by PEFT, whose loading does not find the layers of these
    models by their names.

    Raises:
        BackendUnavailableError: If the adapter does not belong to this model, or is of a kind that
            cannot be added.
    """
    try:
        config = json.loads((folder / CONFIG).read_text("utf-8"))
        stored = load_file(folder / WEIGHTS)
        scale = _scale(config)
        modules = dict(model.named_modules())
        downs = [name for name in stored if name.endswith(DOWN)]
        if not downs or 2 * len(downs) != len(stored):
            raise ValueError("it changes more than linear layers (routed experts, for example)")
        with torch.no_grad():
            for name in downs:
                weight = cast("torch.Tensor", modules[_module(name, modules)].weight)
                down = stored[name].to(weight.device, torch.float32)
                up = stored[name.removesuffix(DOWN) + UP].to(weight.device, torch.float32)
                weight.copy_(weight.float() + scale * (up @ down))
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, SafetensorError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise BackendUnavailableError(
            f"the adapter does not fit this model: {str(error).splitlines()[0][:200]}",
            source=str(folder),
            remedy="Use it with the model that it was trained on.",
        ) from error
    return model


def _scale(config: dict[str, Any]) -> float:
    special = [
        key
        for key in ("use_rslora", "use_dora", "rank_pattern", "alpha_pattern")
        if config.get(key)
    ]
    if special:
        raise ValueError(f"it uses {', '.join(special)}")
    return float(config["lora_alpha"]) / int(config["r"])


def _module(name: str, modules: dict[str, Any]) -> str:
    """Find the layer that a stored matrix belongs to, under either of its names."""
    short = name.removeprefix("base_model.model.").removesuffix(DOWN)
    for known in (short, short.replace("model.layers.", "model.language_model.layers.", 1)):
        if known in modules:
            return known
    raise ValueError(f"there is no layer {short}")


def write_merged(checkpoint: Checkpoint, adapter: Path, output: Path) -> Path:
    """Write a checkpoint with the adapter in its weights, in the layout of the original.

    The weights keep the number format that they are stored in.

    Raises:
        OutputError: If it cannot be written, or ``output`` exists and is not an empty folder.
    """
    if output.exists() and any(output.iterdir() if output.is_dir() else [output]):
        raise OutputError(
            "exists already and is not empty", source=str(output), remedy="Name a new folder."
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
    with safe_open(checkpoint.weights[0], "pt") as file:
        for name in file.keys():  # noqa: SIM118 - not a mapping
            kind = file.get_tensor(name).dtype
            if kind in (torch.bfloat16, torch.float16, torch.float32):
                return cast("torch.dtype", kind)
    return torch.bfloat16
