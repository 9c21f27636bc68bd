"""Finds the models of an Ollama that can write answers: :func:`installed_models`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ...errors import ConfigurationError, LanguageModelError, LanguageModelUnavailableError
from ...hosts import is_this_machine
from ...ollama_address import ollama_headers, ollama_url
from ...ollama_server import OllamaServer
from .model_fitness import writes_text
from .ollama_model import SUGGESTED_MODEL

__all__ = ["InstalledModels", "installed_models"]

MOST_MODELS: Final = 50
"""Most models to ask the server about, newest first, because each needs a request."""


@dataclass(frozen=True, slots=True)
class InstalledModels:
    """The models that can write answers.

    Attributes:
        names: ``ollama/<model>``, newest first.
        problem: Why there are none, and what to do; "" if there are some.
    """

    names: tuple[str, ...] = ()
    problem: str = ""


def installed_models(host: str | None = None, *, allow_remote: bool = False) -> InstalledModels:
    """The models that write text and that this Ollama runs itself; never raises an error of ours.

    Args:
        host: Where it listens; by default ``OLLAMA_HOST``, else port 11434 of this machine.
        allow_remote: Whether it may be another machine.
    """
    try:
        server = OllamaServer(
            ollama_url(host), timeout=5.0, max_seconds=10.0, headers=ollama_headers(host)
        )
        if not (allow_remote or is_this_machine(server.url)):
            return InstalledModels(problem="Ollama runs on another machine, which is not allowed.")
        names = tuple(
            f"ollama/{model}"
            for model in server.models()[:MOST_MODELS]
            if writes_text(server, model)
        )
    except LanguageModelUnavailableError:
        return InstalledModels(problem="Ollama is not running: start it with `ollama serve`.")
    except (LanguageModelError, ConfigurationError) as error:
        return InstalledModels(problem=str(error))
    if not names:
        return InstalledModels(
            problem=f"Ollama has no model that answers: `ollama pull {SUGGESTED_MODEL}`."
        )
    return InstalledModels(names)
