"""Language models that write answers: Ollama's, or any object with the same members.

The text of the user's documents must not leave the machine by accident, so a host on
another machine is refused, and so is a model that Ollama itself would run elsewhere
(its "cloud" models), unless ``allow_remote`` is set. Models are never downloaded.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, Protocol, TypeGuard, runtime_checkable

import httpx

from ..errors import ConfigurationError, LanguageModelError, LanguageModelUnavailableError
from ..hosts import is_this_machine
from ..ollama_address import ollama_headers, ollama_url
from ..ollama_server import OllamaServer
from ..setting_names import did_you_mean_model, with_known_settings
from .model_fitness import why_unfit
from .repetition import EqualParts

__all__ = [
    "LanguageModel",
    "Message",
    "ModelReply",
    "OllamaModel",
    "ReplyEnd",
    "StructuredLanguageModel",
    "choose_language_model",
    "language_model_named",
    "writes_json",
]

DEFAULT_CONTEXT: Final = 8192
"""Default tokens of context: a question with five passages needs no more, and Ollama
allocates memory for each."""

STRUCTURED_FROM: Final = (0, 5, 0)
"""First Ollama version that enforces a JSON schema."""

BUILT_FROM_SOURCE: Final = (0, 0, 0)
"""What an Ollama says that was built from source, which is a new one."""

SUGGESTED_MODEL: Final = "gemma3:4b"

REPEATED: Final = "The model repeated itself, and Ollama ended its reply."
BROKEN_OFF: Final = "The reply broke off before its end: only its whole sentences are kept."

ReplyEnd = Literal["stop", "length", "repetition", "broken off"]
"""How a reply ended: by itself; at its longest length; Ollama ended it because the model repeated
itself; it stopped coming. After the last two its last sentence may not be whole."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@runtime_checkable
class LanguageModel(Protocol):
    """Writes answers."""

    @property
    def name(self) -> str:
        """The model's name in answers."""
        ...

    @property
    def context_length(self) -> int:
        """Most tokens of prompt and reply together."""
        ...

    def stream(self, messages: Sequence[Message], *, max_tokens: int) -> Iterator[str]:
        """Write a reply, piece by piece.

        Like :class:`ModelReply`, the iterator may have a ``close()`` method and the
        attributes ``warnings`` and ``finish_reason``, which are read when it is exhausted.

        Args:
            messages: The conversation so far.
            max_tokens: Longest reply.

        Raises:
            LanguageModelError: If the model gives no reply.
        """
        ...


class StructuredLanguageModel(LanguageModel, Protocol):
    """Also writes answers as JSON that fits a schema."""

    @property
    def structured(self) -> bool:
        """Whether it is expected to obey a JSON schema."""
        ...

    def stream_json(
        self, messages: Sequence[Message], *, schema: Mapping[str, Any], max_tokens: int
    ) -> Iterator[str]:
        """Write a reply that fits a JSON schema, piece by piece; see :meth:`LanguageModel.stream`.

        Args:
            messages: The conversation so far.
            schema: A JSON schema of an object.
            max_tokens: Longest reply.

        Raises:
            LanguageModelError: If the model gives no reply.
        """
        ...


def writes_json(model: LanguageModel) -> TypeGuard[StructuredLanguageModel]:
    """Whether to ask a model for JSON; finding out may need a request."""
    # Not isinstance: up to Python 3.11 it reads every property.
    return callable(getattr(model, "stream_json", None)) and bool(
        getattr(model, "structured", False)
    )


@with_known_settings()
class OllamaModel:
    """A model of a running Ollama.

    Sends no request before the first use. Each request has its own connection, so
    there is nothing to close.

    Args:
        model: As ``ollama list`` shows it.
        host: Where Ollama listens; by default ``OLLAMA_HOST``, else port 11434 of this machine.
        timeout: Longest silence in seconds, including the time to load the model.
        max_seconds: Longest time for a whole reply.
        num_ctx: Tokens of context to request, by default 8192; capped at what the
            model was trained for.
        allow_remote: Whether the documents' text may go to another machine.
        structured: Whether to ask for answers as JSON. None asks for it if the server
            enforces a schema, as Ollama does from 0.5.0.

    Raises:
        RemoteModelRefusedError: If the host is another machine, or the model's
            name says that it runs on one.
        ConfigurationError: If an argument is invalid.
    """

    def __init__(
        self,
        model: str,
        *,
        host: str | None = None,
        timeout: float = 120.0,
        max_seconds: float = 600.0,
        num_ctx: int | None = None,
        allow_remote: bool = False,
        structured: bool | None = None,
    ) -> None:
        if not model.strip():
            raise ConfigurationError("no model is named", remedy="Write 'ollama/<model>'.")
        if timeout <= 0 or max_seconds <= 0 or (num_ctx is not None and num_ctx < 512):
            raise ConfigurationError(
                "timeouts must be above 0 and num_ctx at least 512",
                remedy="Leave them out for the defaults.",
            )
        self.model = model
        self.server = OllamaServer(
            ollama_url(host), timeout, max_seconds, headers=ollama_headers(host)
        )
        self.allow_remote = allow_remote
        self._wanted = num_ctx or DEFAULT_CONTEXT
        self._context: int | None = None
        self._structured = structured
        if not allow_remote:
            self.server.refuse_remote(model)

    @property
    def name(self) -> str:
        """``ollama/<model>``."""
        return f"ollama/{self.model}"

    def check(self) -> None:
        """Look at the model, once; raises what :attr:`context_length` raises."""
        _ = self.context_length

    @property
    def context_length(self) -> int:
        """The requested tokens, at most what the model allows. Asks the server once.

        Raises:
            RemoteModelRefusedError: If Ollama would run the model elsewhere.
            ConfigurationError: If the model does not write answers, as embedding models.
            LanguageModelError: If the server or the model is missing.
        """
        if self._context is None:
            shown = self.server.show(self.model)
            if not self.allow_remote:
                self.server.refuse_remote(self.model, shown)
            if problem := why_unfit(self.model, shown):
                raise ConfigurationError(
                    problem, remedy=f"Name a language model, such as ollama/{SUGGESTED_MODEL}."
                )
            info = shown.get("model_info")
            lengths = [
                value
                for key, value in (info.items() if isinstance(info, dict) else ())
                if key.endswith(".context_length") and isinstance(value, int) and value > 0
            ]
            # If the server does not say, ModelReply warns about a full context.
            self._context = min([self._wanted, *lengths])
        return self._context

    @property
    def structured(self) -> bool:
        """Whether to ask for JSON. Asks the server once.

        Raises:
            LanguageModelError: If the server does not answer.
        """
        if self._structured is None:
            version = self.server.version()
            self._structured = version >= STRUCTURED_FROM or version == BUILT_FROM_SOURCE
        return self._structured

    def stream(self, messages: Sequence[Message], *, max_tokens: int) -> ModelReply:
        """Write a reply; see :meth:`LanguageModel.stream`."""
        return ModelReply(self.server, self.model, messages, self._options(max_tokens))

    def stream_json(
        self, messages: Sequence[Message], *, schema: Mapping[str, Any], max_tokens: int
    ) -> ModelReply:
        """Write JSON; see :meth:`StructuredLanguageModel.stream_json`."""
        return ModelReply(self.server, self.model, messages, self._options(max_tokens), schema)

    def _options(self, max_tokens: int) -> dict[str, int]:
        # With temperature 0 and a fixed seed the same question gets the same answer.
        return {
            "num_ctx": self.context_length,
            "num_predict": max_tokens,
            "temperature": 0,
            "seed": 0,
        }


class ModelReply(Iterator[str]):
    """Iterates over the pieces of a reply. Closing it ends the request.

    Parts that are equal to the one before them are held back until another one comes: if Ollama
    ends the reply because of them, they are left out. ``warnings`` and ``finish_reason`` are final
    when the iterator is exhausted.
    """

    def __init__(
        self,
        server: OllamaServer,
        model: str,
        messages: Sequence[Message],
        options: Mapping[str, int],
        schema: Mapping[str, Any] | None = None,
    ) -> None:
        self.warnings: tuple[str, ...] = ()
        self.finish_reason: ReplyEnd = "broken off"
        self._server = server
        self._model = model
        self._options = options
        self._schema = schema
        self._pieces = self._read(messages)

    def __next__(self) -> str:
        return next(self._pieces)

    def close(self) -> None:
        """End the request, so that the server stops writing."""
        self._pieces.close()

    def _read(self, messages: Sequence[Message]) -> Generator[str]:
        turns = [asdict(message) for message in messages]
        form = None if self._schema is None else dict(self._schema)
        remedy = "Look at Ollama's log; a smaller model or num_ctx needs less memory."
        parts = EqualParts()
        held: list[str] = []
        begun = False
        with self._server.ollama_client(self._model, remedy) as client:
            stream = client.chat(
                self._model, turns, stream=True, options=self._options, format=form
            )
            with closing(stream), suppress(httpx.RemoteProtocolError):  # type: ignore[type-var]
                for part in stream:
                    content = part.message.content or ""
                    if parts.add(content or part.message.thinking or ""):
                        held.append(content)
                    else:
                        yield from _texts(held, content)
                        held.clear()
                        begun = begun or bool(content)
                    if part.done:
                        self._finish(part.done_reason, part.prompt_eval_count)
                        yield from _texts(held)
                        return
        if parts.reached_limit:
            self.finish_reason = "repetition"
            self.warnings += (REPEATED,)
            return
        yield from _texts(held)
        if not begun:
            raise self._server.broken("the reply broke off before its first word")
        self.warnings += (BROKEN_OFF,)

    def _finish(self, reason: str | None, prompt_tokens: int | None) -> None:
        self.finish_reason = "length" if reason == "length" else "stop"
        if reason == "length":
            self.warnings += ("The answer was cut: the model reached its longest reply.",)
        if (prompt_tokens or 0) + self._options["num_predict"] > self._options["num_ctx"]:
            self.warnings += ("The prompt filled the context: the model may have missed a part.",)


def _texts(held: Sequence[str], *more: str) -> Iterator[str]:
    return (text for text in (*held, *more) if text)


def language_model_named(
    spec: str,
    *,
    host: str | None = None,
    timeout: float = 120.0,
    num_ctx: int | None = None,
    allow_remote: bool = False,
) -> OllamaModel | None:
    """The model that ``"ollama/<model>"`` names; None for ``"none"``."""
    if spec == "none":
        return None
    provider, _, model = spec.partition("/")
    if provider != "ollama" or not model:
        raise ConfigurationError(
            f"{spec!r} names no language model",
            remedy=f"{did_you_mean_model(spec)}Write 'ollama/<model>' or 'none'.",
        )
    return OllamaModel(
        model, host=host, timeout=timeout, num_ctx=num_ctx, allow_remote=allow_remote
    )


def choose_language_model(host: str | None = None) -> tuple[str | None, str]:
    """Choose a model on this machine that can write answers.

    Returns ``("ollama/<model>", "")`` for the newest installed model that runs on this machine and
    writes text, else None and one line that says what to do.
    """
    start = "For a written answer start Ollama (`ollama serve`)"
    pull = f"`ollama pull {SUGGESTED_MODEL}`"
    try:
        server = OllamaServer(
            ollama_url(host), timeout=5.0, max_seconds=10.0, headers=ollama_headers(host)
        )
        if not is_this_machine(server.url):
            return None, f"Ollama at {server.url} is not this machine: name its model to use it."
        for model in server.models():
            if _writes_text(server, model):
                return f"ollama/{model}", ""
    except LanguageModelUnavailableError:
        return None, f"{start} and get a model ({pull})."
    except (LanguageModelError, ConfigurationError) as error:
        return None, f"No written answer: {error}"
    return None, f"For a written answer get a model: {pull}."


def _writes_text(server: OllamaServer, model: str) -> bool:
    shown = server.show(model)
    runs_elsewhere = shown.get("remote_host") or shown.get("remote_model")
    return not runs_elsewhere and not why_unfit(model, shown)
