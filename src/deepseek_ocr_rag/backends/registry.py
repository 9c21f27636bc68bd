"""Makes a backend from the name that a user writes, such as ``ollama/deepseek-ocr:3b``."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from typing import Final

from ..errors import ConfigurationError
from .auto import choose_backend, lite_backend
from .base import Backend
from .local.backend import LocalBackend
from .official.backend import OfficialBackend
from .remote.ollama import OllamaBackend
from .remote.server import ServerBackend
from .replay import ReplayBackend
from .transformers.backend import TransformersBackend

__all__ = ["CHOICES", "backend_named"]

DEFAULT_SERVER: Final = "http://127.0.0.1:8000/v1"
"""The address of a server that ``dsocr serve-command`` starts."""

DEFAULT_MODEL: Final = "deepseek-ocr"
"""The model that this process runs, unless ``DSOCR_MODEL`` names a folder or hub id."""

_log = logging.getLogger("deepseek_ocr_rag")


def _auto() -> Backend:
    choice = choose_backend()
    _log.info("backend %s: %s", choice.backend.name, choice.reason)
    return choice.backend


def _official(model: str, allow_remote_code: bool) -> Backend:
    python = os.environ.get("DSOCR_OFFICIAL_PYTHON") or None
    return OfficialBackend(model, allow_remote_code=allow_remote_code, python=python)


_FACTORIES: Final[Mapping[str, Callable[[str, bool], Backend]]] = {
    "auto": lambda _, __: _auto(),
    "lite": lambda _, __: lite_backend(),
    "ollama": lambda _, __: OllamaBackend(),
    "ollama/<model>": lambda model, _: OllamaBackend(model),
    "server": lambda _, __: ServerBackend(os.environ.get("DSOCR_SERVER_URL") or DEFAULT_SERVER),
    "server:<base url>": lambda url, _: ServerBackend(url),
    "local": lambda _, __: LocalBackend(os.environ.get("DSOCR_MODEL") or DEFAULT_MODEL),
    "local:<folder or hub id>": lambda model, _: LocalBackend(model),
    "transformers": lambda _, __: TransformersBackend(
        os.environ.get("DSOCR_MODEL") or DEFAULT_MODEL
    ),
    "transformers:<folder or hub id>": lambda model, _: TransformersBackend(model),
    "official": lambda _, allowed: _official(
        os.environ.get("DSOCR_MODEL") or DEFAULT_MODEL, allowed
    ),
    "official:<folder or hub id>": _official,
    "replay:<file>": lambda path, _: ReplayBackend.from_file(path),
}
"""For each form, what makes the backend, from the text in place of ``<...>`` and from
``allow_remote_code``."""

CHOICES: Final = tuple(_FACTORIES)
"""What :func:`backend_named` understands."""


def backend_named(spec: str, *, allow_remote_code: bool = False) -> Backend:
    """Make the backend that one of :data:`CHOICES` names; the caller owns and closes it.

    "server" is the one in ``DSOCR_SERVER_URL``, else port 8000 of this machine; "local",
    "transformers" and "official" run the model in ``DSOCR_MODEL``, else DeepSeek-OCR. "auto" logs
    what it chose, and why. "official" runs in the interpreter that ``DSOCR_OFFICIAL_PYTHON``
    names, else in the current one; ``allow_remote_code`` says whether it may run the code in its
    folder.
    """
    for form, make in _FACTORIES.items():
        prefix, argument, _ = form.partition("<")
        rest = spec.removeprefix(prefix)
        if spec == form if not argument else spec.startswith(prefix) and rest:
            return make(rest, allow_remote_code)
    raise ConfigurationError(
        f"there is no backend {spec!r}", remedy=f"Choose one of {', '.join(CHOICES)}."
    )
