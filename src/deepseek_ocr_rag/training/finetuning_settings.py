"""The settings of a fine-tuning."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import ConfigurationError
from ..model.prompts import mode_named
from .adapters import AdapterSettings

__all__ = ["FineTuning"]


@dataclass(frozen=True, slots=True)
class FineTuning:
    """How to fine-tune.

    Attributes:
        adapter: What the adapter changes.
        mode: Resolution of samples that have none of their own.
        epochs: How often each page is learnt.
        learning_rate: Peak of the learning rate.
        batch: Pages at once in memory.
        accumulate: Batches in one step, of all processes together.
        held_out: Share of the samples to judge by, where the data does not divide them.
        judge_every: Steps between two judgements.
        judged: Most held-out pages, and most pages of the regression set, to use in a judgement.
        patience: Judgements without an improvement after which training ends; 0 never ends it.
        forgetting: Most that the character error rate of the regression set may rise; an adapter
            that forgets more is never kept.
        device: "cpu", "cuda", "cuda:1"; None for the GPU, if there is one.
        gradient_checkpointing: Whether to save memory, at the cost of a third more time.
        seed: The seed of the adapter and of the order of pages.
    """

    adapter: AdapterSettings = field(default_factory=AdapterSettings)
    mode: str = "base"
    epochs: float = 3.0
    learning_rate: float = 2e-4
    batch: int = 1
    accumulate: int = 8
    held_out: float = 0.1
    judge_every: int = 50
    judged: int = 32
    patience: int = 3
    forgetting: float = 0.01
    device: str | None = None
    gradient_checkpointing: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        mode_named(self.mode)
        for name in ("epochs", "learning_rate", "batch", "accumulate", "judge_every", "judged"):
            if not getattr(self, name) > 0:
                raise ConfigurationError(
                    f"{name} is {getattr(self, name)}", remedy="Use more than 0."
                )
        for name in ("patience", "forgetting"):
            if getattr(self, name) < 0:
                raise ConfigurationError(
                    f"{name} is {getattr(self, name)}", remedy="Use 0 or more."
                )
