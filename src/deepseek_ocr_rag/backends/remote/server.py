"""Reads pages with any OpenAI-compatible server that has the model: vLLM, SGLang, llama.cpp.

``dsocr serve-command`` prints the command that starts a suitable one.
:mod:`.request_body` builds the request, :mod:`.completion_stream` reads the reply,
and :mod:`.retry_ladder` decides what to do about pages that come out badly.

Page images go to the server that is named, wherever it is: naming it is the
permission. Redirects are not followed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

import httpx

from ...certificates import trusted_certificates
from ...errors import (
    BackendError,
    BackendReplyError,
    BackendTimeoutError,
    BackendUnavailableError,
    ConfigurationError,
    RetryableError,
)
from ...hosts import is_this_machine
from ...http_replies import UNCOMPRESSED
from ...setting_names import with_known_settings
from ...text.excerpt import excerpt
from ..attempts import Attempt, AttemptSettings, RepeatPenalty
from ..base import PageRequest, Reply
from ..fingerprints import fingerprint
from ..page_images import request_as
from ..retry_ladder import RetryLadder
from .completion_stream import Completion, read_completion
from .concurrent_requests import Failure, ReadPage
from .json_exchange import without_credentials
from .page_clock import PageClock, ServerSilence, SilenceWatch
from .remote_backend import CONNECT_SECONDS, WAIT_SECONDS, BrokenOff, RemoteBackend
from .reply_text import strict_text, unhurried
from .request_body import NO_REPEAT, WITHOUT_FIELD, RequestBody, page_warnings, request_body
from .served_models import LLAMA_CPP, RULE_IGNORED, ServedModel, served_model
from .status import check_status

__all__ = ["ServerBackend"]

SLOTS: Final = 16
"""Pages in flight at a server that does not say how many it takes (vLLM, SGLang)."""

_CHAT: Final = "/chat/completions"

_log = logging.getLogger("deepseek_ocr_rag")


@with_known_settings()
class ServerBackend(RemoteBackend):
    """Reads pages through an OpenAI-compatible server.

    Args:
        base_url: ``http://host:port`` or ``http://host:port/v1``.
        model: As the server names it; without it, the only model it serves, or
            the only one with "ocr" in its name.
        api_key: Sent as a bearer token; without it, that of ``DSOCR_SERVER_API_KEY``.
        concurrency: Pages in flight at once, over all documents; without it, as many as
            the server has slots for (llama.cpp says so), else 16.
        timeout: Longest time for one page in seconds, all attempts together. It runs while
            the server writes the page, not while the page waits in the server's queue.
        stall_timeout: Longest silence of the server in seconds.
        retries: How often a page is asked for again when the server is busy,
            away, or breaks off, and once if it falls silent.
        wait: How long to wait for a server that has answered before but is away, or is still
            loading its model, in seconds.
        attempts: Most times that a page is asked for because it comes out badly.
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
        concurrency: int | None = None,
        timeout: float = 600.0,
        stall_timeout: float = 120.0,
        retries: int = 2,
        wait: float = WAIT_SECONDS,
        attempts: int = 3,
        logprobs: bool = False,
    ) -> None:
        self.base_url = without_credentials(base_url)
        super().__init__(
            server=f"the server at {self.base_url}",
            concurrency=concurrency,
            timeout=timeout,
            stall_timeout=stall_timeout,
            attempts=attempts,
            retries=retries,
            wait=wait,
        )
        if self.base_url.endswith(_CHAT):
            raise ConfigurationError(
                f"{self.base_url} is the server's endpoint for chats, not its base URL",
                remedy=f"Leave {_CHAT} out: {self.base_url.removesuffix(_CHAT)}",
            )
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
        self._served: ServedModel | None = None
        self._rule_ignored = False
        self._silence = ServerSilence(stall_timeout)

    def __repr__(self) -> str:
        return f"ServerBackend({self.base_url!r}, model={self._model!r})"

    @property
    def model(self) -> str:
        """The model's name on the server, which is asked for it once.

        Raises:
            BackendError: If the server does not say which model it has.
        """
        return self._model or self.find_model()

    def find_model(self, *, connect_seconds: float = 5.0, seconds: float = 15.0) -> str:
        """Return the model's name; ask the server for it unless it has answered before.

        Args:
            connect_seconds: Longest wait for a connection.
            seconds: Longest wait for the answer.

        Raises:
            BackendError: If the server does not say which model it has, or that takes no pictures.
        """
        try:
            return self._find(connect_seconds=connect_seconds, seconds=seconds).name
        except RetryableError as error:
            raise error.error from error

    def _find(self, *, connect_seconds: float = 5.0, seconds: float = 15.0) -> ServedModel:
        """Ask once what the server serves; a RetryableError if it is still loading the model."""
        if self._served is None:
            self._served = served_model(
                self._url,
                model=self._model,
                headers=self._headers(),
                connect_seconds=connect_seconds,
                seconds=seconds,
            )
            self._model = self._served.name
            self._absence.end()
        return self._served

    def _most_slots(self, first: PageRequest) -> int:
        """Return the user's number, else the server's; wait for a server that loads its model."""
        while True:
            try:
                served = self._find()
                break
            except RetryableError as failed:
                pause = self._absence.pause(failed)
                if pause is None or first.cancellation.cancelled:
                    raise failed.error from failed
                time.sleep(pause)
        return self.concurrency or served.slots or SLOTS

    @property
    def fingerprint(self) -> str:
        """Address and settings; it is not known which weights the server runs under the name."""
        return fingerprint(url=self.base_url, attempts=self._attempts, logprobs=self._logprobs)

    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._api_key}"} if self._api_key else {}

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[ReadPage]:
        async with httpx.AsyncClient(
            timeout=httpx.Timeout(
                None, connect=min(CONNECT_SECONDS, self._stall_timeout), write=self._stall_timeout
            ),
            # Each page in flight needs a connection, and _most_slots limits the pages.
            limits=httpx.Limits(max_connections=None),
            headers={**UNCOMPRESSED, **self._headers()},
            trust_env=not is_this_machine(self._url),
            verify=trusted_certificates(trust_env=not is_this_machine(self._url)),
        ) as client:

            async def read_page(request: PageRequest) -> Reply | Failure:
                clock = PageClock(self._timeout)

                async def ask(
                    request: PageRequest, settings: AttemptSettings
                ) -> Attempt | BrokenOff:
                    return await self._ask(client, clock, request_as(request, settings), settings)

                served = self._find()
                ignored = self._rule_ignored or served.engine in RULE_IGNORED
                return await self._read_page(
                    request,
                    ask,
                    None if ignored else NO_REPEAT,
                    clock=clock,
                    penalty=RepeatPenalty() if served.engine == LLAMA_CPP else None,
                )

            yield read_page

    def _learn(self, ladder: RetryLadder) -> None:
        if ladder.rule_ignored and not self._rule_ignored:
            self._rule_ignored = True
            _log.warning(
                "the server at %s ignores the rule against repeats (vLLM needs the options of "
                "`dsocr serve-command vllm`): pages that loop are asked for in other ways",
                self.base_url,
            )

    async def _ask(
        self,
        client: httpx.AsyncClient,
        clock: PageClock,
        request: PageRequest,
        settings: AttemptSettings,
    ) -> Attempt | BrokenOff:
        """Ask once, and again without the fields that the server refuses."""
        served = self._find()
        body = await asyncio.to_thread(
            request_body,
            served.name,
            request,
            settings,
            logprobs=self._logprobs,
            context=served.context,
        )
        refused = self._refused
        while True:
            answer = await self._post(client, clock, body, refused)
            if isinstance(answer, Completion):
                break
            refused = (*refused, *answer)
        # Remembered only after a success: the server does work without these fields.
        self._refused = tuple(dict.fromkeys((*self._refused, *refused)))
        attempt = Attempt(
            replace(settings, no_repeat=None) if "vllm_xargs" in refused else settings,
            answer.text,
            answer.finish_reason,
            tokens=answer.tokens,
            warnings=page_warnings(
                request, answer, refused, logprobs=self._logprobs, context=served.context
            ),
            logprobs=answer.logprobs,
            loops=answer.loops,
        )
        return attempt if answer.cut is None else BrokenOff.of(attempt, "the server", answer.cut)

    async def _post(
        self,
        client: httpx.AsyncClient,
        clock: PageClock,
        body: RequestBody,
        without: tuple[str, ...],
    ) -> Completion | tuple[str, ...]:
        """Send one HTTP request; return the reply, or the fields that the server refuses."""
        optional = tuple(name for name in WITHOUT_FIELD if name in body.fields.keys() - without)
        try:
            async with (
                self._silence.watched() as watch,
                client.stream(
                    "POST",
                    f"{self._url}{_CHAT}",
                    content=await asyncio.to_thread(body.encoded, without),
                    headers={"content-type": "application/json"},
                ) as response,
            ):
                refused = await check_status(response, optional=optional, secret=self._api_key)
                if refused:
                    return refused
                self._note_engine(response.headers.get("server", ""))
                return await read_completion(
                    strict_text(self._heard(response, clock, watch)),
                    max_tokens=body.fields["max_tokens"],
                )
        except TimeoutError as error:
            raise RetryableError(
                BackendTimeoutError(
                    f"the server was silent for {self._stall_timeout:g} s",
                    remedy="Look at its log, or raise stall_timeout.",
                )
            ) from error
        except httpx.TransportError as error:
            raise RetryableError(self._transport_problem(error)) from error
        except UnicodeError as error:
            raise BackendReplyError(
                "the server redirects to an invalid address",
                remedy="Check that this is the right server.",
            ) from error

    async def _heard(
        self, response: httpx.Response, clock: PageClock, watch: SilenceWatch
    ) -> AsyncIterator[bytes]:
        """Yield the body; start the page's clock at its first event."""
        async for chunk in unhurried(response.aiter_raw()):
            # A comment only says that the connection is alive.
            begun = watch.begun or not chunk.startswith(b":")
            if begun and not watch.begun:
                clock.start()
                self._absence.end()
            self._silence.hear(watch, begun=begun)
            yield chunk

    def _note_engine(self, server: str) -> None:
        """Learn the engine from a reply's header, if the list of models did not name it."""
        served = self._find()
        if not served.engine and server.lower().startswith(LLAMA_CPP):
            self._served = replace(served, engine=LLAMA_CPP)

    def _transport_problem(self, error: httpx.TransportError) -> BackendError:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
            return BackendUnavailableError(
                f"no response from {self.base_url}",
                remedy="Start the server; `dsocr serve-command` prints how.",
            )
        message = excerpt(str(error), secret=self._api_key) or type(error).__name__
        return BackendReplyError(
            f"the reply was cut off ({message})", remedy="Read the page again."
        )
