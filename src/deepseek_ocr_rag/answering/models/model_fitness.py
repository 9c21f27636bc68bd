"""Checks whether a model can write answers, before any page is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...ollama_server import OllamaServer
from ...retrieval.embeddings import EmbeddingModel, OllamaEmbeddings, embedding_model

__all__ = ["checked_embeddings", "why_unfit", "writes_text"]


def why_unfit(model: str, shown: Mapping[str, Any]) -> str:
    """Why a model cannot write answers, by what ``/api/show`` says; empty if it may.

    Servers before 0.6.4 do not list capabilities; for them the family decides.
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


def writes_text(server: OllamaServer, model: str) -> bool:
    """Whether a model writes answers, and runs on its server's own machine.

    Raises:
        LanguageModelError: If the server does not say.
    """
    shown = server.show(model)
    runs_elsewhere = shown.get("remote_host") or shown.get("remote_model")
    return not runs_elsewhere and not why_unfit(model, shown)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def checked_embeddings(name: str, *, allow_remote: bool = False) -> EmbeddingModel:
    """The embedding model that ``"ollama/<model>"`` names, after checking that it is there.

    Raises:
        ConfigurationError: If the name names none.
        RemoteModelRefusedError: If Ollama would run it elsewhere.
        EmbeddingModelError: If the server or the model is missing.
    """
    model = embedding_model(name, allow_remote=allow_remote)
    if isinstance(model, OllamaEmbeddings):
        model.check()
    return model
