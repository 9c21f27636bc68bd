"""Any OpenAI-compatible server with the model: vLLM, SGLang, llama.cpp.

``dsocr serve-command vllm`` prints the command that starts a suitable one.
:mod:`.request_body` builds the request, :mod:`.completion_stream` reads the reply,
and :mod:`..retry_ladder` decides what to do about pages that come out badly.

Page images go to the server that is named, wherever it is: naming it is the
permission. Redirects are not followed.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx

from ...errors import (
    BackendError,
    BackendReplyError,
    BackendTimeoutError,
    BackendUnavailableError,
    ConfigurationError,
    RetryableError,
)
from ...hosts import is_this_machine
from ...text.excerpt import excerpt
from ..attempts import Attempt, AttemptSettings
from ..base import PageRequest, Reply
from ..fingerprints import fingerprint
from ..page_images import request_as
from .completion_stream import Completion, read_completion
from .concurrent_requests import Failure, ReadPage
from .json_exchange import UNCOMPRESSED, without_credentials
from .remote_backend import RemoteBackend
from .reply_text import strict_text
from .request_body import NO_REPEAT, WITHOUT_FIELD, page_warnings, request_body
from .served_models import served_model
from .status import check_status

__all__ = ["ServerBackend"]


class ServerBackend(RemoteBackend):
    """Reads pages through an OpenAI-compatible server.

    Args:
        base_url: ``http://host:port`` or ``http://host:port/v1``.
        model: As the server names it; without it, the only model it serves, or
            the only one with "ocr" in its name.
        api_key: Sent as a bearer token; ``DSOCR_SERVER_API_KEY`` without it.
        concurrency: Pages in flight at once, over all documents.
        timeout: Longest time for one page in seconds, all attempts together.
        stall_timeout: Longest silence of the server in seconds.
        retries: How often a page is asked for again when the server is busy,
            away, or breaks off.
        attempts: How often a page that comes out badly is asked for at most.
        logprobs: Whether to ask for the log-probability of every token: blocks
            then have a confidence, and the server sends more.

    Raises:
        ConfigurationError: If an argument is invalid.

    Example:
        >>> backend = ServerBackend("http://127.0.0.1:8000")  # doctest: +SKIP
        >>> Reader(backend).read("report.pdf")  # doctest: +SKIP
    """

    name = "server"

    def __init__(
        self,
        base_url: str,
        *,
        model: str | None = None,
        api_key: str | None = None,
        concurrency: int = 16,
        timeout: float = 600.0,
        stall_timeout: float = 120.0,
        retries: int = 2,
        attempts: int = 3,
        logprobs: bool = False,
    ) -> None:
        super().__init__(
            concurrency=concurrency,
            timeout=timeout,
            stall_timeout=stall_timeout,
            attempts=attempts,
            retries=retries,
        )
        self.base_url = without_credentials(base_url)
        self._url = base_url.rstrip("/") + ("" if httpx.URL(base_url).path.strip("/") else "/v1")
        self._model = model
        self._api_key = api_key or os.environ.get("DSOCR_SERVER_API_KEY") or None
        if self._api_key and not (self._api_key.isascii() and self._api_key.isprintable()):
            raise ConfigurationError(
                "the API key contains characters that an HTTP header cannot carry",
                remedy="Check it for line ends and typographic characters.",
            )
        self._logprobs = logprobs
        self._refused: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"ServerBackend({self.base_url!r}, model={self._model!r})"

    @property
    def model(self) -> str:
        """The model's name on the server, which is asked for it the first time.

        Raises:
            BackendError: If the server does not say which.
        """
        return self._model or self.find_model()

    def find_model(self, *, connect_seconds: float = 5.0, seconds: float = 15.0) -> str:
        """The model's name; the server is asked until it has said it once.

        Args:
            connect_seconds: Longest wait for a connection.
            seconds: Longest wait for the answer.

        Raises:
            BackendError: If the server does not say which.
        """
        if self._model is None:
            self._model = served_model(
                self._url,
                headers=self._headers(),
                connect_seconds=connect_seconds,
                seconds=seconds,
            )
        return self._model

    @property
    def fingerprint(self) -> str:
        """Address and settings; which weights the server runs under the name is not known."""
        return fingerprint(url=self.base_url, attempts=self._attempts, logprobs=self._logprobs)

    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._api_key}"} if self._api_key else {}

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[ReadPage]:
        model = await asyncio.to_thread(lambda: self.model)
        async with httpx.AsyncClient(
            timeout=self._http_timeout,
            limits=httpx.Limits(max_connections=self.concurrency),
            headers={**UNCOMPRESSED, **self._headers()},
            trust_env=not is_this_machine(self._url),
        ) as client:

            async def ask(request: PageRequest, settings: AttemptSettings) -> Attempt:
                return await self._ask(client, model, request_as(request, settings), settings)

            async def read_page(request: PageRequest) -> Reply | Failure:
                return await self._read_page(request, ask, NO_REPEAT)

            yield read_page

    async def _ask(
        self,
        client: httpx.AsyncClient,
        model: str,
        request: PageRequest,
        settings: AttemptSettings,
    ) -> Attempt:
        """Ask once, and again without the fields that the server refuses."""
        body = await asyncio.to_thread(
            request_body, model, request, settings, logprobs=self._logprobs
        )
        refused = self._refused
        while True:
            accepted = {name: value for name, value in body.items() if name not in refused}
            answer = await self._post(client, accepted, body["max_tokens"])
            if isinstance(answer, Completion):
                break
            refused = (*refused, *answer)
        # Remembered only now: later pages leave out what the server works without.
        self._refused = tuple(dict.fromkeys((*self._refused, *refused)))
        return Attempt(
            replace(settings, no_repeat=None) if "vllm_xargs" in refused else settings,
            answer.text,
            answer.finish_reason,
            tokens=answer.tokens,
            warnings=page_warnings(request, answer, refused, logprobs=self._logprobs),
            logprobs=answer.logprobs,
        )

    async def _post(
        self, client: httpx.AsyncClient, body: dict[str, Any], max_tokens: int
    ) -> Completion | tuple[str, ...]:
        """Send one HTTP request: returns the reply, or the fields that the server refuses."""
        try:
            async with client.stream(
                "POST",
                f"{self._url}/chat/completions",
                content=json.dumps(body).encode(),
                headers={"content-type": "application/json"},
            ) as response:
                optional = tuple(name for name in WITHOUT_FIELD if name in body)
                refused = await check_status(response, optional=optional, secret=self._api_key)
                return refused or await read_completion(
                    strict_text(response.aiter_raw()), max_tokens=max_tokens
                )
        except httpx.ReadTimeout as error:
            raise BackendTimeoutError(
                f"the server was silent for {self._stall_timeout:g} s",
                remedy="Look at its log, or raise stall_timeout.",
            ) from error
        except httpx.TransportError as error:
            raise RetryableError(self._transport_problem(error)) from error

    def _transport_problem(self, error: httpx.TransportError) -> BackendError:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
            return BackendUnavailableError(
                f"no response from {self.base_url}",
                remedy="Start the server; `dsocr serve-command vllm` prints how.",
            )
        message = excerpt(str(error), secret=self._api_key) or type(error).__name__
        return BackendReplyError(
            f"the reply was cut off ({message})", remedy="Read the page again."
        )
