"""Talks to a running Ollama: finds its address and models, and turns its failures into our errors.

Connections go straight to the host, never through a proxy from the environment,
follow no redirects, and are limited in time and bytes, whatever the server sends.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import httpx

from .errors import (
    ConfigurationError,
    DeepSeekOCRError,
    LanguageModelReplyError,
    LanguageModelTimeoutError,
    LanguageModelUnavailableError,
    RemoteModelRefusedError,
)
from .hosts import is_this_machine

if TYPE_CHECKING:
    import ollama

__all__ = ["REPEAT_LIMIT", "BoundedTransport", "OllamaErrors", "OllamaServer", "ollama_url"]

REPEAT_LIMIT: Final = 31
"""Ollama ends a reply on its own after so many parts that are equal without their outer white
space, and sends no last part. Seen on 0.24 and 0.33; the source has it from 0.13 on."""

_MAX_BYTES: Final = 32 * 2**20
_PORTS: Final = {"http": 80, "https": 443}
_OLLAMA_PORT: Final = 11434


def ollama_url(host: str | None = None) -> str:
    """The URL of an Ollama, without a trailing slash, by the rules of Ollama's own client.

    ``host`` is a name, ``name:port`` or a URL. None stands for ``OLLAMA_HOST``, or for port 11434
    of this machine if that is not set. ``0.0.0.0`` (all interfaces of a server) means this machine.
    """
    text = (host or os.environ.get("OLLAMA_HOST") or "127.0.0.1").strip()
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "http", text
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        port = parts.port or (_PORTS[scheme] if separator else _OLLAMA_PORT)
        name = parts.hostname or "127.0.0.1"
    except (ValueError, KeyError) as error:
        raise ConfigurationError(
            f"{text!r} is not the address of an Ollama", remedy="Write http://127.0.0.1:11434."
        ) from error
    if name in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        name = "127.0.0.1"
    name = f"[{name}]" if ":" in name else name
    return f"{scheme}://{name}:{port}{parts.path.rstrip('/')}"


@dataclass(frozen=True, slots=True)
class OllamaErrors:
    """Which errors to raise: they differ for language models and embedding models."""

    unavailable: type[DeepSeekOCRError] = LanguageModelUnavailableError
    timeout: type[DeepSeekOCRError] = LanguageModelTimeoutError
    reply: type[DeepSeekOCRError] = LanguageModelReplyError  # breaks the protocol or was cut off


@dataclass(frozen=True, slots=True)
class OllamaServer:
    """A client of one Ollama; each failure is raised as one of ``errors``."""

    url: str
    timeout: float = 120.0  # longest silence in seconds
    max_seconds: float = 600.0  # for a whole reply
    errors: OllamaErrors = OllamaErrors()

    @property
    def timeouts(self) -> httpx.Timeout:
        """Timeouts for httpx; connecting takes at most ten seconds."""
        return httpx.Timeout(self.timeout, connect=min(10.0, self.timeout))

    def transport(self) -> BoundedTransport:
        """A transport for httpx: limited in time and bytes, without a proxy."""
        return BoundedTransport(max_seconds=self.max_seconds, max_bytes=_MAX_BYTES)

    def show(self, model: str) -> dict[str, Any]:
        """What ``/api/show`` says about a model."""
        # Not through the ollama package: its ShowResponse drops remote_host.
        with self.translated_errors(), self._client() as client:
            response = client.post("/api/show", json={"model": model})
            if response.status_code == 404:
                raise self.missing(model, _names(_json(client.get("/api/tags"))))
            return _json(response)

    def models(self) -> tuple[str, ...]:
        """Names of the installed models that run on the server itself, newest first."""
        with self.translated_errors(), self._client() as client:
            return _names(_json(client.get("/api/tags")))

    def version(self) -> tuple[int, ...]:
        """The version of Ollama as three numbers; zeros if it does not say."""
        with self.translated_errors(), self._client() as client:
            response = client.get("/api/version")
            data = {} if response.status_code == 404 else _json(response)
        numbers = re.match(r"v?(\d{1,9})\.(\d{1,9})\.(\d{1,9})", str(data.get("version")))
        return tuple(map(int, numbers.groups())) if numbers else (0, 0, 0)

    def refuse_remote(self, model: str, shown: Mapping[str, Any] | None = None) -> None:
        """Raises RemoteModelRefusedError if a model would run on another machine.

        It would if the URL points to another machine, or if the model's name or ``shown``, the
        result of :meth:`show`, says so.
        """
        problem = ""
        if not is_this_machine(self.url):
            problem = f"Ollama at {self.url} is not this machine"
        elif model.rpartition(":")[2].endswith("cloud"):
            problem = f"{model} is a cloud model"
        elif shown and (shown.get("remote_host") or shown.get("remote_model")):
            problem = f"Ollama would run {model} on {shown.get('remote_host')}"
        if problem:
            raise RemoteModelRefusedError(
                f"{problem}, and the text of your documents would be sent there",
                remedy="Use a local model, or set allow_remote=True.",
            )

    def missing(self, model: str, installed: tuple[str, ...] = ()) -> DeepSeekOCRError:
        """The error for a model that is not installed."""
        others = f" Installed: {', '.join(installed[:8])}." if installed else ""
        return self.errors.unavailable(
            f"Ollama at {self.url} has no model {model}",
            remedy=f"Get it with `ollama pull {model}`.{others}",
        )

    def broken(self, problem: str) -> DeepSeekOCRError:
        """The error for a reply that cannot be used."""
        return self.errors.reply(
            f"Ollama at {self.url}: {problem}", remedy="Ask again, and look at Ollama's log."
        )

    @contextmanager
    def translated_errors(self) -> Iterator[None]:
        """Translates what httpx, JSON or a malformed reply raises into one of our errors."""
        try:
            yield
        except httpx.TimeoutException as error:
            raise self.errors.timeout(
                f"Ollama at {self.url} did not answer in time ({error})",
                remedy="Raise the timeout, or take a smaller model.",
            ) from error
        except httpx.ConnectError as error:
            raise self.errors.unavailable(
                f"Ollama is not running at {self.url}",
                remedy="Start it with `ollama serve`, or do without its models.",
            ) from error
        except httpx.HTTPStatusError as error:
            raise self.errors.unavailable(
                f"{self.url} refused with HTTP status {error.response.status_code}",
                remedy="Check that it is an Ollama, and look at its log.",
            ) from error
        except httpx.HTTPError as error:
            raise self.broken(f"the connection was cut off ({error})") from error
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            if isinstance(error, ConfigurationError):
                raise
            raise self.broken("the reply is not Ollama's protocol") from error

    @contextmanager
    def ollama_client(self, model: str, remedy: str) -> Iterator[ollama.Client]:
        """Ollama's own client, with its errors translated into ours.

        ``remedy`` says what to do if Ollama cannot run the model.
        """
        import ollama

        try:
            with self.translated_errors(), closing(self.transport()) as transport:
                yield ollama.Client(
                    self.url, timeout=self.timeouts, transport=transport, follow_redirects=False
                )
        except ollama.ResponseError as error:
            if error.status_code == 404:
                raise self.missing(model) from error
            if error.status_code >= 300:
                raise self.errors.unavailable(
                    f"Ollama at {self.url} cannot run {model}: {error.error}", remedy=remedy
                ) from error
            raise self.broken(error.error) from error

    def _client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=self.timeouts, transport=self.transport())


class BoundedTransport(httpx.BaseTransport):
    """A transport whose responses are limited in time and size, even if they arrive slowly."""

    def __init__(self, *, max_seconds: float, max_bytes: int) -> None:
        self._inner = httpx.HTTPTransport()
        self._max_seconds = max_seconds
        self._max_bytes = max_bytes

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sends a request; see :class:`httpx.BaseTransport`."""
        deadline = time.monotonic() + self._max_seconds
        response = self._inner.handle_request(request)
        return httpx.Response(
            response.status_code,
            headers=response.headers,
            stream=_BoundedStream(response, deadline, self._max_bytes),
            extensions=response.extensions,
        )

    def close(self) -> None:
        """Closes the connections."""
        self._inner.close()


class _BoundedStream(httpx.SyncByteStream):
    def __init__(self, response: httpx.Response, deadline: float, max_bytes: int) -> None:
        self._response = response
        self._deadline = deadline
        self._left = max_bytes

    def __iter__(self) -> Iterator[bytes]:
        for part in self._response.stream:  # type: ignore[union-attr]
            self._left -= len(part)
            if time.monotonic() > self._deadline:
                raise httpx.ReadTimeout("the reply as a whole took too long")
            if self._left < 0:
                raise httpx.ReadError("the reply is longer than any answer")
            yield part

    def close(self) -> None:
        self._response.close()


def _json(response: httpx.Response) -> dict[str, Any]:
    response.raise_for_status()
    data = response.json()
    if not isinstance(data, dict):
        raise TypeError("not a JSON object")
    return data


def _names(tags: dict[str, Any]) -> tuple[str, ...]:
    models = [m for m in tags.get("models") or () if not m.get("remote_host")]
    return tuple(str(m.get("model") or m["name"]) for m in models)
