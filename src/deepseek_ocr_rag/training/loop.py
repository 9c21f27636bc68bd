"""The training loop: gradients, clipping, a learning rate that warms up and falls."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

import torch
from torch import Tensor

__all__ = ["LoopSettings", "rate", "train"]


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """Settings of the training loop.

    Attributes:
        warmup: Share of the training in which the learning rate rises.
        last: What the learning rate falls to, as a share of its peak.
        clip: Largest norm of the gradients of all weights together.
        accumulate: Losses that are added up for one step.
        ramp: Steps, counted from ``ramp_from`` of :func:`train`, in which the rate rises to its
            scheduled value, because an optimizer without history takes steps that are too large.
    """

    warmup: float = 0.03
    last: float = 0.02
    clip: float = 1.0
    accumulate: int = 1
    ramp: int = 1


def rate(progress: float, settings: LoopSettings) -> float:
    """Return the learning rate as a share of its peak: a straight rise, then half a cosine.

    ``progress`` is the share of the training that is done, 0..1.
    """
    if progress < settings.warmup:
        return (progress + 1e-3) / (settings.warmup + 1e-3)
    done = (progress - settings.warmup) / max(1e-9, 1 - settings.warmup)
    return settings.last + (1 - settings.last) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def train(
    gradients_of: Callable[[int], Tensor],
    optimizers: Sequence[torch.optim.Optimizer],
    *,
    progress: Callable[[int], float],
    settings: LoopSettings,
    after_step: Callable[[int, Tensor], bool],
    before_step: Callable[[], None] = lambda: None,
    first_step: int = 0,
    ramp_from: int | None = None,
) -> int:
    """Train until it is done or told to stop.

    Args:
        gradients_of: Adds the gradients of the n-th batch, counted from 0, to those of the weights,
            divided by ``settings.accumulate``; returns its (detached) loss.
        optimizers: Their groups hold all trained weights, with peak learning rates.
        progress: Share of the training that is done before a step; at 1 it ends.
        settings: Learning rates, clipping.
        after_step: Called with a step's number and its (detached) mean loss; True ends the training.
        before_step: Called when a step's gradients are complete, before they are clipped.
        first_step: The number of the first step, after a resume.
        ramp_from: The step that the ramp is counted from; None counts from the first one.

    Returns:
        The number of steps done, those before ``first_step`` included.
    """
    peaks = [[group["lr"] for group in each.param_groups] for each in optimizers]
    weights = [
        weight for each in optimizers for group in each.param_groups for weight in group["params"]
    ]
    start = first_step if ramp_from is None else ramp_from
    for step in count(first_step):
        done = progress(step)
        if done >= 1:
            return step
        factor = rate(done, settings) * min(1.0, (step - start + 1) / settings.ramp)
        for each, before in zip(optimizers, peaks, strict=True):
            for group, peak in zip(each.param_groups, before, strict=True):
                group["lr"] = peak * factor
        # Losses are summed on their device: copying them to another one would wait for the gradients.
        losses = [
            gradients_of(step * settings.accumulate + part) / settings.accumulate
            for part in range(settings.accumulate)
        ]
        total = torch.stack(losses).sum(dim=0)
        before_step()
        torch.nn.utils.clip_grad_norm_(weights, settings.clip)
        for each in optimizers:
            each.step()
            each.zero_grad()
        if after_step(step, total):
            return step + 1
    raise AssertionError("count() does not end")
