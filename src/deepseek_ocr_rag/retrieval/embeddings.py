"""Embedding models: Ollama's, or an object of LangChain, LlamaIndex or your own.

What the user's documents say must not leave the machine by accident: for Ollama the
same rule holds as for language models, see :mod:`.language_model`. Where the texts
that an object is given go, its owner knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any, Final, Protocol, runtime_checkable

from ..errors import ConfigurationError, LanguageModelUnavailableError
from ..ollama_server import OllamaServer, ollama_url

__all__ = ["BATCH", "EmbeddingModel", "OllamaEmbeddings", "embedding_model"]

BATCH: Final = 32
"""Texts in one request: enough to keep a model busy, few enough to answer in time."""

PREFIXES: Final[Mapping[str, tuple[str, str]]] = {
    "nomic-embed-text": ("search_query: ", "search_document: "),
    "mxbai-embed-large": ("Represent this sentence for searching relevant passages: ", ""),
    "snowflake-arctic-embed": ("Represent this sentence for searching relevant passages: ", ""),
    "snowflake-arctic-embed2": ("query: ", ""),
    "embeddinggemma": ("task: search result | query: ", "title: none | text: "),
}
"""What a question and a text begin with, for models that were trained with it; from
the cards of the models. Ollama sends texts to them as they are."""


@runtime_checkable
class EmbeddingModel(Protocol):
    """Makes vectors of texts. LangChain's embedding models have these methods."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """A vector for each text that is to be found, all of the same length."""
        ...

    def embed_query(self, text: str) -> list[float]:
        """The vector of a question."""
        ...


class OllamaEmbeddings:
    """An embedding model of a running Ollama.

    Nothing is asked of the server before the first use, and nothing is downloaded.
    A text that is longer than the model's context is cut by Ollama.

    Args:
        model: As ``ollama list`` shows it, such as "nomic-embed-text".
        host: Where Ollama listens; without it ``OLLAMA_HOST``, else port 11434
            of this machine.
        timeout: Longest silence in seconds, the loading of the model included.
        allow_remote: Whether the documents' text may go to another machine.
        query_prefix: What questions begin with; without it what is known to suit
            the model, or nothing.
        document_prefix: The same for texts.

    Raises:
        RemoteModelRefusedError: If the host is another machine, or the model's
            name says that it runs on one.
        ConfigurationError: If an argument cannot be meant.
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
                remedy="Write 'ollama/<model>'.",
            )
        self.model = model
        self.allow_remote = allow_remote
        self.server = OllamaServer(ollama_url(host), timeout, max_seconds=max(600.0, timeout))
        known = PREFIXES.get(model.rpartition("/")[2].partition(":")[0], ("", ""))
        self.query_prefix = known[0] if query_prefix is None else query_prefix
        self.document_prefix = known[1] if document_prefix is None else document_prefix
        self._checked = False
        if not allow_remote:
            self.server.refuse_remote(model)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """A vector for each text.

        Raises:
            RemoteModelRefusedError: If Ollama would run the model elsewhere.
            LanguageModelError: If there are none.
        """
        vectors: list[list[float]] = []
        for start in range(0, len(texts), BATCH):
            vectors += self._embed([self.document_prefix + t for t in texts[start : start + BATCH]])
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """The vector of a question; errors as of :meth:`embed_documents`."""
        return self._embed([self.query_prefix + text])[0]

    def _embed(self, texts: list[str]) -> list[list[float]]:
        import ollama

        if not self._checked:
            shown = self.server.show(self.model)
            if not self.allow_remote:
                self.server.refuse_remote(self.model, shown)
            self._checked = True
        try:
            with self.server.translated_errors(), closing(self.server.transport()) as transport:
                client = ollama.Client(
                    self.server.url,
                    timeout=self.server.timeouts,
                    transport=transport,
                    follow_redirects=False,
                )
                embeddings = client.embed(self.model, texts).embeddings
        except ollama.ResponseError as error:
            if error.status_code == 404:
                raise self.server.missing(self.model) from error
            raise LanguageModelUnavailableError(
                f"Ollama at {self.server.url} cannot embed with {self.model}: {error.error}",
                remedy="Take an embedding model, such as nomic-embed-text, or look at its log.",
            ) from error
        if len(embeddings) != len(texts):
            raise self.server.broken(f"{len(embeddings)} vectors for {len(texts)} texts")
        return [list(vector) for vector in embeddings]


class _LlamaIndexEmbeddings:
    """An embedding model of LlamaIndex in the form of :class:`EmbeddingModel`."""

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
    """What makes vectors, from what a user may name.

    Args:
        model: ``"ollama/<model>"``, an embedding model of LangChain or LlamaIndex,
            or any object with the methods of :class:`EmbeddingModel`.
        host: Where Ollama listens, see :class:`OllamaEmbeddings`.
        allow_remote: Whether Ollama may be or use another machine.

    Raises:
        ConfigurationError: If it is none of these.
        RemoteModelRefusedError: If it is another machine's.
    """
    if isinstance(model, str):
        provider, _, name = model.partition("/")
        if provider == "ollama" and name:
            return OllamaEmbeddings(name, host=host, allow_remote=allow_remote)
    elif isinstance(model, EmbeddingModel):
        return model
    elif hasattr(model, "get_text_embedding_batch") and hasattr(model, "get_query_embedding"):
        return _LlamaIndexEmbeddings(model)
    raise ConfigurationError(
        f"there is no embedding model {model!r}",
        remedy="Write 'ollama/<model>', or give an embedding model of LangChain or LlamaIndex.",
    )
