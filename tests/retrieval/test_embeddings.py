"""Embedding models: Ollama's protocol, and the objects of both frameworks under one roof."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from llama_index.core.embeddings import MockEmbedding
from waiting import LONG

from deepseek_ocr_rag.errors import (
    ConfigurationError,
    EmbeddingModelReplyError,
    EmbeddingModelTimeoutError,
    EmbeddingModelUnavailableError,
    LanguageModelError,
    RemoteModelRefusedError,
)
from deepseek_ocr_rag.retrieval.embeddings import (
    BATCH,
    EmbeddingModel,
    OllamaEmbeddings,
    embedding_model,
)

Answer = tuple[int, Any]


def lengths(body: dict[str, Any]) -> Answer:
    """A vector for each text, by which the text can be told."""
    return 200, {"model": body["model"], "embeddings": [[len(t), 1.0] for t in body["input"]]}


class EmbeddingOllama(ThreadingHTTPServer):
    """Ollama's ``/api/embed`` as its documentation describes it, and what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.show: Answer = (200, {"capabilities": ["embedding"]})
        self.embed: Callable[[dict[str, Any]], Answer] = lengths
        self.asked: list[tuple[str, dict[str, Any]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def inputs(self) -> list[list[str]]:
        return [body["input"] for path, body in self.asked if path == "/api/embed"]


class _Handler(BaseHTTPRequestHandler):
    server: EmbeddingOllama

    def do_GET(self) -> None:
        self._reply(200, {"models": [{"model": "nomic-embed-text:latest"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, body))
        if self.path == "/api/show":
            self._reply(*self.server.show)
        elif self.path == "/api/embed":
            self._reply(*self.server.embed(body))
        else:
            self._reply(404, {"error": "no such path"})

    def _reply(self, status: int, data: Any) -> None:
        content = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def ollama() -> Iterator[EmbeddingOllama]:
    server = EmbeddingOllama()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def model(ollama: EmbeddingOllama, name: str = "tiny", **options: Any) -> OllamaEmbeddings:
    return OllamaEmbeddings(name, host=ollama.url, **{"timeout": 5, **options})


# --- Ollama ---------------------------------------------------------------------------------


def test_every_text_gets_its_vector(ollama: EmbeddingOllama) -> None:
    assert model(ollama).embed_documents(["one", "three"]) == [[3, 1], [5, 1]]
    assert model(ollama).embed_query("what?") == [5, 1]


def test_many_texts_go_in_batches_and_come_back_in_order(ollama: EmbeddingOllama) -> None:
    texts = ["x" * n for n in range(2 * BATCH + 3)]
    assert [v[0] for v in model(ollama).embed_documents(texts)] == list(range(len(texts)))
    assert [len(batch) for batch in ollama.inputs] == [BATCH, BATCH, 3]


def test_no_texts_ask_nothing(ollama: EmbeddingOllama) -> None:
    assert model(ollama).embed_documents([]) == []
    assert ollama.asked == []


@pytest.mark.parametrize(
    "name", ["nomic-embed-text", "nomic-embed-text:v1.5", "me/nomic-embed-text"]
)
def test_a_model_that_was_trained_with_prefixes_gets_them(
    ollama: EmbeddingOllama, name: str
) -> None:
    nomic = model(ollama, name)
    nomic.embed_documents(["a page"])
    nomic.embed_query("a question")
    assert ollama.inputs == [["search_document: a page"], ["search_query: a question"]]


def test_other_models_get_texts_as_they_are_and_prefixes_can_be_set(
    ollama: EmbeddingOllama,
) -> None:
    model(ollama).embed_query("q")
    model(ollama, "nomic-embed-text", query_prefix="").embed_query("q")
    model(ollama, document_prefix="passage: ").embed_documents(["d"])
    assert ollama.inputs == [["q"], ["q"], ["passage: d"]]


def test_the_model_is_looked_at_once(ollama: EmbeddingOllama) -> None:
    tiny = model(ollama)
    tiny.embed_query("a")
    tiny.embed_query("b")
    assert [path for path, _ in ollama.asked].count("/api/show") == 1


def test_a_missing_model_is_reported_and_not_pulled(ollama: EmbeddingOllama) -> None:
    ollama.show = (404, {"error": "model not found"})
    with pytest.raises(EmbeddingModelUnavailableError, match="ollama pull tiny") as error:
        model(ollama).embed_query("q")
    assert "nomic-embed-text" in str(error.value)


def test_a_model_that_cannot_embed_says_which_could(ollama: EmbeddingOllama) -> None:
    ollama.embed = lambda body: (501, {"error": "this model does not support embeddings"})
    with pytest.raises(EmbeddingModelUnavailableError, match="does not support embeddings"):
        model(ollama).embed_query("q")


@pytest.mark.parametrize(
    "reply",
    [
        {"embeddings": []},
        {"embeddings": [[1.0], [2.0]]},
        {"embeddings": "none"},
        {"something": "else"},
        b"no JSON",
    ],
)
def test_a_broken_reply_is_an_error(ollama: EmbeddingOllama, reply: Any) -> None:
    ollama.embed = lambda body: (200, reply)
    with pytest.raises(EmbeddingModelReplyError):
        model(ollama).embed_query("q")


def test_an_ollama_that_does_not_run_is_unavailable() -> None:
    with pytest.raises(EmbeddingModelUnavailableError, match="not running"):
        OllamaEmbeddings("tiny", host="127.0.0.1:9").embed_query("q")


def test_silence_ends_in_a_timeout(ollama: EmbeddingOllama) -> None:
    waiting = threading.Event()

    def silent(body: dict[str, Any]) -> Answer:
        waiting.wait(LONG)
        return lengths(body)

    ollama.embed = silent
    with pytest.raises(EmbeddingModelTimeoutError):
        model(ollama, timeout=0.2).embed_query("q")
    waiting.set()


def test_a_failing_embedding_model_is_not_called_a_language_model() -> None:
    raised = (
        EmbeddingModelReplyError,
        EmbeddingModelTimeoutError,
        EmbeddingModelUnavailableError,
        RemoteModelRefusedError,
    )
    assert not any(issubclass(error, LanguageModelError) for error in raised)


@pytest.mark.parametrize("name", ["embed:cloud", "embed:8b-cloud"])
def test_a_cloud_model_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(RemoteModelRefusedError, match="cloud"):
        OllamaEmbeddings(name)


def test_a_host_that_is_not_this_machine_is_refused() -> None:
    with pytest.raises(RemoteModelRefusedError, match="not this machine"):
        OllamaEmbeddings("tiny", host="10.0.0.7")
    assert OllamaEmbeddings("tiny", host="10.0.0.7", allow_remote=True).server.url


def test_a_model_that_runs_elsewhere_never_sees_a_text(ollama: EmbeddingOllama) -> None:
    ollama.show = (200, {"remote_host": "https://ollama.com"})
    with pytest.raises(RemoteModelRefusedError, match=r"ollama\.com"):
        model(ollama).embed_documents(["secret"])
    assert ollama.inputs == []


@pytest.mark.parametrize(("name", "options"), [(" ", {}), ("tiny", {"timeout": 0})])
def test_invalid_settings_are_refused(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        OllamaEmbeddings(name, **options)


# --- whatever a user has --------------------------------------------------------------------


def test_a_model_is_named_with_its_provider() -> None:
    named = embedding_model("ollama/nomic-embed-text")
    assert isinstance(named, OllamaEmbeddings)
    assert named.model == "nomic-embed-text"


def test_a_model_of_langchain_is_taken_as_it_is() -> None:
    langchain = DeterministicFakeEmbedding(size=4)
    assert embedding_model(langchain) is langchain
    assert isinstance(langchain, EmbeddingModel)


def test_a_model_of_llama_index_is_asked_by_its_own_methods() -> None:
    adapted = embedding_model(MockEmbedding(embed_dim=3))
    assert adapted.embed_documents(["a", "b"]) == [[0.5] * 3] * 2
    assert adapted.embed_query("q") == [0.5] * 3


@pytest.mark.parametrize("wrong", ["nomic-embed-text", "ollama/", "openai/x", 7, object()])
def test_anything_else_is_refused(wrong: object) -> None:
    with pytest.raises(ConfigurationError, match="no embedding model"):
        embedding_model(wrong)
