"""Any OpenAI-compatible server with the model: vLLM, SGLang, llama.cpp.

``dsocr serve-command vllm`` prints the command that starts a right one. What is
asked is in :mod:`.recipe`, how replies are read in :mod:`.completion`, and what
happens to pages that come out badly in :mod:`.ladder`.

Page images go to the server that is named, wherever it is: naming it is the
permission. Redirects are not followed.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx

from ...concurrency.fair_turns import FairSemaphore
from ...errors import (
    BackendError,
    BackendReplyError,
    BackendTimeoutError,
    BackendUnavailableError,
    ConfigurationError,
    RetryableError,
)
from ...ollama_server import is_this_machine
from ...text.excerpt import excerpt
from ..attempts import Attempt, AttemptSettings
from ..base import PageRequest, Reply
from ..fingerprints import fingerprint
from ..page_images import request_as
from ..retry_ladder import SMALLER_PICTURE, RetryLadder
from .backoff import wait_seconds
from .completion_stream import Completion, read_completion
from .concurrent_requests import Failure, ReadPage, read_concurrently
from .json_exchange import PLAIN, without_credentials
from .reply_text import strict_text
from .request_body import NO_REPEAT, WITHOUT_FIELD, page_warnings, request_body
from .served_models import served_model
from .status import check_status

__all__ = ["ServerBackend"]


class ServerBackend:
    """Reads pages through an OpenAI-compatible server.

    Args:
        base_url: ``http://host:port`` or ``http://host:port/v1``.
        model: As the server names it; without it, the only model it serves, or
            the only one with "ocr" in its name.
        api_key: Sent as a bearer token; ``DSOCR_SERVER_API_KEY`` without it.
        concurrency: Pages under way at once, over all documents that are being read.
        timeout: Longest time for one page in seconds, all attempts together.
        stall_timeout: Longest silence of the server in seconds.
        retries: How often a page is asked for again when the server is busy,
            away, or breaks off.
        attempts: How often a page that comes out badly is asked for at most.
        logprobs: Whether to ask for the log-probability of every token: blocks
            then have a confidence, and the server sends more.

    Raises:
        ConfigurationError: If an argument cannot be meant.

    Example:
        >>> backend = ServerBackend("http://127.0.0.1:8000")  # doctest: +SKIP
        >>> Reader(backend).read("report.pdf")  # doctest: +SKIP
    """

    name = "server"
    needs_image = True
    reads_text_layer = False

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
        timeouts_are_right = timeout > 0 and stall_timeout > 0
        if min(concurrency, attempts) < 1 or retries < 0 or not timeouts_are_right:
            raise ConfigurationError(
                "concurrency, attempts and timeouts must be above 0 and retries not below",
                remedy="Leave them out for the defaults.",
            )
        self.base_url = without_credentials(base_url)
        self._url = base_url.rstrip("/") + ("" if httpx.URL(base_url).path.strip("/") else "/v1")
        self._model = model
        self._api_key = api_key or os.environ.get("DSOCR_SERVER_API_KEY") or None
        if self._api_key and not (self._api_key.isascii() and self._api_key.isprintable()):
            raise ConfigurationError(
                "the API key holds characters that no HTTP header can carry",
                remedy="Check it for line ends and typographic characters.",
            )
        self.concurrency = concurrency
        self._places = FairSemaphore(concurrency)
        self._timeout = timeout
        self._stall_timeout = stall_timeout
        self._retries = retries
        self._attempts = attempts
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
        """Address and settings. What is served there under the model's name is the server's matter."""
        return fingerprint(
            url=self.base_url,
            attempts=self._attempts,
            logprobs=self._logprobs,
        )

    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        """Read pages; see :meth:`Backend.read`."""
        return read_concurrently(
            requests, self._session, concurrency=self.concurrency, places=self._places
        )

    def close(self) -> None:
        """Nothing is held between two calls of :meth:`read`."""

    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._api_key}"} if self._api_key else {}

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[ReadPage]:
        model = await asyncio.to_thread(lambda: self.model)
        limits = httpx.Limits(max_connections=self.concurrency)
        async with httpx.AsyncClient(
            timeout=httpx.Timeout(self._stall_timeout, connect=min(10.0, self._stall_timeout)),
            limits=limits,
            headers={**PLAIN, **self._headers()},
            trust_env=not is_this_machine(self._url),
        ) as client:

            async def read_page(request: PageRequest) -> Reply | Failure:
                return await self._read_page(client, model, request)

            yield read_page

    async def _read_page(
        self, client: httpx.AsyncClient, model: str, request: PageRequest
    ) -> Reply | Failure:
        """Ask until the page is read, the attempts are used up or the time is over."""
        ladder = RetryLadder(
            request,
            AttemptSettings(request.task, request.mode, NO_REPEAT),
            attempts=self._attempts,
            seconds=self._timeout,
            modes=SMALLER_PICTURE,
        )
        retries = 0
        error: BackendError | None = None
        try:
            async with asyncio.timeout(self._timeout):
                settings: AttemptSettings | None = ladder.settings
                while settings is not None:
                    try:
                        attempt = await self._attempt(client, model, request, settings)
                        settings = await asyncio.to_thread(ladder.add, attempt)
                    except RetryableError as retry:
                        error = retry.error
                        if retries == self._retries:
                            break
                        retries += 1
                        await asyncio.sleep(wait_seconds(retries, retry.after))
                        error = None
        except TimeoutError:
            error = BackendTimeoutError(
                f"no whole reply in {self._timeout:g} s", remedy="Raise the timeout."
            )
        except BackendError as problem:
            error = problem
        if error is None or ladder.answered:
            reply = ladder.reply(error)
            return replace(reply, attempts=reply.attempts + retries)
        return Failure(self._placed(error, request), retries + 1)

    async def _attempt(
        self,
        client: httpx.AsyncClient,
        model: str,
        request: PageRequest,
        settings: AttemptSettings,
    ) -> Attempt:
        """Ask once; once more for each time the server refuses some of the fields."""
        asked = request_as(request, settings)
        body = await asyncio.to_thread(
            request_body, model, asked, settings, logprobs=self._logprobs
        )
        refused = self._refused
        while True:
            sent = {name: value for name, value in body.items() if name not in refused}
            answer = await self._ask(client, sent, body["max_tokens"])
            if isinstance(answer, Completion):
                # Only what a server does without is left out for the other pages.
                self._refused = tuple(dict.fromkeys((*self._refused, *refused)))
                return Attempt(
                    replace(settings, no_repeat=None) if "vllm_xargs" in refused else settings,
                    answer.text,
                    answer.finish_reason,
                    tokens=answer.tokens,
                    warnings=page_warnings(asked, answer, refused, logprobs=self._logprobs),
                    logprobs=answer.logprobs,
                )
            refused = (*refused, *answer)

    async def _ask(
        self, client: httpx.AsyncClient, sent: dict[str, Any], max_tokens: int
    ) -> Completion | tuple[str, ...]:
        """One HTTP request: the reply, or the fields that the server names as not wanted."""
        try:
            async with client.stream(
                "POST",
                f"{self._url}/chat/completions",
                content=json.dumps(sent).encode(),
                headers={"content-type": "application/json"},
            ) as response:
                optional = tuple(name for name in WITHOUT_FIELD if name in sent)
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
            problem = self._transport_problem(error)
            problem.__cause__ = error
            raise RetryableError(problem) from error

    def _transport_problem(self, error: httpx.TransportError) -> BackendError:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
            return BackendUnavailableError(
                f"nobody answers at {self.base_url}",
                remedy="Start the server; `dsocr serve-command vllm` prints how.",
            )
        words = excerpt(str(error), secret=self._api_key) or type(error).__name__
        return BackendReplyError(f"the reply was cut off ({words})", remedy="Read the page again.")

    def _placed(self, error: BackendError, request: PageRequest) -> BackendError:
        """The error with the page it happened to; a server that is away has none."""
        if not isinstance(error, BackendUnavailableError):
            error.source = request.source
            error.page = request.page
        return error
