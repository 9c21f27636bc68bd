"""Finds out what an OpenAI-compatible server serves: its model, and that model's limits.

vLLM, SGLang and llama.cpp list their models in OpenAI's form, each with facts of its own;
llama.cpp (seen: build 11549) says in ``/v1/models`` whether the model sees, and in ``/props``
how many slots there are. What a server does not say stays unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from ...errors import BackendReplyError, BackendUnavailableError, RetryableError
from ...text.excerpt import excerpt
from .json_exchange import JsonAnswer, fetch_json, without_credentials

__all__ = ["LLAMA_CPP", "RULE_IGNORED", "ServedModel", "models_url", "served_model"]

LLAMA_CPP: Final = "llama.cpp"

RULE_IGNORED: Final = (LLAMA_CPP, "sglang")
"""Engines that silently ignore the rule against repeats in a request."""

_ENGINES: Final = {"llamacpp": LLAMA_CPP, "vllm": "vllm", "sglang": "sglang"}
"""The engine by the model's ``owned_by``."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    """What a server says about the model that reads."""

    name: str  # as the server names it
    engine: str = ""  # "vllm", "sglang", "llama.cpp", or "" if it does not say
    sees: bool | None = None  # whether the model takes pictures; None if it does not say
    context: int | None = None  # longest prompt and reply together in tokens (of a slot)
    slots: int | None = None  # how many requests it answers at once


def models_url(url: str) -> str:
    """Return the URL of a server's list of models; ``url`` is its base URL, up to ``/v1``."""
    return f"{url}/models"


def served_model(
    url: str,
    *,
    model: str | None = None,
    headers: Mapping[str, str] | None = None,
    connect_seconds: float = 5.0,
    seconds: float = 15.0,
) -> ServedModel:
    """Ask a server for the named model, its only model, or the only one with "ocr" in its name.

    Args:
        url: The server's base URL, up to ``/v1``.
        model: The name that the user gave; a server then need not list its models.
        headers: Additional headers.
        connect_seconds: Longest wait for a connection.
        seconds: Longest wait for an answer.

    Raises:
        RetryableError: If the server is still loading the model.
        BackendUnavailableError: If the choice is ambiguous, the model takes no pictures, or the
            server does not answer.
        BackendReplyError: If the answer is not a list of models.
    """
    shown = without_credentials(url)

    def ask(address: str) -> JsonAnswer:
        return fetch_json(
            address, headers=headers, connect_seconds=connect_seconds, seconds=seconds
        )

    try:
        answer = ask(models_url(url))
    except BackendUnavailableError as error:
        error.remedy = "Start the server; `dsocr serve-command` prints how."
        raise
    if answer.status == 503:
        raise _still_loading(shown)
    if model is not None and (answer.status != 200 or _entries(answer.data) is None):
        return ServedModel(model)
    entry = _chosen(_listed(answer, shown), model, shown)
    found = _facts(entry)
    if found.engine == LLAMA_CPP:
        if entry.get("meta", "") is None:
            # It lists its models even before they are loaded, but then without facts.
            raise _still_loading(shown)
        found = _with_props(found, ask(f"{url.removesuffix('/v1')}/props"))
    if found.sees is False:
        raise _cannot_see(found, shown)
    return found


def _still_loading(shown: str) -> RetryableError:
    return RetryableError(
        BackendUnavailableError(
            f"{shown} is still loading its model", remedy="Wait until it is ready."
        )
    )


def _cannot_see(model: ServedModel, shown: str) -> BackendUnavailableError:
    cure = "Serve DeepSeek-OCR; `dsocr serve-command` prints how."
    if model.engine == LLAMA_CPP:
        cure = (
            "Start llama.cpp with --mmproj and the file of the picture encoder; "
            "`dsocr serve-command llama.cpp` prints the command."
        )
    return BackendUnavailableError(
        f"the model {excerpt(model.name, longest=60)} of {shown} takes no images, so it cannot "
        "read pages",
        remedy=cure,
    )


def _listed(answer: JsonAnswer, shown: str) -> list[dict[str, Any]]:
    if answer.status in (401, 403):
        raise BackendUnavailableError(
            f"{shown} refuses to list its models (HTTP {answer.status})",
            remedy="Set api_key or DSOCR_SERVER_API_KEY to the server's key.",
        )
    if answer.status != 200:
        raise BackendUnavailableError(
            f"{shown} does not list its models (HTTP {answer.status})",
            remedy="Wait until it is ready, check the address, or name the model.",
        )
    entries = _entries(answer.data)
    if entries is None:
        raise BackendReplyError(
            f"the answer from {shown} is not a list of models", remedy="Check the address."
        )
    return entries


def _entries(data: object) -> list[dict[str, Any]] | None:
    entries = data.get("data") if isinstance(data, dict) else None
    if not isinstance(entries, list):
        return None
    return [
        entry
        for entry in entries
        if isinstance(entry, dict) and isinstance(entry.get("id"), str) and entry["id"]
    ]


def _chosen(entries: list[dict[str, Any]], model: str | None, shown: str) -> dict[str, Any]:
    if model is not None:
        return next((entry for entry in entries if entry["id"] == model), {"id": model})
    named = [entry for entry in entries if "ocr" in entry["id"].lower()]
    candidates = entries if len(entries) == 1 else named
    if len(candidates) != 1:
        listed = ", ".join(excerpt(entry["id"], longest=60) for entry in entries[:8]) or "none"
        raise BackendUnavailableError(
            f"cannot tell which model of {shown} reads pages (it serves: {listed})",
            remedy="Name it: ServerBackend(base_url, model=...).",
        )
    return candidates[0]


def _facts(entry: dict[str, Any]) -> ServedModel:
    architecture, meta = entry.get("architecture"), entry.get("meta")
    kinds = architecture.get("input_modalities") if isinstance(architecture, dict) else None
    slot = meta.get("n_ctx") if isinstance(meta, dict) else None
    return ServedModel(
        entry["id"],
        _ENGINES.get(str(entry.get("owned_by", "")).lower(), ""),
        sees="image" in kinds if isinstance(kinds, list) and kinds else None,
        context=_positive(entry.get("max_model_len")) or _positive(slot),
    )


def _with_props(model: ServedModel, answer: JsonAnswer) -> ServedModel:
    """Add what llama.cpp says about itself; a server may hide that."""
    data = answer.data if answer.status == 200 and isinstance(answer.data, dict) else {}
    kinds, settings = data.get("modalities"), data.get("default_generation_settings")
    vision = kinds.get("vision") if isinstance(kinds, dict) else None
    context = settings.get("n_ctx") if isinstance(settings, dict) else None
    return replace(
        model,
        sees=vision if isinstance(vision, bool) else model.sees,
        context=_positive(context) or model.context,
        slots=_positive(data.get("total_slots")),
    )


def _positive(number: object) -> int | None:
    if isinstance(number, int) and not isinstance(number, bool) and number > 0:
        return number
    return None
