"""Whether an installed model writes answers at all, by what Ollama says about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["why_unfit"]


def why_unfit(model: str, shown: Mapping[str, Any]) -> str:
    """Why a model cannot write answers, by what ``/api/show`` says; empty if it may.

    Servers before 0.6.4 name no capabilities; there the family decides.
    """
    details, info = _mapping(shown.get("details")), _mapping(shown.get("model_info"))
    family = str(info.get("general.architecture") or details.get("family") or "")
    if "ocr" in family or "deepseek-ocr" in model:
        return f"{model} reads pages and does not write answers"
    capabilities = shown.get("capabilities")
    if "embedding" in capabilities if capabilities else "bert" in family:
        return f"{model} is an embedding model and does not write answers"
    if capabilities and "completion" not in capabilities:
        return f"{model} does not write text (it can do: {', '.join(map(str, capabilities))})"
    return ""


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
