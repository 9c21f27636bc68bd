"""Makes a backend from the name that a user writes, such as ``ollama/deepseek-ocr:3b``."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from .. import backends  # each of which is imported when it is first named
from ..errors import ConfigurationError
from ..setting_names import near_name
from .base import Backend

__all__ = ["CHOICES", "backend_named"]

DEFAULT_SERVER: Final = "http://127.0.0.1:8000/v1"
"""The address of a server that ``dsocr serve-command`` starts."""

DEFAULT_MODEL: Final = "deepseek-ocr"
"""The model that this process runs, unless ``DSOCR_MODEL`` names a folder or hub id."""

_log = logging.getLogger("deepseek_ocr_rag")


@dataclass(frozen=True, slots=True)
class _Allowed:
    """What the user allowed."""

    remote_code: bool = False  # to run the code that comes with the weights
    remote: bool = False  # to send pages to an Ollama on another machine


def _auto() -> Backend:
    from .auto import choose_backend

    choice = choose_backend()
    _log.info("backend %s: %s", choice.backend.name, choice.reason)
    return choice.backend


def _local(model: str) -> Backend:
    from .local.devices import devices_of_environment

    return backends.LocalBackend(model, devices=devices_of_environment())


def _official(model: str, allowed: _Allowed) -> Backend:
    python = os.environ.get("DSOCR_OFFICIAL_PYTHON") or None
    return backends.OfficialBackend(model, allow_remote_code=allowed.remote_code, python=python)


def _server(url: str) -> Backend:
    return backends.ServerBackend(url)


def _transformers(model: str) -> Backend:
    return backends.TransformersBackend(model)


def _wanted_model() -> str:
    return os.environ.get("DSOCR_MODEL") or DEFAULT_MODEL


_FACTORIES: Final[Mapping[str, Callable[[str, _Allowed], Backend]]] = {
    "auto": lambda _, __: _auto(),
    "lite": lambda _, __: backends.LiteBackend(),
    "ollama": lambda _, allowed: backends.OllamaBackend(allow_remote=allowed.remote),
    "ollama/<model>": lambda model, allowed: backends.OllamaBackend(
        model, allow_remote=allowed.remote
    ),
    "server": lambda _, __: _server(os.environ.get("DSOCR_SERVER_URL") or DEFAULT_SERVER),
    "server:<base url>": lambda url, _: _server(url),
    "local": lambda _, __: _local(_wanted_model()),
    "local:<folder or hub id>": lambda model, _: _local(model),
    "transformers": lambda _, __: _transformers(_wanted_model()),
    "transformers:<folder or hub id>": lambda model, _: _transformers(model),
    "official": lambda _, allowed: _official(_wanted_model(), allowed),
    "official:<folder or hub id>": _official,
    "replay:<file>": lambda path, _: backends.ReplayBackend.from_file(path),
}
"""By form of the name: a function that makes the backend.

It takes the text in place of ``<...>`` and what the user allowed.
"""

CHOICES: Final = tuple(_FACTORIES)
"""The forms of a name that :func:`backend_named` understands."""


def backend_named(
    spec: str, *, allow_remote_code: bool = False, allow_remote: bool = False
) -> Backend:
    """Make the backend that one of :data:`CHOICES` names; the caller owns and closes it.

    "auto" logs what it chose, and why. "server" is the one in ``DSOCR_SERVER_URL``, else port 8000
    of this machine. "local", "transformers" and "official" run the model in ``DSOCR_MODEL``, else
    DeepSeek-OCR: "local" on the cards in ``DSOCR_DEVICES``, else on the first; "official" in the
    interpreter that ``DSOCR_OFFICIAL_PYTHON`` names, else in the current one.

    Args:
        spec: One of the choices, with a value in place of ``<...>``.
        allow_remote_code: Whether "official" may run the code that comes with the weights.
        allow_remote: Whether "ollama" may be on another machine.

    Raises:
        ConfigurationError: If there is no such backend, or its value is invalid.
        BackendError: If a recording cannot be read, or Ollama is on another machine that is not
            allowed.
    """
    allowed = _Allowed(allow_remote_code, allow_remote)
    for form, make in _FACTORIES.items():
        prefix, argument, _ = form.partition("<")
        rest = spec.removeprefix(prefix)
        if spec == form if not argument else spec.startswith(prefix) and rest:
            return make(rest, allowed)
    if spec.partition(":")[0] == "service":
        raise ConfigurationError(
            "a service is not a backend of this process",
            remedy="Use ServiceReader('http://host:8765') in place of a Reader.",
        )
    near = near_name(
        re.split("[:/]", spec)[0], {form.split("<")[0].rstrip(":/") for form in CHOICES}
    )
    meant = f"Did you mean {near!r}? " if near else ""
    raise ConfigurationError(
        f"there is no backend {spec!r}", remedy=f"{meant}Choose one of {', '.join(CHOICES)}."
    )
