"""Decides which language models a question may name: :class:`AnswerModels`."""

from __future__ import annotations

import threading
import time
from typing import Final

from ..answering.models.installed_models import InstalledModels, installed_models
from ..errors import ConfigurationError

__all__ = ["QUOTE_ONLY", "AnswerModels"]

QUOTE_ONLY: Final = "none"
"""Asks no model: the answer quotes passages."""

KNOWN_SECONDS: Final = 15.0
"""Seconds for which the list is kept before Ollama is asked again."""


class AnswerModels:
    """The models of this machine's Ollama, the service's own, and none. Threads may share one.

    Args:
        default: The model that answers if a question names none.
        only_default: Whether a question may name no model but :data:`QUOTE_ONLY`.
        allow_remote: Whether Ollama may be on another machine.
    """

    def __init__(self, default: str, *, only_default: bool, allow_remote: bool) -> None:
        self.default = default
        self._only_default = only_default
        self._allow_remote = allow_remote
        self._lock = threading.Lock()
        self._installed = InstalledModels()
        self._until = 0.0

    def names(self) -> tuple[str, ...]:
        """All models that a question may name, the default first."""
        return tuple(dict.fromkeys((self.default, *self._others().names, QUOTE_ONLY)))

    def problem(self) -> str:
        """Why only the default can be named; "" if others can."""
        return self._others().problem

    def chosen(self, name: str | None) -> str:
        """The model for a question that names this one; None for the default.

        Raises:
            ConfigurationError: If a question may not name it.
        """
        if name is None or name == self.default:
            return self.default
        if name == QUOTE_ONLY or name in self._others().names:
            return name
        raise ConfigurationError(
            "the question names a model that is not allowed",
            remedy="Name one of those that /v1/language-models lists, or none.",
        )

    def _others(self) -> InstalledModels:
        if self._only_default:
            return InstalledModels()
        with self._lock:
            if time.monotonic() >= self._until:
                self._installed = installed_models(allow_remote=self._allow_remote)
                self._until = time.monotonic() + KNOWN_SECONDS
            return self._installed
