"""The ``deepseek-ocr`` model of a running Ollama.

Ollama gets the prompts that its publisher tested, as ``/api/generate`` (what
``ollama run`` uses), one page after the other. The context length is always
set: by default Ollama cuts a long prompt in silence. Ollama has no n-gram
guard, so a reply that begins to repeat itself is cut off while it comes, and the
page is asked for again in another way (:mod:`.ladder`).

Page images stay on this machine: another host, or a model that Ollama would
run elsewhere, is refused unless ``allow_remote`` is set. Models are never
downloaded.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import httpx

from ...concurrency.fair_turns import FairSemaphore
from ...document.types import FinishReason
from ...errors import (
    BackendError,
    BackendReplyError,
    BackendTimeoutError,
    BackendUnavailableError,
    ConfigurationError,
)
from ...model.loops.detector import RepetitionWatch
from ...model.prompts import END_TOKEN
from ...ollama_server import is_this_machine, ollama_url
from ...text.excerpt import excerpt
from ..attempts import Attempt, AttemptSettings
from ..base import PageRequest, Reply
from ..fingerprints import fingerprint
from ..page_images import CONTEXT_TOKENS, new_tokens, png_bytes, request_as
from ..retry_ladder import SMALLER_PICTURE, RetryLadder
from .backoff import wait_seconds
from .completion_stream import LONGEST_TOKEN
from .concurrent_requests import Failure, ReadPage, read_concurrently
from .json_exchange import PLAIN, without_credentials
from .ollama_models import OllamaFacts
from .reply_text import GuardedTransport

if TYPE_CHECKING:
    import ollama

__all__ = ["OllamaBackend"]

_BUSY: Final = (408, 425, 429)

_REASONS: Final[dict[str, FinishReason]] = {"stop": "stop", "length": "length"}


class OllamaBackend:
    """Reads pages with a model of a running Ollama.

    Args:
        model: As ``ollama list`` shows it.
        host: Where Ollama listens; without it ``OLLAMA_HOST``, else this
            machine's port 11434.
        timeout: Longest time for one page in seconds, all attempts together.
        stall_timeout: Longest silence in seconds, the loading of the model and
            the looking at the picture included.
        keep_alive: How long Ollama keeps the model in memory afterwards, in
            seconds or as "10m"; without it, Ollama's own setting.
        num_ctx: Tokens of image, prompt and reply together.
        num_predict: Longest reply in tokens; without it, what ``num_ctx``
            leaves beside the largest image.
        concurrency: Pages under way at once, over all documents. More than 1 only helps where
            ``OLLAMA_NUM_PARALLEL`` allows it.
        attempts: How often a page that comes out badly is asked for at most.
        retries: How often a page is asked for again when Ollama is busy, away, or
            breaks off.
        allow_remote: Whether page images may go to another machine.

    Raises:
        BackendUnavailableError: If the host is another machine and
            ``allow_remote`` is not set.
        ConfigurationError: If an argument cannot be meant.
    """

    name = "ollama"
    needs_image = True
    reads_text_layer = False

    def __init__(
        self,
        model: str = "deepseek-ocr",
        *,
        host: str | None = None,
        timeout: float = 900.0,
        stall_timeout: float = 300.0,
        keep_alive: float | str | None = None,
        num_ctx: int = CONTEXT_TOKENS,
        num_predict: int | None = None,
        concurrency: int = 1,
        attempts: int = 3,
        retries: int = 2,
        allow_remote: bool = False,
    ) -> None:
        if not model.strip():
            raise ConfigurationError("no model is named", remedy="Write 'ollama/<model>'.")
        timeouts_are_right = timeout > 0 and stall_timeout > 0
        if min(concurrency, attempts) < 1 or retries < 0 or not timeouts_are_right:
            raise ConfigurationError(
                "concurrency, attempts and timeouts must be above 0 and retries not below",
                remedy="Leave them out.",
            )
        if num_predict is not None and num_predict < 1:
            raise ConfigurationError(
                "num_predict must be above 0", remedy="Leave it out for the longest reply."
            )
        new_tokens("", num_ctx)
        self.model = model
        self.host = ollama_url(host)
        self.concurrency = concurrency
        self._places = FairSemaphore(concurrency)
        self._facts = OllamaFacts(self.host)
        self._attempts = attempts
        self._retries = retries
        self._timeout = timeout
        self._stall_timeout = stall_timeout
        self._keep_alive = keep_alive
        self._num_ctx = num_ctx
        self._num_predict = num_predict
        self._allow_remote = allow_remote
        self._checked = False
        if not is_this_machine(self.host):
            self._refuse_remote(f"Ollama at {without_credentials(self.host)} is not this machine")

    def __repr__(self) -> str:
        return f"OllamaBackend({self.model!r}, host={without_credentials(self.host)!r})"

    @property
    def fingerprint(self) -> str | None:
        """Host, digest of the model, and what bounds a page's text; Ollama is asked for the digest.

        Raises:
            BackendError: If it does not say.
        """
        digest = self._facts.digest(self.model)
        return digest and fingerprint(
            host=without_credentials(self.host),
            digest=digest,
            num_ctx=self._num_ctx,
            num_predict=self._num_predict,
            attempts=self._attempts,
        )

    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        """Read pages; see :meth:`Backend.read`."""
        return read_concurrently(
            requests, self._session, concurrency=self.concurrency, places=self._places
        )

    def close(self) -> None:
        """Nothing is held between two calls of :meth:`read`."""

    def _refuse_remote(self, problem: str) -> None:
        if not self._allow_remote:
            raise BackendUnavailableError(
                f"{problem}, and page images would be sent there",
                remedy="Use an Ollama of this machine, or OllamaBackend(..., allow_remote=True).",
            )

    def _check(self) -> None:
        """See once that Ollama runs, is new enough, and runs the model itself."""
        if self._checked:
            return
        if "deepseek-ocr" in self.model:
            self._facts.check_version()
        where = self._facts.remote_host(self.model)
        if where:
            self._refuse_remote(f"Ollama would run {self.model} on {where}")
        self._checked = True

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[ReadPage]:
        import ollama

        await asyncio.to_thread(self._check)
        client = ollama.AsyncClient(
            self.host,
            timeout=httpx.Timeout(self._stall_timeout, connect=min(10.0, self._stall_timeout)),
            transport=GuardedTransport(),
            headers=PLAIN,
            # A redirect would carry the page image to wherever it points.
            follow_redirects=False,
        )
        try:

            async def read_page(request: PageRequest) -> Reply | Failure:
                return await self._read_page(client, request)

            yield read_page
        finally:
            await client.close()  # type: ignore[no-untyped-call]

    async def _read_page(self, client: ollama.AsyncClient, request: PageRequest) -> Reply | Failure:
        ladder = RetryLadder(
            request,
            AttemptSettings(request.task, request.mode),
            attempts=self._attempts,
            seconds=self._timeout,
            modes=SMALLER_PICTURE,
        )
        retries = 0
        try:
            async with asyncio.timeout(self._timeout):
                settings: AttemptSettings | None = ladder.settings
                while settings is not None:
                    asked = request_as(request, settings)
                    try:
                        attempt = await self._ask(client, asked, settings)
                    except Exception as problem:
                        if retries == self._retries or not _passes(problem):
                            raise
                        retries += 1
                        await asyncio.sleep(wait_seconds(retries))
                        continue
                    settings = await asyncio.to_thread(ladder.add, attempt)
                return _with_retries(ladder.reply(), retries)
        except TimeoutError:
            error: BackendError = BackendTimeoutError(
                f"no whole reply in {self._timeout:g} s", remedy="Raise the timeout."
            )
        except Exception as problem:  # noqa: BLE001 - bugs are raised again
            error = self._translated(problem)
            if error is not problem:
                error.__cause__ = problem
        if ladder.answered:
            return _with_retries(ladder.reply(error), retries)
        if not isinstance(error, BackendUnavailableError):
            error.source = request.source
            error.page = request.page
        return Failure(error, retries + 1)

    async def _ask(
        self, client: ollama.AsyncClient, request: PageRequest, settings: AttemptSettings
    ) -> Attempt:
        image = await asyncio.to_thread(png_bytes, request)
        prompt = request.task.ollama_prompt
        longest = self._num_predict or new_tokens(prompt, self._num_ctx)
        parts = await client.generate(
            self.model,
            prompt=prompt,
            images=[image],
            stream=True,
            keep_alive=self._keep_alive,
            options={
                "temperature": settings.temperature,
                "num_ctx": self._num_ctx,
                "num_predict": longest,
            },
        )
        pieces: list[str] = []
        characters = 0
        watch = RepetitionWatch()
        # An async generator, though the library's annotation says iterator.
        async with aclosing(parts) as replies:  # type: ignore[type-var]
            async for part in replies:
                if part.response:
                    pieces.append(part.response)
                    characters += len(part.response)
                if part.done:
                    reason = _reason(part.done_reason)
                    return self._attempt(settings, pieces, reason, part.eval_count)
                # Closing the reply ends the writing.
                if part.response and watch.feed(part.response) is not None:
                    return self._attempt(settings, pieces, "repetition")
                if len(pieces) > longest or characters > longest * LONGEST_TOKEN:
                    return self._attempt(settings, pieces, "length")
        raise BackendReplyError("the reply was cut off: its last part is missing")

    def _attempt(
        self,
        settings: AttemptSettings,
        pieces: Sequence[str],
        finish_reason: FinishReason,
        tokens: int | None = None,
    ) -> Attempt:
        warnings: tuple[str, ...] = ()
        if not settings.mode.crop:
            warnings = (
                f"Ollama decides on the resolution: mode {settings.mode.name} "
                "only set the size of the picture",
            )
        return Attempt(
            settings,
            "".join(pieces).removesuffix(END_TOKEN),
            finish_reason,
            tokens,
            warnings=warnings,
            limited=self._num_predict is not None,
        )

    def _translated(self, error: Exception) -> BackendError:
        """One of our errors for whatever httpx, the library or a wrong shape raise."""
        import ollama

        if isinstance(error, BackendError):
            return error
        if isinstance(error, ollama.ResponseError):
            return self._refusal(error.status_code, error.error)
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | ConnectionError):
            return self._facts.away()
        if isinstance(error, httpx.TimeoutException):
            return BackendTimeoutError(
                f"Ollama was silent for {self._stall_timeout:g} s",
                remedy="Look at its log, or raise stall_timeout.",
            )
        if isinstance(error, httpx.TransportError):
            words = excerpt(str(error)) or type(error).__name__
            return BackendReplyError(f"the reply was cut off ({words})")
        if isinstance(error, ValueError | TypeError | AttributeError):
            return BackendReplyError(f"the reply is not Ollama's protocol ({excerpt(str(error))})")
        raise error

    def _refusal(self, status: int, words: str) -> BackendError:
        shown = excerpt(words)
        if status == 404:
            return self._facts.missing(self.model)
        if status in (401, 403, 429, 502, 503, 504):
            return BackendUnavailableError(
                f"Ollama answers with HTTP {status} ({shown})", remedy="Look at its log."
            )
        where = "" if status < 0 else f" (HTTP {status})"
        return BackendReplyError(
            f"Ollama reports an error{where}: {shown}", remedy="Look at its log."
        )


def _passes(error: Exception) -> bool:
    """Whether the same page may come whole if it is asked for again: nothing was read, all is safe."""
    import ollama

    if isinstance(error, ollama.ResponseError):
        return error.status_code in _BUSY or error.status_code >= 500
    silent = isinstance(error, httpx.TimeoutException) and not isinstance(
        error, httpx.ConnectTimeout
    )
    return isinstance(error, httpx.TransportError | ConnectionError) and not silent


def _with_retries(reply: Reply, retries: int) -> Reply:
    return replace(reply, attempts=reply.attempts + retries)


def _reason(done_reason: str | None) -> FinishReason:
    reason = done_reason or "stop"
    if reason not in _REASONS:
        raise BackendReplyError(f"Ollama ended the reply: {excerpt(reason)}")
    return _REASONS[reason]
