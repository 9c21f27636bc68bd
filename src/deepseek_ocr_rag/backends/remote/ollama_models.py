"""The version and the models of a running Ollama."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from ...errors import BackendError, BackendReplyError, BackendUnavailableError
from ...text.excerpt import excerpt
from .json_exchange import JsonAnswer, fetch_json, without_credentials

__all__ = ["FIRST_VERSION", "InstalledModel", "OllamaFacts"]

FIRST_VERSION: Final = (0, 13, 0)
"""The first Ollama that runs deepseek-ocr (its page in Ollama's library)."""


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """A model in ``ollama list``.

    Attributes:
        name: With its tag.
        remote: Whether another machine runs it for Ollama (a cloud model).
        digest: Hash of its manifest; "" if the server does not say.
    """

    name: str
    remote: bool
    digest: str = ""


@dataclass(frozen=True, slots=True)
class OllamaFacts:
    """Asks one Ollama about itself; nothing is cached.

    Attributes:
        url: Its address.
        connect_seconds: Longest wait for a connection.
        seconds: Longest wait for an answer.
    """

    url: str
    connect_seconds: float = 5.0
    seconds: float = 15.0

    def check_version(self) -> None:
        """Check that Ollama is new enough; a version that is not a release's passes.

        Raises:
            BackendUnavailableError: If it is too old, or does not run.
        """
        answer = self._ask("/api/version")
        version = answer.data.get("version") if isinstance(answer.data, dict) else None
        numbers = re.match(r"v?(\d{1,9})\.(\d{1,9})\.(\d{1,9})", str(version))
        found = tuple(map(int, numbers.groups())) if numbers else ()
        # Builds from source call themselves 0.0.0.
        if found and found != (0, 0, 0) and found < FIRST_VERSION:
            raise BackendUnavailableError(
                f"Ollama {excerpt(str(version), longest=30)} at {self._shown} is too old for "
                "deepseek-ocr",
                remedy=f"Update it to {'.'.join(map(str, FIRST_VERSION))} or newer.",
            )

    def remote_host(self, model: str) -> str | None:
        """Where Ollama would run the model; None if it runs the model itself.

        Raises:
            BackendUnavailableError: If the model is not installed.
        """
        answer = self._ask("/api/show", {"model": model})
        data = answer.data if isinstance(answer.data, dict) else {}
        if answer.status == 404 and data.get("error"):
            raise self.missing(model)
        if answer.status == 404:
            # A server with Ollama's protocol but without this route: it has no other
            # machine to run the model on.
            return None
        if answer.status >= 400:
            message = excerpt(str(data.get("error") or answer.text))
            raise BackendUnavailableError(
                f"Ollama at {self._shown} cannot use {model}: HTTP {answer.status} ({message})",
                remedy="Look at its log.",
            )
        remote = data.get("remote_host") or data.get("remote_model")
        return excerpt(str(remote)) if remote else None

    def models(self) -> tuple[InstalledModel, ...]:
        """The installed models.

        Raises:
            BackendReplyError: If the answer is not a list of models.
        """
        answer = self._ask("/api/tags")
        entries = answer.data.get("models") if isinstance(answer.data, dict) else None
        if answer.status != 200 or not isinstance(entries, list):
            raise BackendReplyError(
                f"the answer of {self._shown} is not Ollama's list of models",
                remedy="Check OLLAMA_HOST.",
            )
        return tuple(_installed(entry) for entry in entries if isinstance(entry, dict))

    def digest(self, model: str) -> str | None:
        """The digest of a model; None if the server does not say.

        Raises:
            BackendError: If the server cannot be asked.
        """
        name = model if ":" in model.rpartition("/")[2] else f"{model}:latest"
        found = (each.digest for each in self.models() if each.name in (model, name))
        return next(found, None) or None

    def missing(self, model: str) -> BackendUnavailableError:
        """The error for a model that is not installed; nothing is ever pulled unasked."""
        return BackendUnavailableError(
            f"Ollama at {self._shown} has no model {model}",
            remedy=f"Get it with `ollama pull {model}`.",
        )

    def not_running(self) -> BackendUnavailableError:
        """The error for an Ollama that does not run."""
        return BackendUnavailableError(
            f"Ollama is not running at {self._shown}", remedy="Start it with `ollama serve`."
        )

    @property
    def _shown(self) -> str:
        return without_credentials(self.url)

    def _ask(self, path: str, payload: dict[str, Any] | None = None) -> JsonAnswer:
        try:
            return fetch_json(
                self.url + path,
                payload=payload,
                connect_seconds=self.connect_seconds,
                seconds=self.seconds,
            )
        except BackendUnavailableError as error:
            raise self.not_running() from error
        except BackendError as error:
            error.remedy = "Check OLLAMA_HOST, and Ollama's log."
            raise


def _installed(entry: dict[str, Any]) -> InstalledModel:
    return InstalledModel(
        str(entry.get("model") or entry.get("name") or ""),
        remote=bool(entry.get("remote_host") or entry.get("remote_model")),
        digest=str(entry.get("digest") or ""),
    )
