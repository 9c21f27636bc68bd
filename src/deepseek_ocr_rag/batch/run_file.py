"""Keeps ``run.json``, which describes a run and the time of each of its starts: :class:`RunFile`."""

from __future__ import annotations

import json
import time
from typing import Any, Final

from ..errors import ConfigurationError
from ..version import __version__
from .batch_settings import BatchSettings
from .storage.run_folder import RunFolder

__all__ = ["RUN_FILE", "RunFile"]

RUN_FILE: Final = "run.json"

NOTE_SECONDS: Final = 60.0
"""Seconds between two notes of the time; the length of a killed start is known to within this."""


class RunFile:
    """Records in the folder which run it belongs to, and how long its cards have worked.

    Args:
        folder: The folder of the run.
        settings: How to read.
        manifest: The manifest, as it was named.
        engine: What runs the reading.

    Raises:
        ConfigurationError: If the folder belongs to a run with other settings.
        OutputError: If it cannot be read or written.
    """

    def __init__(
        self, folder: RunFolder, settings: BatchSettings, manifest: str, engine: str
    ) -> None:
        self.manifest = manifest
        self._folder = folder
        self._begun = self._noted = time.time()
        self._starts: list[dict[str, Any]] = []
        self._head = {
            "manifest": manifest,
            "engine": engine,
            "configuration": settings.configuration,
            "settings": settings.to_dict(),
            "version": __version__,
            "begun": self._begun,
        }
        if folder.exists(RUN_FILE):
            earlier = folder.read_json(RUN_FILE)
            if earlier.get("configuration") != settings.configuration:
                raise ConfigurationError(
                    f"{folder.uri} holds a run with other settings ({_difference(earlier, self._head)})",
                    remedy="Choose an empty folder, or give the settings of its run.json.",
                )
            self._starts = [each for each in earlier.get("starts", ()) if _is_start(each)]

    @property
    def seconds(self) -> float:
        """Seconds since this start."""
        return time.time() - self._begun

    @property
    def starts(self) -> int:
        """How often the run was started, including this time."""
        return len(self._starts) + 1

    @property
    def earlier_card_seconds(self) -> float:
        """Seconds of all cards in the starts before this one."""
        return sum(float(each["seconds"] * each["cards"]) for each in self._starts)

    def note(self, cards: int) -> None:
        """Record, now and then, how long the run has taken so far."""
        if time.time() - self._noted >= NOTE_SECONDS:
            self.write(cards, {"state": "running"})

    def write(self, cards: int, values: dict[str, Any]) -> None:
        """Write the file.

        Args:
            cards: Cards, or reading processes, of this start.
            values: What is known of the run.
        """
        self._noted = time.time()
        this = {"begun": self._begun, "seconds": self.seconds, "cards": cards}
        self._folder.write_json(RUN_FILE, {**self._head, **values, "starts": [*self._starts, this]})


def _is_start(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    return all(isinstance(value.get(name), int | float) for name in ("seconds", "cards"))


def _difference(earlier: dict[str, Any], now: dict[str, Any]) -> str:
    """The settings that differ, worded for people."""
    before, after = earlier.get("settings"), now["settings"]
    if not isinstance(before, dict):
        return "unknown"
    differing = [
        f"{name}: {before.get(name)} there, {value} now"
        for name, value in after.items()
        if before.get(name) != value and name not in ("limits", "urls")
    ]
    differing += [
        name
        for name in ("limits", "urls")
        if json.dumps(before.get(name), sort_keys=True) != json.dumps(after[name], sort_keys=True)
    ]
    if earlier.get("version") != now["version"]:
        differing.append(f"version {earlier.get('version', 'unknown')} there, {now['version']} now")
    return "; ".join(differing) or "unknown"
