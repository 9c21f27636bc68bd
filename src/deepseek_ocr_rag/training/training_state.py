"""Keeps the folder of a training: the kept adapter, and what a resumed training needs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..errors import ConfigurationError, OutputError
from ..text.excerpt import first_line
from .targets import EncodedPage

__all__ = [
    "STATE",
    "TrainingNotes",
    "keep_adapter",
    "load_state",
    "pages_digest",
    "save_state",
    "write_errors",
]

STATE: Final = "training_state.safetensors"
MOMENTS: Final = ("step", "exp_avg", "exp_avg_sq")


@dataclass(slots=True)
class TrainingNotes:
    """Where a training stands.

    Attributes:
        data: Digest of everything that it learns from and is judged by.
        step: Steps done.
        best_step: Step of the kept adapter.
        bad: Judgements since that step.
        before: Scores and texts before the training.
        best: Scores and texts of the kept adapter.
        judgements: All judgements, as in ``training.json``.
    """

    data: str
    step: int = 0
    best_step: int = 0
    bad: int = 0
    before: list[list[Any]] = field(default_factory=list)
    best: list[list[Any]] = field(default_factory=list)
    judgements: list[dict[str, Any]] = field(default_factory=list)


def pages_digest(settings: Mapping[str, Any], *sets: Sequence[EncodedPage]) -> str:
    """Compute a digest of settings, and of every token and pixel that is learnt or judged by."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for pages in sets:
        digest.update(f"{len(pages)} ".encode())
        for page in pages:
            digest.update(json.dumps([page.prompt, page.ids]).encode())
            digest.update(page.views.global_view.tobytes())
            digest.update(page.views.tiles.tobytes())
    return digest.hexdigest()


@contextmanager
def write_errors(folder: Path) -> Iterator[None]:
    """Turn errors of the disk into an OutputError that says how to go on."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        # safetensors reports a full disk with its own class of error.
        reason = error.strerror if isinstance(error, OSError) else None
        raise OutputError(
            f"cannot be written ({reason or first_line(error)})",
            source=str(folder),
            remedy="Check the folder's permissions and the free space, then use --resume "
            "(resume=True).",
        ) from error


def keep_adapter(adapter: Any, folder: Path) -> None:  # noqa: ANN401 - of PEFT
    """Replace the kept adapter; a crash or a full disk leaves the old one as it was."""
    with write_errors(folder), TemporaryDirectory(dir=folder, prefix="adapter-") as place:
        # Embeddings are unchanged; without this, PEFT would ask the hub about them.
        adapter.save_pretrained(place, save_embedding_layers=False)
        for path in sorted(Path(place).iterdir()):
            path.replace(folder / path.name)


def save_state(
    folder: Path,
    weights: Mapping[str, Tensor],
    optimizer: torch.optim.Optimizer,
    notes: TrainingNotes,
) -> None:
    """Write the state; a crash leaves the old one."""
    tensors = {f"weight:{name}": weight.detach().cpu() for name, weight in weights.items()}
    for name, weight in weights.items():
        for key, value in optimizer.state.get(weight, {}).items():
            tensors[f"{key}:{name}"] = torch.as_tensor(value).detach().cpu()
    noted = {name: getattr(notes, name) for name in TrainingNotes.__slots__}
    part = folder / f"{STATE}.part"
    with write_errors(folder):
        save_file(tensors, part, {"state": json.dumps(noted)})
        part.replace(folder / STATE)


def load_state(
    folder: Path,
    weights: Mapping[str, Tensor],
    optimizer: torch.optim.Optimizer,
    data: str,
) -> TrainingNotes:
    """Load a stored state into weights and optimizer.

    Raises:
        ConfigurationError: If the state belongs to other data, settings or weights.
        OutputError: If it cannot be read.
    """
    path = folder / STATE
    try:
        with safe_open(path, "pt") as stored:
            notes = TrainingNotes(**json.loads((stored.metadata() or {})["state"]))
            if notes.data == data:
                _restore(stored, weights, optimizer if notes.step else None)
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise OutputError(
            f"cannot be read: {str(error)[:200]}",
            source=str(path),
            remedy="Begin again in a new folder.",
        ) from error
    if notes.data != data:
        raise ConfigurationError(
            "the data or the settings are not those that this training began with",
            source=str(folder),
            remedy="Resume with the same ones, or begin in a new folder.",
        )
    return notes


def _restore(
    stored: Any,  # noqa: ANN401 - a file of safetensors
    weights: Mapping[str, Tensor],
    optimizer: torch.optim.Optimizer | None,
) -> None:
    """Restore the weights, and the moments if there was a step."""
    for name, weight in weights.items():
        weight.data.copy_(stored.get_tensor(f"weight:{name}"))
        if optimizer is not None:
            optimizer.state[weight] = {
                key: stored.get_tensor(f"{key}:{name}").to(
                    weight.device if key != "step" else "cpu"
                )
                for key in MOMENTS
            }
