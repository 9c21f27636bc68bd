"""Uses embedding models: Ollama's, or an object of LangChain, of LlamaIndex or of your own.

The text of the user's documents must not leave the machine by accident, so an Ollama on
another machine, or one that would run the model elsewhere, is refused unless
``allow_remote`` is set. Whoever passes an object decides where it sends the texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol, runtime_checkable

from ..errors import (
    ConfigurationError,
    EmbeddingModelReplyError,
    EmbeddingModelTimeoutError,
    EmbeddingModelUnavailableError,
)
from ..ollama_address import ollama_headers, ollama_url
from ..ollama_server import OllamaErrors, OllamaServer
from ..setting_names import did_you_mean_model, with_known_settings

__all__ = ["BATCH", "EmbeddingModel", "OllamaEmbeddings", "embedding_model"]

BATCH: Final = 32
"""Texts per request: enough to keep a model busy, few enough for a timely reply."""

PREFIXES: Final[Mapping[str, tuple[str, str]]] = {
    "nomic-embed-text": ("search_query: ", "search_document: "),
    "mxbai-embed-large": ("Represent this sentence for searching relevant passages: ", ""),
    "snowflake-arctic-embed": ("Represent this sentence for searching relevant passages: ", ""),
    "snowflake-arctic-embed2": ("query: ", ""),
    "embeddinggemma": ("task: search result | query: ", "title: none | text: "),
}
"""The prefixes for questions and texts with which models were trained, from their model cards;
Ollama does not add them."""


@runtime_checkable
class EmbeddingModel(Protocol):
    """Turns texts into vectors; LangChain's embedding models fit."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed the texts to search: one vector per text, all of the same length."""
        ...

    def embed_query(self, text: str) -> list[float]:
        """Embed a question."""
        ...


@with_known_settings()
class OllamaEmbeddings:
    """An embedding model of a running Ollama.

    Sends no request before the first use and downloads nothing. Ollama cuts a text that
    is longer than the model's context.

    Args:
        model: As ``ollama list`` shows it, such as "nomic-embed-text".
        host: Where Ollama listens; by default ``OLLAMA_HOST``, else port 11434
            of this machine.
        timeout: Longest silence in seconds, including the time to load the model.
        allow_remote: Whether the documents' text may go to another machine.
        query_prefix: Prefix for questions; by default the model's own, if known.
        document_prefix: Prefix for texts, likewise.

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
        allow_remote: bool = False,
        query_prefix: str | None = None,
        document_prefix: str | None = None,
    ) -> None:
        if not model.strip() or timeout <= 0:
            raise ConfigurationError(
                "an embedding model needs a name and a timeout above 0",
                remedy="Write 'ollama/<model>', and leave the timeout at its default.",
            )
        self.model = model
        self.allow_remote = allow_remote
        errors = OllamaErrors(
            EmbeddingModelUnavailableError, EmbeddingModelTimeoutError, EmbeddingModelReplyError
        )
        self.server = OllamaServer(
            ollama_url(host),
            timeout,
            max(600.0, timeout),
            errors,
            headers=ollama_headers(host),
        )
        known = PREFIXES.get(model.rpartition("/")[2].partition(":")[0], ("", ""))
        self.query_prefix = known[0] if query_prefix is None else query_prefix
        self.document_prefix = known[1] if document_prefix is None else document_prefix
        self._checked = False
        if not allow_remote:
            self.server.refuse_remote(model)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed texts: one vector per text.

        Raises:
            RemoteModelRefusedError: If Ollama would run the model elsewhere.
            EmbeddingModelError: If Ollama or the model fails.
        """
        vectors: list[list[float]] = []
        for start in range(0, len(texts), BATCH):
            vectors += self._embed([self.document_prefix + t for t in texts[start : start + BATCH]])
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """Embed a question; errors as for :meth:`embed_documents`."""
        return self._embed([self.query_prefix + text])[0]

    def check(self) -> None:
        """Check the model, once; errors as for :meth:`embed_documents`."""
        if not self._checked:
            shown = self.server.show(self.model)
            if not self.allow_remote:
                self.server.refuse_remote(self.model, shown)
            self._checked = True

    def _embed(self, texts: list[str]) -> list[list[float]]:
        self.check()
        remedy = "Use an embedding model, such as nomic-embed-text, or look at Ollama's log."
        with self.server.ollama_client(self.model, remedy) as client:
            embeddings = client.embed(self.model, texts).embeddings
        if len(embeddings) != len(texts):
            raise self.server.broken(f"{len(embeddings)} vectors for {len(texts)} texts")
        return [list(vector) for vector in embeddings]


class _LlamaIndexEmbeddings:
    def __init__(self, model: Any) -> None:  # noqa: ANN401 - no import of the framework here
        self._model = model

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        vectors: list[list[float]] = self._model.get_text_embedding_batch(texts)
        return vectors

    def embed_query(self, text: str) -> list[float]:
        vector: list[float] = self._model.get_query_embedding(text)
        return vector


def embedding_model(
    model: object, *, host: str | None = None, allow_remote: bool = False
) -> EmbeddingModel:
    """Turn what a user passed, ``"ollama/<model>"`` or an object, into an embedding model."""
    if isinstance(model, str):
        provider, _, name = model.partition("/")
        if provider == "ollama" and name:
            return OllamaEmbeddings(name, host=host, allow_remote=allow_remote)
    elif isinstance(model, EmbeddingModel):
        return model
    elif hasattr(model, "get_text_embedding_batch") and hasattr(model, "get_query_embedding"):
        return _LlamaIndexEmbeddings(model)
    raise ConfigurationError(
        f"{model!r} names no embedding model",
        remedy=f"{did_you_mean_model(model)}Write 'ollama/<model>', or pass an embedding model of LangChain or LlamaIndex.",
    )
