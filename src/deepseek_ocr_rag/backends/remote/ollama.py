"""Reads pages with the ``deepseek-ocr`` model of a running Ollama.

Ollama gets the prompts that the model's publisher tested, through ``/api/generate`` (which
``ollama run`` uses as well), one page after the other. The prompt begins with a line end only if
Ollama does not put one after the picture itself. The context length is always set: by default
Ollama truncates a long prompt silently. Ollama has no n-gram rule, so a reply that starts to repeat
itself is cut off while it streams, and the page is asked for again in another way
(:mod:`.retry_ladder`).

Page images stay on this machine: another host, or a model that Ollama would run elsewhere, is
refused unless ``allow_remote`` is set. Models are never downloaded.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Final

import httpx

from ...errors import (
    BackendError,
    BackendReplyError,
    BackendTimeoutError,
    BackendUnavailableError,
    ConfigurationError,
    RetryableError,
    SourceError,
)
from ...hosts import is_this_machine
from ...model.ollama_names import MODEL
from ...ollama_address import ollama_headers, ollama_url
from ...setting_names import with_known_settings
from ...text.excerpt import excerpt
from ..attempts import Attempt, AttemptSettings
from ..base import PageRequest, Reply
from ..fingerprints import fingerprint
from ..page_images import CONTEXT_TOKENS, new_tokens, png_bytes, request_as
from .concurrent_requests import Failure, ReadPage
from .hidden_tokens import OLLAMA_CURE, hidden_warning
from .json_exchange import without_credentials
from .ollama_models import FIRST_HIDING_VERSION, OllamaFacts
from .ollama_reply import OllamaReply, added_tokens
from .picture_warnings import picture_warnings
from .remote_backend import WAIT_SECONDS, BrokenOff, RemoteBackend
from .reply_text import GuardedTransport

if TYPE_CHECKING:
    import ollama

__all__ = ["OllamaBackend"]

_BUSY: Final = (408, 425, 429)


@with_known_settings()
class OllamaBackend(RemoteBackend):
    """Reads pages with a model of a running Ollama.

    Args:
        model: As ``ollama list`` shows it; without a tag, any tag that is installed.
            Without a name, the model that ``dsocr ollama-model`` made, else deepseek-ocr.
        host: Where Ollama listens; without it ``OLLAMA_HOST``, else port 11434 of this machine.
        timeout: Longest time for one page in seconds, all attempts together.
        stall_timeout: Longest silence in seconds; it includes loading the model
            and encoding the picture.
        keep_alive: How long Ollama keeps the model in memory afterwards, in
            seconds or as "10m"; without it, Ollama's own setting.
        num_ctx: Tokens of image, prompt and reply together.
        num_predict: Longest reply in tokens; without it, what ``num_ctx``
            leaves beside the largest image.
        concurrency: Pages in flight at once, over all documents. More than 1 only
            helps where ``OLLAMA_NUM_PARALLEL`` allows it.
        attempts: Most times that a page is asked for because it comes out badly.
        retries: How often a page is asked for again when Ollama is busy, away, or breaks off.
        wait: How long to wait for an Ollama that has answered before but is away, in seconds.
        allow_remote: Whether page images may go to another machine.

    Raises:
        BackendUnavailableError: If the host is another machine and ``allow_remote`` is not set.
        ConfigurationError: If an argument is invalid.
    """

    name = "ollama"

    def __init__(
        self,
        model: str | None = None,
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
        wait: float = WAIT_SECONDS,
        allow_remote: bool = False,
    ) -> None:
        super().__init__(
            server="Ollama",
            concurrency=concurrency,
            timeout=timeout,
            stall_timeout=stall_timeout,
            attempts=attempts,
            retries=retries,
            wait=wait,
        )
        if model is not None and not model.strip():
            raise ConfigurationError("the model's name is empty", remedy="Write 'ollama/<model>'.")
        if num_predict is not None and num_predict < 1:
            raise ConfigurationError(
                "num_predict must be above 0", remedy="Leave it out for the longest reply."
            )
        new_tokens("", num_ctx)
        self._wanted = model
        self.model = model or MODEL
        self.host = ollama_url(host)
        self._headers = ollama_headers(host)
        self._facts = OllamaFacts(self.host, headers=self._headers)
        self._keep_alive = keep_alive
        self._num_ctx = num_ctx
        self._num_predict = num_predict
        self._allow_remote = allow_remote
        self._checked = False
        self._line_end: bool | None = None
        if not is_this_machine(self.host):
            self._refuse_remote(f"Ollama at {without_credentials(self.host)} is not this machine")

    def __repr__(self) -> str:
        return f"OllamaBackend({self._wanted or MODEL!r}, host={without_credentials(self.host)!r})"

    @property
    def fingerprint(self) -> str | None:
        """The host, the model's digest (asked from Ollama), and the limits of a page's text.

        Raises:
            BackendError: If Ollama cannot be asked.
        """
        digest = self._facts.digest(self._facts.meant(self._wanted))
        return digest and fingerprint(
            host=without_credentials(self.host),
            digest=digest,
            num_ctx=self._num_ctx,
            num_predict=self._num_predict,
            attempts=self._attempts,
        )

    def _refuse_remote(self, problem: str) -> None:
        if not self._allow_remote:
            raise BackendUnavailableError(
                f"{problem}, and page images would be sent there",
                remedy="Use an Ollama of this machine, or OllamaBackend(..., allow_remote=True).",
            )

    def _check(self) -> None:
        """Check once that Ollama runs and is new enough, and that its model reads images there."""
        if self._checked:
            return
        self.model = self._facts.meant(self._wanted)
        ours = MODEL in self.model
        version = self._facts.check_version() if ours else self._facts.version()
        shown = self._facts.show(self.model)
        if shown.remote:
            self._refuse_remote(f"Ollama would run {self.model} on {shown.remote}")
        self._facts.check_sees(self.model, shown)
        if version is not None:
            self._line_end = version < FIRST_HIDING_VERSION
        self._checked = True

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[ReadPage]:
        import ollama

        await asyncio.to_thread(self._check)
        client = ollama.AsyncClient(
            self.host,
            timeout=self._http_timeout,
            transport=GuardedTransport(),
            headers=self._headers,
            # A redirect would carry the page image to wherever it points.
            follow_redirects=False,
        )

        async def ask(request: PageRequest, settings: AttemptSettings) -> Attempt | BrokenOff:
            try:
                return await self._ask(client, request_as(request, settings), settings)
            except Exception as error:
                problem = self._translated(error)
                if isinstance(problem, BackendError) and _may_pass(error):
                    raise RetryableError(problem) from error
                if problem is error:
                    raise
                raise problem from error

        async def read_page(request: PageRequest) -> Reply | Failure:
            return await self._read_page(request, ask)

        try:
            yield read_page
        finally:
            await client.close()  # type: ignore[no-untyped-call]

    async def _ask(
        self, client: ollama.AsyncClient, request: PageRequest, settings: AttemptSettings
    ) -> Attempt | BrokenOff:
        """Send one request; collect the reply until it ends, repeats itself or is too long."""
        image = await asyncio.to_thread(png_bytes, request)
        prompt = request.task.prompt if self._line_end is False else request.task.ollama_prompt
        longest = self._num_predict or new_tokens(prompt, self._num_ctx, request.size)
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
        reply = OllamaReply(longest)
        cut = "its last part is missing"
        try:
            # An async generator, though the library's annotation says iterator.
            async with aclosing(parts) as replies:  # type: ignore[type-var]
                async for part in replies:
                    if reply.add(part):
                        self._learn_line_end(prompt, reply)
                        return self._attempt(request, settings, reply)
        except httpx.TimeoutException:
            raise
        except httpx.TransportError as error:
            cut = excerpt(str(error)) or type(error).__name__
        if reply.break_off():
            return self._attempt(request, settings, reply)
        return BrokenOff.of(self._attempt(request, settings, reply), "Ollama", cut)

    def _learn_line_end(self, prompt: str, reply: OllamaReply) -> None:
        """Learn from the first reply whether an Ollama of unknown version adds the line end."""
        if self._line_end is None and (added := added_tokens(prompt, reply.prompt_tokens)):
            self._line_end = added < 2

    def _attempt(
        self, request: PageRequest, settings: AttemptSettings, reply: OllamaReply
    ) -> Attempt:
        warnings = picture_warnings("Ollama", request, reply.prompt_tokens)
        if hidden := reply.hidden:
            warnings = (*warnings, hidden_warning("Ollama", hidden, OLLAMA_CURE))
        return Attempt(
            settings,
            reply.text,
            reply.finish_reason or "length",
            reply.tokens,
            warnings=warnings,
            limited=self._num_predict is not None,
            loops=reply.loops,
        )

    def _translated(self, error: Exception) -> BackendError | SourceError:
        """Return the error to raise for an error of httpx, the library or a malformed reply.

        Any other error is a bug, and is raised.
        """
        import ollama

        if isinstance(error, BackendError | SourceError):
            return error
        if isinstance(error, ollama.ResponseError):
            return self._refusal(error.status_code, error.error)
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | ConnectionError):
            return self._facts.not_running()
        if isinstance(error, httpx.TimeoutException):
            return BackendTimeoutError(
                f"Ollama was silent for {self._stall_timeout:g} s",
                remedy="Look at its log, or raise stall_timeout.",
            )
        if isinstance(error, httpx.DecodingError):
            return BackendReplyError(excerpt(str(error)), remedy="Look at its log.")
        if isinstance(error, httpx.TransportError):
            message = excerpt(str(error)) or type(error).__name__
            return BackendReplyError(f"the reply was cut off ({message})")
        if isinstance(error, ValueError | TypeError | AttributeError | RecursionError):
            return BackendReplyError(
                f"the reply does not follow Ollama's protocol ({excerpt(str(error))})"
            )
        raise error

    def _refusal(self, status: int, message: str) -> BackendError:
        if status == 404:
            return self._facts.missing(self.model)
        message = excerpt(message)
        if status in (401, 403, 429, 502, 503, 504):
            return BackendUnavailableError(
                f"Ollama answers with HTTP {status} ({message})", remedy="Look at its log."
            )
        code = "" if status < 0 else f" (HTTP {status})"
        return BackendReplyError(
            f"Ollama reports an error{code}: {message}", remedy="Look at its log."
        )


def _may_pass(error: Exception) -> bool:
    """Return whether the same request may succeed later; repeating it is safe."""
    import ollama

    if isinstance(error, ollama.ResponseError):
        return error.status_code in _BUSY or error.status_code >= 500
    silent = isinstance(error, httpx.TimeoutException) and not isinstance(
        error, httpx.ConnectTimeout
    )
    return isinstance(error, httpx.TransportError | ConnectionError) and not silent
