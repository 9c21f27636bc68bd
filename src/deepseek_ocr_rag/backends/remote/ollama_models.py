"""Asks a running Ollama for its version and its models."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ...errors import BackendError, BackendReplyError, BackendUnavailableError
from ...model.ollama_names import MODEL, meant_model
from ...ollama_address import is_cloud_model
from ...text.excerpt import excerpt
from .json_exchange import JsonAnswer, fetch_json, without_credentials

__all__ = [
    "FIRST_HIDING_VERSION",
    "FIRST_VERSION",
    "InstalledModel",
    "OllamaFacts",
    "ShownModel",
]

FIRST_VERSION: Final = (0, 13, 0)
"""The first Ollama that runs deepseek-ocr (its page in Ollama's library)."""

FIRST_HIDING_VERSION: Final = (0, 30, 0)
"""The first Ollama that runs llama.cpp's server, which drops control tokens from replies and
puts a line end after the picture by itself. Seen: 0.24 does not, 0.33 does."""


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """A model in ``ollama list``."""

    name: str  # with its tag
    remote: bool  # whether another machine runs it for Ollama (a cloud model)
    digest: str = ""  # of its manifest; "" if the server does not say


@dataclass(frozen=True, slots=True)
class ShownModel:
    """What ``/api/show`` says about a model."""

    remote: str | None = None  # the machine that would run it; None if Ollama runs it itself
    capabilities: tuple[str, ...] | None = None  # None if the server does not say
    modelfile: str = ""
    template: str = ""
    parameters: str = ""  # one a line
    system: str = ""  # the system prompt


@dataclass(frozen=True, slots=True)
class OllamaFacts:
    """Asks one Ollama about itself; nothing is cached."""

    url: str
    connect_seconds: float = 5.0  # longest wait for a connection
    seconds: float = 15.0  # longest wait for an answer
    headers: Mapping[str, str] = field(
        default_factory=dict, repr=False, hash=False
    )  # of every request

    def version(self) -> tuple[int, ...] | None:
        """Return its version as three numbers; None if it is not a release."""
        return _release(self._version())

    def check_version(self) -> tuple[int, ...] | None:
        """Return :meth:`version`; raise a BackendUnavailableError if it is too old."""
        version = self._version()
        found = _release(version)
        if found is not None and found < FIRST_VERSION:
            raise BackendUnavailableError(
                f"Ollama {excerpt(version, longest=30)} at {self._shown} is too old for {MODEL}",
                remedy=f"Update it to {'.'.join(map(str, FIRST_VERSION))} or newer.",
            )
        return found

    def show(self, model: str) -> ShownModel:
        """Ask what Ollama says about a model; nothing if a server has no ``/api/show``."""
        answer = self._ask("/api/show", {"model": model})
        data = answer.data if isinstance(answer.data, dict) else {}
        if answer.status == 404 and data.get("error"):
            raise self.missing(model)
        if answer.status == 404:
            return ShownModel()
        if answer.status >= 400:
            message = excerpt(str(data.get("error") or answer.text))
            raise BackendUnavailableError(
                f"Ollama at {self._shown} cannot use {model}: HTTP {answer.status} ({message})",
                remedy="Look at its log.",
            )
        remote = data.get("remote_host") or data.get("remote_model")
        able = data.get("capabilities")
        return ShownModel(
            excerpt(str(remote)) if remote else None,
            tuple(map(str, able)) if isinstance(able, list) else None,
            *(_text(data.get(name)) for name in ("modelfile", "template", "parameters", "system")),
        )

    def check_sees(self, model: str, shown: ShownModel) -> None:
        """Check that a model takes pictures.

        Ollama before 0.30 accepts a picture for any model; one without vision then invents a page.
        """
        if shown.capabilities is not None and "vision" not in shown.capabilities:
            raise BackendUnavailableError(
                f"{model} cannot read pages: Ollama at {self._shown} says that it takes no pictures",
                remedy=f"Use a model that does: `ollama pull {MODEL}`.",
            )

    def models(self) -> tuple[InstalledModel, ...]:
        """List the installed models, newest first."""
        answer = self._ask("/api/tags")
        entries = answer.data.get("models") if isinstance(answer.data, dict) else None
        if answer.status != 200 or not isinstance(entries, list):
            raise BackendReplyError(
                f"the answer from {self._shown} is not Ollama's list of models",
                remedy="Check OLLAMA_HOST.",
            )
        return tuple(_installed(entry) for entry in entries if isinstance(entry, dict))

    def meant(self, wanted: str | None) -> str:
        """Return the installed model that the user means; see :func:`meant_model`.

        If there is none, or the server lists no models, return ``wanted`` itself, so that Ollama
        says what is wrong with it.
        """
        try:
            models = self.models()
        except BackendReplyError:
            models = ()
        # A model on another machine gets pages only if the user named it.
        names = [model.name for model in models if wanted is not None or not model.remote]
        return meant_model(names, wanted) or wanted or MODEL

    def digest(self, model: str) -> str | None:
        """Return the digest of a model; None if the server does not say."""
        name = model if ":" in model.rpartition("/")[2] else f"{model}:latest"
        found = (each.digest for each in self.models() if each.name in (model, name))
        return next(found, None) or None

    def missing(self, model: str) -> BackendUnavailableError:
        """Make the error for a model that is not installed; models are never pulled unasked."""
        return BackendUnavailableError(
            f"Ollama at {self._shown} has no model {model}",
            remedy=f"Get it with `ollama pull {model}`.",
        )

    def not_running(self) -> BackendUnavailableError:
        """Make the error for an Ollama that does not run."""
        return BackendUnavailableError(
            f"Ollama is not running at {self._shown}", remedy="Start it with `ollama serve`."
        )

    @property
    def _shown(self) -> str:
        return without_credentials(self.url)

    def _version(self) -> str:
        answer = self._ask("/api/version")
        return str(answer.data.get("version")) if isinstance(answer.data, dict) else ""

    def _ask(self, path: str, payload: dict[str, Any] | None = None) -> JsonAnswer:
        try:
            return fetch_json(
                self.url + path,
                payload=payload,
                headers=self.headers,
                connect_seconds=self.connect_seconds,
                seconds=self.seconds,
            )
        except BackendUnavailableError as error:
            raise self.not_running() from error
        except BackendError as error:
            error.remedy = "Check OLLAMA_HOST, and Ollama's log."
            raise


def _release(version: str) -> tuple[int, ...] | None:
    """Return the three numbers of a release; None for a build from source, which says 0.0.0."""
    numbers = re.match(r"v?(\d{1,9})\.(\d{1,9})\.(\d{1,9})", version)
    found = tuple(map(int, numbers.groups())) if numbers else ()
    return found if any(found) else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _installed(entry: dict[str, Any]) -> InstalledModel:
    name = str(entry.get("model") or entry.get("name") or "")
    elsewhere = entry.get("remote_host") or entry.get("remote_model") or is_cloud_model(name)
    return InstalledModel(
        name,
        remote=bool(elsewhere),
        digest=str(entry.get("digest") or ""),
    )
