"""Turns what a user passes as ``llm`` into a language model, and chooses one."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Final, cast

from ...errors import (
    ConfigurationError,
    LanguageModelError,
    LanguageModelUnavailableError,
    MissingExtraError,
)
from ...hosts import is_this_machine
from ...ollama_address import ollama_headers, ollama_url
from ...ollama_server import OllamaServer
from ...setting_names import did_you_mean_model
from ..language_model import LanguageModel, ThinkingLevel
from .model_fitness import writes_text
from .ollama_model import SUGGESTED_MODEL, OllamaModel
from .openai_model import OpenAIModel

__all__ = ["choose_language_model", "language_model", "language_model_named"]

SERVERS: Final = ("openai", "vllm", "llama.cpp", "sglang", "lmstudio")
"""Prefixes that may come before the address of an OpenAI-compatible server."""

ADAPTERS: Final[Mapping[str, tuple[str, str]]] = {
    "langchain_core": ("langchain_deepseek_ocr", "langchain-deepseek-ocr"),
    "llama_index": ("llama_index.readers.deepseek_ocr", "llama-index-readers-deepseek-ocr"),
}
"""Maps the package that defines a model's class, or a base class of it, to the module whose
``language_model(model)`` adapts the model, and to that module's distribution. It is imported only
when such a model is passed, so that this package needs no framework."""

_FORMS: Final = "'ollama/<model>', 'openai:http://host:port' or 'none'"


def language_model(
    llm: object,
    *,
    host: str | None = None,
    timeout: float = 120.0,
    num_ctx: int | None = None,
    allow_remote: bool = False,
    think: bool | ThinkingLevel | None = None,
) -> LanguageModel | None:
    """The language model that a user means; None for None and ``"none"``.

    Args:
        llm: A name as for :func:`language_model_named`, a chat model of LangChain, an LLM of
            LlamaIndex, or any object that fits :class:`LanguageModel`.
        host: Where Ollama listens.
        timeout: Longest silence in seconds, if ``llm`` is a name.
        num_ctx: Tokens of context, if ``llm`` is a name.
        allow_remote: Whether a model given by name may run on another machine.
        think: Whether a model given by name may think.

    Raises:
        ConfigurationError: If it is none of these.
        MissingExtraError: If the integration for its framework is not installed.
    """
    if llm is None:
        return None
    if isinstance(llm, str):
        return language_model_named(
            llm,
            host=host,
            timeout=timeout,
            num_ctx=num_ctx,
            allow_remote=allow_remote,
            think=think,
        )
    for base in type(llm).__mro__:
        if adapter := ADAPTERS.get(base.__module__.partition(".")[0]):
            return _adapted(llm, *adapter)
    if problem := _why_no_language_model(llm):
        raise ConfigurationError(
            f"llm cannot be {problem}",
            remedy=f"Write {_FORMS}, or pass a chat model of LangChain, an LLM of LlamaIndex, or"
            " an object with name, context_length and stream(messages, max_tokens=...).",
        )
    return cast("LanguageModel", llm)


def _adapted(llm: object, module: str, distribution: str) -> LanguageModel:
    try:
        adapter = importlib.import_module(module).language_model
    except (ImportError, AttributeError) as error:
        raise MissingExtraError(
            f"{type(llm).__name__} needs {distribution} to write answers here",
            remedy=f"pip install {distribution}",
        ) from error
    return cast("LanguageModel", adapter(llm))


def _why_no_language_model(llm: object) -> str:
    """What an object lacks; empty if it fits. Reads no property, which might ask a server."""
    kind = f"the class {llm.__name__}" if isinstance(llm, type) else f"a {type(llm).__name__}"
    if isinstance(llm, type):
        return f"{kind}: pass an object of it"
    lacking = [name for name in ("name", "context_length") if not _has(llm, name)]
    stream = getattr(llm, "stream", None) if _has(llm, "stream") else None
    if not callable(stream):
        lacking.append("stream()")
    if lacking:
        return f"{kind}, which has no {' and no '.join(lacking)}"
    try:
        inspect.signature(cast("type", stream)).bind([], max_tokens=1)
    except TypeError:
        return f"{kind}, whose stream() does not take (messages, *, max_tokens)"
    except ValueError:  # a signature that Python does not know
        pass
    return ""


def _has(llm: object, name: str) -> bool:
    try:
        inspect.getattr_static(llm, name)
    except AttributeError:
        # Members that only __getattr__ gives, as in a proxy.
        return hasattr(type(llm), "__getattr__") and hasattr(llm, name)
    return True


def language_model_named(
    spec: str,
    *,
    host: str | None = None,
    timeout: float = 120.0,
    num_ctx: int | None = None,
    allow_remote: bool = False,
    think: bool | ThinkingLevel | None = None,
) -> OllamaModel | OpenAIModel | None:
    """The model that a text names.

    ``"ollama/<model>"``, ``"openai:http://host:port"`` with ``#<model>`` after it where the
    server has several (``vllm:`` and ``llama.cpp:`` mean the same), or ``"none"`` for None.

    Raises:
        ConfigurationError: If it names none.
        RemoteModelRefusedError: If the model would run on another machine.
    """
    if spec == "none":
        return None
    provider, _, address = spec.partition(":")
    if provider in SERVERS and "//" in address:
        url, _, model = address.partition("#")
        return OpenAIModel(
            url,
            model or None,
            context_length=num_ctx,
            timeout=timeout,
            allow_remote=allow_remote,
            think=think,
        )
    provider, _, model = spec.partition("/")
    if provider != "ollama" or not model:
        raise ConfigurationError(
            f"{spec!r} names no language model", remedy=f"{_meant(spec)}Write {_FORMS}."
        )
    return OllamaModel(
        model, host=host, timeout=timeout, num_ctx=num_ctx, allow_remote=allow_remote, think=think
    )


def _meant(spec: str) -> str:
    """A question that suggests what was probably meant, or an empty text."""
    if spec.strip().startswith(("http://", "https://")):
        return f"Did you mean 'openai:{spec.strip()}'? "
    return did_you_mean_model(spec)


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
            if writes_text(server, model):
                return f"ollama/{model}", ""
    except LanguageModelUnavailableError:
        return None, f"{start} and get a model ({pull})."
    except (LanguageModelError, ConfigurationError) as error:
        return None, f"No written answer: {error}"
    return None, f"For a written answer get a model: {pull}."
