"""Finds out how many tokens of context a framework's language model has."""

from __future__ import annotations

from typing import Final

__all__ = ["context_length_of"]

OLLAMA_DEFAULT: Final = 4096
"""Ollama's default context; ``/api/ps`` shows it as ``context_length``."""

_MOST_WRAPPERS: Final = 5


def context_length_of(model: object) -> int | None:
    """The tokens of context of a chat model of LangChain or an LLM of LlamaIndex.

    Looks at what the model itself says: ``num_ctx`` of LangChain's Ollama (4096 where it is not
    set), the maximum of input tokens in the ``profile`` of other chat models of LangChain,
    ``metadata.context_window`` of LlamaIndex's LLMs.

    Returns:
        The number, or None if the model does not say.
    """
    told = _bound_number(model)
    for _ in range(_MOST_WRAPPERS):  # with_config, bind_tools and the like
        if not hasattr(model, "bound"):
            break
        model = model.bound
        told = told or _bound_number(model)
    found = told or _number(getattr(model, "num_ctx", None))
    if found is None and type(model).__module__.split(".")[0] == "langchain_ollama":
        return OLLAMA_DEFAULT
    profile = getattr(model, "profile", None)
    if found is None and isinstance(profile, dict):
        found = _number(profile.get("max_input_tokens"))
    return found or _number(getattr(model, "context_window", None)) or _of_metadata(model)


def _bound_number(model: object) -> int | None:
    """``num_ctx``, if it was bound to calls of the model."""
    bound = getattr(model, "kwargs", None)
    if not isinstance(bound, dict):
        return None
    options = bound.get("options")
    inside = options.get("num_ctx") if isinstance(options, dict) else None
    return _number(bound.get("num_ctx")) or _number(inside)


def _of_metadata(model: object) -> int | None:
    try:
        return _number(getattr(getattr(model, "metadata", None), "context_window", None))
    except Exception:  # noqa: BLE001 - it may ask a server, with errors of any kind
        return None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
