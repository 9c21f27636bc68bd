"""What a model's text depends on besides the page, as one line of text."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

__all__ = ["fingerprint", "model_files"]

_WEIGHTS: Final = ("config.json", "tokenizer.json", "*.safetensors", "*.py")


def fingerprint(**settings: object) -> str:
    """Settings as text, the same for the same settings in every process.

    Args:
        settings: Numbers, texts, None, sets and whatever has a ``repr`` that says it all.
    """
    return json.dumps(_ordered(settings))


def model_files(model: str | os.PathLike[str], revision: str | None) -> str:
    """Which weights a model's name stands for now.

    A folder is told by its files' names, sizes and times of change; an id on the
    hub by its commit, without which it is one that is pinned in this package.
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
