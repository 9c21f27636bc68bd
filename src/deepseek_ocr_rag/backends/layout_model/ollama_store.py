"""Stores files and models in an Ollama on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import httpx

from ...certificates import trusted_certificates
from ...errors import BackendReplyError, BackendUnavailableError
from ...http_replies import UNCOMPRESSED, refuse_compressed
from ...text.excerpt import excerpt

__all__ = ["OllamaStore"]

SILENCE: Final = 600.0
"""Most seconds without a reply: Ollama answers only once it has hashed and copied the file."""

MOST_BYTES: Final = 64 * 1024
"""Most bytes of an answer that are read."""


@dataclass(frozen=True, slots=True)
class OllamaStore:
    """The part of Ollama's API that writes."""

    url: str
    headers: Mapping[str, str] = field(
        default_factory=dict, repr=False, hash=False
    )  # of every request

    def has(self, digest: str) -> bool:
        """Return whether Ollama has a file."""
        return self._send("HEAD", f"/api/blobs/{digest}", "look for the file")[0] == 200

    def upload(self, digest: str, size: int, chunks: Iterator[bytes]) -> None:
        """Store a file, piece by piece."""
        doing = "store the file"
        answer = self._send("POST", f"/api/blobs/{digest}", doing, chunks, size)
        self._check(answer, doing)

    def create(
        self,
        model: str,
        files: Mapping[str, str],
        *,
        template: str,
        parameters: Mapping[str, object],
        system: str = "",
    ) -> None:
        """Store a model that consists of stored files."""
        body = {
            "model": model,
            "files": dict(files),
            "template": template,
            "parameters": dict(parameters),
            **({"system": system} if system else {}),
            "stream": False,
        }
        doing = f"make {model}"
        self._check(self._send("POST", "/api/create", doing, json.dumps(body).encode()), doing)

    def _check(self, answer: tuple[int, str], doing: str) -> None:
        status, text = answer
        if status not in (200, 201):
            raise BackendUnavailableError(
                f"Ollama could not {doing}: HTTP {status} ({excerpt(text)})",
                remedy="Look at its log.",
            )

    def _send(
        self,
        method: str,
        path: str,
        doing: str,
        content: bytes | Iterator[bytes] | None = None,
        size: int | None = None,
    ) -> tuple[int, str]:
        """Send a request; return the status and the beginning of the answer.

        ``doing`` says in an error message what could not be done.
        """
        # With a content length, httpx does not use chunked encoding for an iterator.
        headers = dict(self.headers)
        if size is not None:
            headers["content-length"] = str(size)
        with (
            _translated(doing),
            httpx.Client(
                timeout=httpx.Timeout(SILENCE, connect=10.0),
                trust_env=False,
                verify=trusted_certificates(trust_env=False),
                headers=UNCOMPRESSED,
            ) as client,
            client.stream(method, self.url + path, content=content, headers=headers) as response,
        ):
            refuse_compressed(response.headers)
            data = b""
            for chunk in response.iter_raw():
                data += chunk
                if len(data) > MOST_BYTES:
                    break
        return response.status_code, data.decode("utf-8", "replace")


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    try:
        yield
    except httpx.ConnectError as error:
        raise BackendUnavailableError(
            "Ollama is no longer running", remedy="Start it with `ollama serve`."
        ) from error
    except (httpx.HTTPError, UnicodeError) as error:  # UnicodeError: a redirect to an invalid host
        raise BackendReplyError(
            f"Ollama could not {doing} ({excerpt(str(error)) or type(error).__name__})",
            remedy="Look at its log, and run the command again.",
        ) from error
