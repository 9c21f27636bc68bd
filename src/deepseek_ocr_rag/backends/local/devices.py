"""Finds out which cards the engine runs on, from the settings and the environment."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final, Literal

from ...errors import ConfigurationError

__all__ = ["DEVICES", "all_devices", "checked_devices", "devices_of_environment"]

DEVICES: Final = "DSOCR_DEVICES"
"""The environment variable that names the cards: "all", or names separated by commas."""


def devices_of_environment() -> Literal["all"] | tuple[str, ...] | None:
    """Return the cards that the environment names; None if it names none."""
    given = os.environ.get(DEVICES, "").strip()
    if given == "all":
        return "all"
    names = tuple(name.strip() for name in given.split(",") if name.strip())
    return names or None


def checked_devices(
    device: str | None, devices: Literal["all"] | Sequence[str] | None
) -> Literal["all"] | tuple[str | None, ...]:
    """Return the cards that the settings ``device`` and ``devices`` name.

    Raises:
        ConfigurationError: If both are given, or ``devices`` does not name cards.
    """
    if devices is None:
        return (device,)
    if device is not None:
        raise ConfigurationError(
            "device and devices are both given", remedy="Leave one of them out."
        )
    if devices == "all":
        return "all"
    if isinstance(devices, str) or not all(isinstance(name, str) and name for name in devices):
        raise ConfigurationError(
            f"devices={devices!r} does not name cards",
            remedy='Use "all", or a list such as ["cuda:0", "cuda:1"].',
        )
    if not devices:
        raise ConfigurationError("devices is an empty list", remedy='Name a card, or use "all".')
    return tuple(devices)


def all_devices() -> tuple[str | None, ...]:
    """Return all cards that CUDA shows this process; the default one if none. Imports torch."""
    import torch

    return tuple(f"cuda:{index}" for index in range(torch.cuda.device_count())) or (None,)
