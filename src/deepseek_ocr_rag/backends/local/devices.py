"""Which cards the engine runs on: :func:`devices_of_environment`, :func:`all_devices`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final, Literal

from ...errors import ConfigurationError

__all__ = ["DEVICES", "all_devices", "checked_devices", "devices_of_environment"]

DEVICES: Final = "DSOCR_DEVICES"
"""The environment variable that names the cards: "all", or names separated by commas."""


def devices_of_environment() -> Literal["all"] | tuple[str, ...] | None:
    """The cards that the environment names; None if it names none."""
    given = os.environ.get(DEVICES, "").strip()
    if given == "all":
        return "all"
    names = tuple(name.strip() for name in given.split(",") if name.strip())
    return names or None


def checked_devices(
    device: str | None, devices: Literal["all"] | Sequence[str] | None
) -> Literal["all"] | tuple[str | None, ...]:
    """The cards that two settings name, of which only one may be given.

    Raises:
        ConfigurationError: If both are given, or they cannot be meant.
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
            f"devices={devices!r} names no cards",
            remedy='Use "all", or a list such as ["cuda:0", "cuda:1"].',
        )
    if not devices:
        raise ConfigurationError("devices is an empty list", remedy='Name a card, or use "all".')
    return tuple(devices)


def all_devices() -> tuple[str | None, ...]:
    """All cards that CUDA shows this process; the default one if it shows none. Imports torch."""
    import torch

    return tuple(f"cuda:{index}" for index in range(torch.cuda.device_count())) or (None,)
