"""Makes LoRA adapters with PEFT, and decides which weights they change."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import nn
from transformers import PreTrainedModel

from ..errors import ConfigurationError, MissingExtraError
from ..installing import install_command

__all__ = ["TARGETS", "AdapterSettings", "add_adapter", "recompute_activations", "target_names"]

DECODER: Final = "model.language_model.layers."
TARGETS: Final = ("attention", "mlp", "shared", "experts", "projector", "vision")
"""Groups of weights. ``experts`` are the routed ones, ``vision`` both towers."""

_PROJECTIONS = ("gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True, slots=True)
class AdapterSettings:
    """Says what an adapter may change, and how much.

    Attributes:
        targets: Groups out of :data:`TARGETS`.
        rank: Rank of the changes.
        alpha: The changes are multiplied by ``alpha / rank``.
        dropout: Share of the inputs that is zeroed while training; 0 with ``experts``.
    """

    targets: tuple[str, ...] = ("attention", "mlp", "shared")
    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0

    def __post_init__(self) -> None:
        unknown = sorted(set(self.targets) - set(TARGETS))
        if unknown or not self.targets:
            raise ConfigurationError(
                f"there are no targets {', '.join(unknown)}"
                if unknown
                else "no targets were named",
                remedy=f"Choose some of {', '.join(TARGETS)}.",
            )
        if self.rank < 1 or self.alpha < 1 or not 0 <= self.dropout < 1:
            raise ConfigurationError(
                f"rank {self.rank}, alpha {self.alpha}, dropout {self.dropout} cannot be used",
                remedy="Use a rank and an alpha of at least 1, and a dropout from 0 to below 1.",
            )
        if self.dropout and "experts" in self.targets:
            raise ConfigurationError(
                "the routed experts cannot be trained with dropout",
                remedy="Use a dropout of 0, or leave the target experts out.",
            )


def _group(name: str, module: nn.Module) -> str | None:
    """Return the group of a linear layer; None for a layer that is never changed."""
    last = name.rpartition(".")[2]
    if name.startswith("model.vision_tower."):
        return "vision"
    if name == "model.multi_modal_projector":
        return "projector"
    if not name.startswith(DECODER):
        return None
    if ".self_attn." in name:
        return "attention"
    if ".shared_experts." in name and last in _PROJECTIONS:
        return "shared"
    return "mlp" if name.endswith(tuple(f".mlp.{each}" for each in _PROJECTIONS)) else None


def target_names(model: PreTrainedModel, targets: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Return the names of the modules and of the parameters that adapters of these groups change.

    Raises:
        ConfigurationError: If a group matches nothing in this model.
    """
    found: dict[str, list[str]] = {target: [] for target in targets}
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and (group := _group(name, module)) in found:
            found[str(group)].append(name)
    if "experts" in found:
        # transformers keeps the routed experts of a layer as two tensors.
        found["experts"] = [
            name
            for name, _ in model.named_parameters()
            if name.startswith(DECODER)
            and name.endswith(("experts.gate_up_proj", "experts.down_proj"))
        ]
    empty = [target for target, names in found.items() if not names]
    if empty:
        raise ConfigurationError(
            f"the targets {', '.join(empty)} match nothing in this model",
            remedy="Leave them out.",
        )
    modules = [name for target, names in found.items() if target != "experts" for name in names]
    return modules, found.get("experts", [])


def add_adapter(model: PreTrainedModel, settings: AdapterSettings) -> Any:  # noqa: ANN401 - of PEFT
    """Put an untrained adapter into a model; all other weights are frozen.

    Returns:
        PEFT's model. The same ``model`` inside it has the adapter's layers.

    Raises:
        ConfigurationError: If a target matches nothing.
        MissingExtraError: If PEFT is missing.
    """
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise MissingExtraError(
            "peft is not installed", remedy=f"Install it: {install_command('train')}"
        ) from error
    modules, parameters = target_names(model, settings.targets)
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=modules,
        target_parameters=parameters or None,
        bias="none",
    )
    with warnings.catch_warnings():
        # PEFT asks for an attribute that transformers has renamed.
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing")
        made = get_peft_model(model, config)
    for weight in made.parameters():
        if weight.requires_grad:
            weight.data = weight.data.to(torch.float32)
    return made


def recompute_activations(model: PreTrainedModel) -> None:
    """Save memory: keep only the inputs of each layer, and recompute the rest for the gradients."""
    enable = getattr(
        model, "activation_checkpointing_enable", model.gradient_checkpointing_enable
    )  # renamed in transformers 5.2x
    enable({"use_reentrant": False})
