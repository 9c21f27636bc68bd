"""Describes in one string what a model's text depends on besides the page."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

__all__ = ["fingerprint", "model_files"]

_WEIGHTS: Final = ("config.json", "tokenizer.json", "*.safetensors", "*.py")


def fingerprint(**settings: object) -> str:
    """Return settings as JSON: the same text for equal settings in every process.

    Values may be numbers, strings, None, sets, mappings, dataclasses, or objects whose ``repr``
    identifies them.
    """
    return json.dumps(_ordered(settings))


def model_files(model: str | os.PathLike[str], revision: str | None) -> str:
    """Identify the weights that a model's name stands for at the moment.

    A folder is identified by its path and its files' names, sizes and modification times; a hub
    id by its commit, or by the commit that this package pins.
    """
    folder = Path(model).expanduser()
    if not folder.is_dir():
        return f"{model}@{revision or 'pinned'}"
    files = sorted({path for pattern in _WEIGHTS for path in folder.glob(pattern)})
    found = [
        (path.name, status.st_size, status.st_mtime_ns)
        for path in files
        for status in [path.stat()]
    ]
    return f"{folder.resolve()}:{found}"


def _ordered(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(name): _ordered(value[name]) for name in sorted(value, key=str)}
    if isinstance(value, set | frozenset):
        return sorted(map(repr, value))
    if value is None or isinstance(value, str | int | float):
        return value
    slots = getattr(type(value), "__dataclass_fields__", None)
    if slots is not None:
        return {name: _ordered(getattr(value, name)) for name in slots}
    return repr(value)
