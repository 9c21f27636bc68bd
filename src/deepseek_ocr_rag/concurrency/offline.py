"""What our own processes are told, so that no library in them asks the network for anything."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["NO_TELEMETRY", "OFFLINE"]

NO_TELEMETRY: Final[Mapping[str, str]] = MappingProxyType(
    {"HF_HUB_DISABLE_TELEMETRY": "1", "DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
)
"""Environment variables: no library tells about its use."""

OFFLINE: Final[Mapping[str, str]] = MappingProxyType(
    {
        **NO_TELEMETRY,
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
    }
)
"""The same, and the hub is not asked: models are found, and downloaded where that was
asked for, before a process starts."""
