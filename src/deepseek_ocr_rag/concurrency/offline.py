"""Environment variables that keep the libraries in our processes off the network."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["NO_TELEMETRY", "OFFLINE"]

NO_TELEMETRY: Final[Mapping[str, str]] = MappingProxyType(
    {"HF_HUB_DISABLE_TELEMETRY": "1", "DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
)
"""Keeps libraries from reporting how they are used."""

OFFLINE: Final[Mapping[str, str]] = MappingProxyType(
    {**NO_TELEMETRY, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
)
"""Also keeps libraries from asking the Hugging Face hub: models are found, or downloaded
where the user asked for that, before a process starts."""
