"""Talks to a running Ollama: finds its models, and turns its failures into our errors.

Connections go straight to the host, never through a proxy from the environment, follow no
redirects, accept no compressed reply, and are limited in time and bytes, whatever the server sends.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

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
from .http_replies import PlainTransport, parse_json
from .ollama_address import is_cloud_model

if TYPE_CHECKING:
    import ollama

__all__ = ["REPEAT_LIMIT", "BoundedTransport", "OllamaErrors", "OllamaServer"]

REPEAT_LIMIT: Final = 31
"""Ollama ends a reply on its own after this many parts that are equal without their outer white
space, and sends no last part. Seen on 0.24 and 0.33; the source has it from 0.13 on."""

_MAX_BYTES: Final = 16 * 2**20
"""Vectors of 32 texts take 6 MB at most, an answer of 8192 tokens 2 MB."""

_SHOWN: Final = 300
"""Characters of a server's text in a message."""

_MAX_JSON_BYTES: Final = 4 * 2**20
"""What Ollama says about itself and its models."""


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
    headers: Mapping[str, str] = field(
        default_factory=dict, repr=False, hash=False
    )  # see ollama_headers

    @property
    def timeouts(self) -> httpx.Timeout:
        """Timeouts for httpx; connecting takes at most ten seconds."""
        return httpx.Timeout(self.timeout, connect=min(10.0, self.timeout))

    def transport(self, max_bytes: int = _MAX_BYTES) -> BoundedTransport:
        """A transport for httpx: limited in time and bytes, without a proxy."""
        return BoundedTransport(max_seconds=self.max_seconds, max_bytes=max_bytes)

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
        elif is_cloud_model(model):
            problem = f"{model} is a cloud model"
        elif shown and (shown.get("remote_host") or shown.get("remote_model")):
            remote = shown.get("remote_host") or shown.get("remote_model")
            problem = f"Ollama would run {model} on {_beginning(str(remote))}"
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
                remedy="Raise its timeout, or take a smaller model.",
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
        except httpx.DecodingError as error:
            raise self.broken(str(error)) from error
        except httpx.HTTPError as error:
            raise self.broken(f"the connection was cut off ({error})") from error
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
            if isinstance(error, ConfigurationError):
                raise
            raise self.broken("the reply does not follow Ollama's protocol") from error

    @contextmanager
    def ollama_client(self, model: str, remedy: str) -> Iterator[ollama.Client]:
        """Ollama's own client, with its errors translated into ours.

        ``remedy`` says what to do if Ollama cannot run the model.
        """
        import ollama

        try:
            with self.translated_errors(), closing(self.transport()) as transport:
                yield ollama.Client(
                    self.url,
                    timeout=self.timeouts,
                    transport=transport,
                    headers=self.headers,
                    follow_redirects=False,
                )
        except ollama.ResponseError as error:
            if error.status_code == 404:
                raise self.missing(model) from error
            if error.status_code >= 300:
                raise self.errors.unavailable(
                    f"Ollama at {self.url} cannot run {model}: {_beginning(error.error)}",
                    remedy=remedy,
                ) from error
            raise self.broken(_beginning(error.error)) from error

    def _client(self) -> httpx.Client:
        return httpx.Client(
            base_url=self.url,
            timeout=self.timeouts,
            transport=self.transport(_MAX_JSON_BYTES),
            headers=self.headers,
        )


class BoundedTransport(httpx.BaseTransport):
    """A transport whose responses are limited in time and size, even if they arrive slowly."""

    def __init__(self, *, max_seconds: float, max_bytes: int) -> None:
        self._inner = PlainTransport()
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


def _beginning(text: str) -> str:
    """What a server wrote, short and on one line."""
    line = " ".join(text[: 4 * _SHOWN].split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"


def _json(response: httpx.Response) -> dict[str, Any]:
    response.raise_for_status()
    data = parse_json(response.content)
    if not isinstance(data, dict):
        raise TypeError("not a JSON object")
    return data


def _names(tags: dict[str, Any]) -> tuple[str, ...]:
    models = [
        m
        for m in tags.get("models") or ()
        if not (m.get("remote_host") or m.get("remote_model") or is_cloud_model(_name(m)))
    ]
    return tuple(map(_name, models))


def _name(model: dict[str, Any]) -> str:
    return str(model.get("model") or model["name"])
