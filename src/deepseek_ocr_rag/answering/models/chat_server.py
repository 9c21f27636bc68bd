"""Talks to an OpenAI-compatible server, and turns its failures into our errors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from ...errors import (
    ConfigurationError,
    DeepSeekOCRError,
    LanguageModelReplyError,
    LanguageModelTimeoutError,
    LanguageModelUnavailableError,
)
from ...ollama_server import BoundedTransport
from ...text.excerpt import excerpt

__all__ = ["ChatServer", "error_words"]

_MAX_BYTES: Final = 32 * 2**20
_REFUSED: Final = (401, 403)


@dataclass(frozen=True, slots=True)
class ChatServer:
    """A client of one server."""

    url: str
    timeout: float  # longest silence in seconds
    max_seconds: float  # for a whole reply
    api_key: str | None = field(default=None, repr=False)

    @contextmanager
    def client(self) -> Iterator[httpx.Client]:
        """A client whose errors are ours."""
        key = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        transport = BoundedTransport(max_seconds=self.max_seconds, max_bytes=_MAX_BYTES)
        timeouts = httpx.Timeout(self.timeout, connect=min(10.0, self.timeout))
        headers = {"Accept-Encoding": "identity", **key}
        try:
            with httpx.Client(timeout=timeouts, transport=transport, headers=headers) as client:
                yield client
        except httpx.TimeoutException as error:
            raise LanguageModelTimeoutError(
                f"the server at {self.url} did not answer in time ({error})",
                remedy="Raise its timeout, or take a smaller model.",
            ) from error
        except httpx.ConnectError as error:
            raise LanguageModelUnavailableError(
                f"no server answers at {self.url}",
                remedy="Start it, or check the address and the port.",
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self.broken(f"the connection was cut off ({error})") from error
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
            if isinstance(error, ConfigurationError):
                raise
            raise self.broken("the reply is not OpenAI's protocol") from error

    def broken(self, problem: str) -> LanguageModelReplyError:
        """The error for a reply that cannot be used."""
        return LanguageModelReplyError(
            f"the server at {self.url}: {problem}", remedy="Ask again, and look at its log."
        )

    def refusal(self, model: str, status: int, words: str) -> DeepSeekOCRError:
        """The error for an HTTP status that is not 200."""
        if status in _REFUSED:
            return LanguageModelUnavailableError(
                f"the server at {self.url} refuses the API key (HTTP status {status})",
                remedy="Give the right one as api_key or in DSOCR_LLM_API_KEY.",
            )
        if status == 404:
            return LanguageModelUnavailableError(
                f"the server at {self.url} has no model {model} or is not an OpenAI-compatible"
                f" server (HTTP status 404){words}",
                remedy="Check the address and the model's name.",
            )
        return LanguageModelUnavailableError(
            f"the server at {self.url} refused with HTTP status {status}{words}",
            remedy="Look at its log; a shorter context (context_length) may help.",
        )

    def only_model(self) -> str:
        """The one model that it serves.

        Raises:
            ConfigurationError: If it serves several or none.
        """
        names = [str(entry["id"]) for entry in self._models()]
        if len(names) != 1:
            served = f"serves {', '.join(names[:8])}" if names else "names no model"
            raise ConfigurationError(
                f"the server at {self.url} {served}",
                remedy=f"Name one: 'openai:{self.url}#{names[0] if names else '<model>'}'.",
            )
        return names[0]

    def context_length(self, model: str) -> int | None:
        """Tokens of context, if vLLM (``max_model_len``) or llama.cpp (``/props``) says how many.

        Raises:
            LanguageModelUnavailableError: If it lists its models and this one is missing.
        """
        entries = self._models()
        entry = next((entry for entry in entries if entry.get("id") == model), None)
        if entry is None and len(entries) > 1:
            # llama.cpp accepts any name; a server with several models tells them apart.
            names = ", ".join(str(entry.get("id")) for entry in entries[:8])
            raise LanguageModelUnavailableError(
                f"the server at {self.url} has no model {model}", remedy=f"It serves {names}."
            )
        length = (entry or {}).get("max_model_len")
        if not isinstance(length, int):
            props = self._get(f"{self.url.removesuffix('/v1')}/props") or {}
            settings = props.get("default_generation_settings")
            length = settings.get("n_ctx") if isinstance(settings, dict) else None
        return length if isinstance(length, int) and length >= 512 else None

    def _models(self) -> list[dict[str, Any]]:
        listed = self._get(f"{self.url}/models")
        data = listed.get("data") if listed else None
        return (
            [entry for entry in data if isinstance(entry, dict)] if isinstance(data, list) else []
        )

    def _get(self, url: str) -> dict[str, Any] | None:
        """A JSON object; None if the server has none at this path."""
        with self.client() as client:
            response = client.get(url)
            if response.status_code in _REFUSED:
                raise self.refusal("", response.status_code, "")
            if response.status_code != 200:
                return None
            try:
                data = response.json()
            except ValueError:
                return None
            return data if isinstance(data, dict) else None

    @contextmanager
    def chat(self, body: Mapping[str, Any]) -> Iterator[httpx.Response]:
        """Send a request for a reply, and return the response, whatever its status."""
        with (
            self.client() as client,
            client.stream("POST", f"{self.url}/chat/completions", json=body) as response,
        ):
            yield response


def error_words(data: bytes) -> str:
    """What a server says in the body of a refusal, for a message; empty if nothing."""
    text = data.decode("utf-8", "replace")
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        said = text
    while isinstance(said, dict):
        said = said.get("error", said.get("message", said.get("detail", "")))
    return f": {excerpt(str(said))}" if said else ""
