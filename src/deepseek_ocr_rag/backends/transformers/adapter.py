"""Adds a LoRA adapter to a model's weights."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from ...errors import BackendUnavailableError, ConfigurationError, OutputError
from ...model.checkpoint import Checkpoint
from ...text.excerpt import first_line
from .model_loading import load_model

__all__ = ["adapter_files", "merge_adapter", "write_merged"]

CONFIG: Final = "adapter_config.json"
WEIGHTS: Final = "adapter_model.safetensors"
DOWN: Final = ".lora_A.weight"
UP: Final = ".lora_B.weight"
NESTED: Final = ".base_layer"
COPIED: Final = (
    "config.json",
    "model.safetensors.index.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "processor_config.json",
)


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
        downs = [name for name in stored if name.endswith(DOWN)]
        if not downs or 2 * len(downs) != len(stored):
            raise ValueError("it changes more than linear layers and routed experts")
        modules = dict(model.named_modules())
        with torch.no_grad():
            for name in downs:
                up = stored[name.removesuffix(DOWN) + UP]
                for weight, change in _changes(name, modules, stored[name], up):
                    weight.copy_(weight.float() + scale * change)
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, SafetensorError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise BackendUnavailableError(
            f"the adapter does not fit this model: {first_line(error)[:200]}",
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


def _changes(
    name: str, modules: dict[str, Any], down: Tensor, up: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the matrices that a stored pair changes, each with its change before scaling."""
    module = modules[_module(name, modules)]
    if isinstance(module, nn.Linear):
        weight = module.weight
        yield weight, _float(up, weight) @ _float(down, weight)
        return
    # The routed experts of a layer: (experts, out, in). The pair holds all experts' ranks, those of
    # one expert together in the first matrix, and of one rank together in the second.
    weight = _experts(name, module, down, up)
    down = _float(down, weight).reshape(len(weight), -1, down.shape[1])
    up = _float(up, weight).reshape(up.shape[0], -1, len(weight))
    for number, expert in enumerate(weight):
        yield expert, up[:, :, number] @ down[number]


def _float(stored: Tensor, weight: Tensor) -> Tensor:
    return stored.to(weight.device, torch.float32)


def _experts(name: str, module: nn.Module, down: Tensor, up: Tensor) -> Tensor:
    """Find the tensor of a layer's experts that a pair changes by its shape: PEFT stores no name."""
    fits = [
        weight.data
        for weight in module.parameters(recurse=False)
        if weight.ndim == 3
        and weight.shape[1:] == (up.shape[0], down.shape[1])
        and down.shape[0] == up.shape[1]
        and down.shape[0] % len(weight) == 0
    ]
    if len(fits) != 1:
        raise ValueError(f"{name.removesuffix(DOWN)} fits {len(fits)} tensors of its layer")
    return fits[0]


def _module(name: str, modules: dict[str, Any]) -> str:
    """Find the layer that a stored matrix belongs to, under either of its names."""
    short = name.removeprefix("base_model.model.").removesuffix(DOWN)
    while short.endswith(NESTED):  # one for each of several tensors of a layer
        short = short.removesuffix(NESTED)
    for known in (short, short.replace("model.layers.", "model.language_model.layers.", 1)):
        if known in modules:
            return known
    raise ValueError(f"there is no layer {short}")


def write_merged(checkpoint: Checkpoint, adapter: Path, output: Path) -> Path:
    """Write a checkpoint with the adapter in its weights, in the layout of the original.

    The files hold the same tensors as those of the original, in the same number formats.

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
        output.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=output) as place:
            merged.save_pretrained(place)
            _write_like(checkpoint, sorted(Path(place).glob("*.safetensors")), output)
        for name in COPIED:
            if (checkpoint.folder / name).is_file():
                shutil.copyfile(checkpoint.folder / name, output / name)
        shutil.copyfile(checkpoint.tokenizer, output / "tokenizer.json")
    except (OSError, SafetensorError) as error:
        # The library that writes the weights reports a full disk in an error of its own.
        reason = error.strerror if isinstance(error, OSError) else None
        raise OutputError(
            f"cannot be written ({reason or first_line(error)})",
            source=str(output),
            remedy="Check the folder's permissions and the free space.",
        ) from error
    return output


def _write_like(checkpoint: Checkpoint, merged: Sequence[Path], output: Path) -> None:
    """Write the checkpoint's files again, with the merged tensors in them.

    Tensors that transformers does not load, because nothing uses them, are kept: other programs
    refuse a checkpoint without them.
    """
    with ExitStack() as opened:
        files = [opened.enter_context(safe_open(path, "pt")) for path in merged]
        found = {name: file for file in files for name in file.keys()}  # noqa: SIM118 - not a mapping
        for path in checkpoint.weights:
            original = opened.enter_context(safe_open(path, "pt"))
            tensors = {}
            for name in original.keys():  # noqa: SIM118 - not a mapping
                tensor = original.get_tensor(name)
                if name in found:
                    tensor = found.pop(name).get_tensor(name).to(tensor.dtype)
                tensors[name] = tensor
            save_file(tensors, output / path.name, original.metadata())
    if found:
        raise BackendUnavailableError(
            f"transformers names {min(found)}, which the original does not have",
            source=checkpoint.name,
            remedy="Use the published files.",
        )


def _stored_type(checkpoint: Checkpoint) -> torch.dtype:
    with safe_open(checkpoint.weights[0], "pt") as file:
        for name in file.keys():  # noqa: SIM118 - not a mapping
            kind = file.get_tensor(name).dtype
            if kind in (torch.bfloat16, torch.float16, torch.float32):
                return cast("torch.dtype", kind)
    return torch.bfloat16
