"""Finds out which model an OpenAI-compatible server serves."""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import BackendReplyError, BackendUnavailableError
from ...text.excerpt import excerpt
from .json_exchange import fetch_json, without_credentials

__all__ = ["served_model"]


def served_model(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    connect_seconds: float = 5.0,
    seconds: float = 15.0,
) -> str:
    """The name of the server's only model, or of the only one with "ocr" in its name.

    Args:
        url: The server's base URL, up to ``/v1``.
        headers: Authorization, if there is one.
        connect_seconds: Longest wait for a connection.
        seconds: Longest wait for the answer.

    Raises:
        BackendUnavailableError: If the server does not respond, or the choice is
            ambiguous.
        BackendReplyError: If the answer is not a list of models.
    """
    shown = without_credentials(url)
    try:
        answer = fetch_json(
            f"{url}/models", headers=headers, connect_seconds=connect_seconds, seconds=seconds
        )
    except BackendUnavailableError as error:
        error.remedy = "Start the server; `dsocr serve-command vllm` prints how."
        raise
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
    names = _names(answer.data, shown)
    candidates = names if len(names) == 1 else [name for name in names if "ocr" in name.lower()]
    if len(candidates) != 1:
        listed = ", ".join(excerpt(name, longest=60) for name in names[:8]) or "none"
        raise BackendUnavailableError(
            f"which model of {shown} reads pages is ambiguous (it serves: {listed})",
            remedy="Name it: ServerBackend(base_url, model=...).",
        )
    return candidates[0]


def _names(data: object, shown: str) -> list[str]:
    entries = data.get("data") if isinstance(data, dict) else None
    if not isinstance(entries, list):
        raise BackendReplyError(
            f"the answer of {shown} is not a list of models", remedy="Check the address."
        )
    return [
        entry["id"]
        for entry in entries
        if isinstance(entry, dict) and isinstance(entry.get("id"), str) and entry["id"]
    ]
