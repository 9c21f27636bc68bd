"""Backends by the text that users write: ``--backend ollama/deepseek-ocr:3b``."""

from __future__ import annotations

import logging
import os
from typing import Final

from ..errors import ConfigurationError
from .auto import choose_backend
from .base import Backend
from .local.backend import LocalBackend
from .official.backend import OfficialBackend
from .remote.ollama import OllamaBackend
from .remote.server import ServerBackend
from .replay import ReplayBackend
from .transformers.backend import TransformersBackend

__all__ = ["CHOICES", "backend_named"]

CHOICES: Final = (
    "auto",
    "lite",
    "ollama",
    "ollama/<model>",
    "server",
    "server:<base url>",
    "local",
    "local:<folder or hub id>",
    "transformers",
    "transformers:<folder or hub id>",
    "official:<folder or hub id>",
    "replay:<file>",
)
"""What :func:`backend_named` understands."""

DEFAULT_SERVER: Final = "http://127.0.0.1:8000/v1"
"""Where ``dsocr serve-command`` starts one."""

DEFAULT_MODEL: Final = "deepseek-ocr"
"""Which model this process runs, unless ``DSOCR_MODEL`` names a folder or hub id."""

_log = logging.getLogger("deepseek_ocr_rag")


def backend_named(spec: str, *, allow_remote_code: bool = False) -> Backend:
    """The backend that a text names; it belongs to the caller, who closes it.

    Args:
        spec: One of :data:`CHOICES`. "server" is the one in
            ``DSOCR_SERVER_URL``, else port 8000 of this machine; "local" and
            "transformers" run the model in ``DSOCR_MODEL``, else DeepSeek-OCR. What "auto"
            chose, and why, is logged. "official" runs in the interpreter that
            ``DSOCR_OFFICIAL_PYTHON`` names, else in this one's.
        allow_remote_code: Whether "official" may run the code in its folder.

    Raises:
        ConfigurationError: If it names nothing.
        BackendError: If the backend cannot work here.

    Example:
        >>> backend_named("server:http://127.0.0.1:8000").name
        'server'
    """
    kind, separator, rest = spec.partition(":")
    if spec == "auto":
        choice = choose_backend()
        _log.info("backend %s: %s", choice.backend.name, choice.reason)
        return choice.backend
    if spec == "lite":
        from .lite.backend import LiteBackend

        return LiteBackend()
    if spec == "ollama":
        return OllamaBackend()
    if spec.startswith("ollama/") and spec != "ollama/":
        return OllamaBackend(spec.removeprefix("ollama/"))
    if spec == "server":
        return ServerBackend(os.environ.get("DSOCR_SERVER_URL") or DEFAULT_SERVER)
    if kind == "server" and separator and rest:
        return ServerBackend(rest)
    if spec == "local":
        return LocalBackend(os.environ.get("DSOCR_MODEL") or DEFAULT_MODEL)
    if kind == "local" and separator and rest:
        return LocalBackend(rest)
    if spec == "transformers":
        return TransformersBackend(os.environ.get("DSOCR_MODEL") or DEFAULT_MODEL)
    if kind == "transformers" and separator and rest:
        return TransformersBackend(rest)
    if kind == "official" and separator and rest:
        return OfficialBackend(
            rest,
            allow_remote_code=allow_remote_code,
            python=os.environ.get("DSOCR_OFFICIAL_PYTHON") or None,
        )
    if kind == "replay" and separator and rest:
        return ReplayBackend.from_file(rest)
    raise ConfigurationError(
        f"there is no backend {spec!r}", remedy=f"Choose one of {', '.join(CHOICES)}."
    )
