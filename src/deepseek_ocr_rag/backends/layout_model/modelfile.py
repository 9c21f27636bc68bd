"""Reads a model's files and parameters from what ``/api/show`` says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

from ...errors import BackendReplyError

__all__ = ["blob_digest", "model_paths", "parameters"]

_FROM = re.compile(r"^FROM[ \t]+(\S.*)$", re.MULTILINE)
_BLOB = re.compile(r"sha256[-:]([0-9a-f]{64})\Z")
_PARAMETER = re.compile(r"(\S{1,100})\s+(.+)")

MOST_FILES: Final = 8


def model_paths(modelfile: str) -> tuple[Path, ...]:
    """Return the paths of a model's files.

    Raises:
        BackendReplyError: If the modelfile does not name any.
    """
    paths = [Path(text.rstrip(" \t").strip("\"'")) for text in _FROM.findall(modelfile)]
    if not 0 < len(paths) <= MOST_FILES or not all(blob_digest(path) for path in paths):
        raise BackendReplyError(
            "Ollama does not name the model's file",
            remedy="Update Ollama, or pull the model again.",
        )
    return tuple(paths)


def blob_digest(path: Path) -> str:
    """Return the digest in the name of one of Ollama's files; "" if it is not such a name."""
    # The path may be of another system, with another separator.
    found = _BLOB.search(str(path))
    return f"sha256:{found[1]}" if found else ""


def parameters(text: str) -> dict[str, object]:
    """Convert the parameters that ``/api/show`` lists to those that ``/api/create`` takes."""
    found: dict[str, list[object]] = {}
    for line in filter(str.strip, text.splitlines()):
        match = _PARAMETER.fullmatch(line.strip())
        if match is None:
            raise BackendReplyError(f"the model's parameter {line.strip()[:80]!r} cannot be read")
        found.setdefault(match[1], []).append(_value(match[2]))
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _value(text: str) -> object:
    try:
        value: object = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str | int | float) else text
