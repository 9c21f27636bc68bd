"""A client of Ollama: what it asks, what it makes of replies and failures, and where it stops reading."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import httpx
import ollama
import pytest

from deepseek_ocr_rag import ollama_server
from deepseek_ocr_rag.errors import (
    ConfigurationError,
    DeepSeekOCRError,
    EmbeddingModelError,
    LanguageModelReplyError,
    LanguageModelTimeoutError,
    LanguageModelUnavailableError,
    RemoteModelRefusedError,
)
from deepseek_ocr_rag.ollama_server import BoundedTransport, OllamaErrors, OllamaServer

OURS = "http://127.0.0.1:11434"


@dataclass
class Scripted:
    """A server with a reply for each path: a status and JSON, or bytes as they are.

    The replies are those of Ollama 0.33 (``/api/tags``, ``/api/show``, ``/api/version``, and its
    ``{"error": ...}``), and wrong ones.
    """

    replies: dict[str, tuple[int, object]] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str], object]] = field(default_factory=list)
    url: str = ""

    def client(self, **settings: Any) -> OllamaServer:
        return OllamaServer(self.url, **settings)


@pytest.fixture
def server() -> Iterator[Scripted]:
    scripted = Scripted()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = (self.command, self.path, headers, json.loads(body) if body else None)
            scripted.asked.append(asked)
            status, data = scripted.replies.get(self.path, (404, {"error": "not found"}))
            sent = data if isinstance(data, bytes) else json.dumps(data).encode()
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", "/api/tags")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_POST = do_GET  # noqa: N815 - as the library calls it

        def log_message(self, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.01,))
    thread.start()
    scripted.url = f"http://127.0.0.1:{http.server_port}"
    yield scripted
    http.shutdown()
    http.server_close()
    thread.join()


# --- what is asked ----------------------------------------------------------------------------


def test_what_a_model_is_comes_from_its_own_address_with_our_headers(server: Scripted) -> None:
    server.replies["/api/show"] = (200, {"remote_host": "https://ollama.com", "capabilities": []})
    client = server.client(headers={"authorization": "Bearer key"})
    assert client.show("m") == {"remote_host": "https://ollama.com", "capabilities": []}
    ((method, path, headers, body),) = server.asked
    assert (method, path, body) == ("POST", "/api/show", {"model": "m"})
    assert headers["authorization"] == "Bearer key"
    assert "Bearer" not in repr(client)


def test_a_model_that_is_not_installed_is_named_with_those_that_are(server: Scripted) -> None:
    names = [f"m{number}" for number in range(9)]
    server.replies["/api/tags"] = (200, {"models": [{"model": name} for name in names]})
    with pytest.raises(LanguageModelUnavailableError) as caught:
        server.client().show("x")
    assert caught.value.problem == f"Ollama at {server.url} has no model x"
    assert caught.value.remedy == (
        "Get it with `ollama pull x`. Installed: m0, m1, m2, m3, m4, m5, m6, m7."
    )


def test_without_installed_models_none_are_listed() -> None:
    assert OllamaServer(OURS).missing("x").remedy == "Get it with `ollama pull x`."


def test_models_are_those_that_run_on_the_server_itself_in_its_order(server: Scripted) -> None:
    listed = [
        {"model": "new:latest", "name": "other"},
        {"name": "old:latest"},
        {"model": "a", "remote_host": "https://ollama.com"},
        {"model": "b", "remote_model": "gpt"},
        {"model": "big:120b-cloud"},
    ]
    server.replies["/api/tags"] = (200, {"models": listed})
    assert server.client().models() == ("new:latest", "old:latest")


@pytest.mark.parametrize("data", [{}, {"models": None}, {"models": []}])
def test_a_server_without_models_has_none(server: Scripted, data: object) -> None:
    server.replies["/api/tags"] = (200, data)
    assert server.client().models() == ()


@pytest.mark.parametrize(
    ("status", "data", "version"),
    [
        (200, {"version": "0.33.1"}, (0, 33, 1)),
        (200, {"version": "v1.12.3-rc1"}, (1, 12, 3)),
        (200, {"version": "0.0.0"}, (0, 0, 0)),
        (200, {"version": "build of today"}, (0, 0, 0)),
        (200, {}, (0, 0, 0)),
        (404, b"no such page", (0, 0, 0)),
    ],
)
def test_the_version_is_three_numbers_zeros_if_it_is_not_known(
    server: Scripted, status: int, data: object, version: tuple[int, ...]
) -> None:
    server.replies["/api/version"] = (status, data)
    assert server.client().version() == version
    assert server.asked[0][:2] == ("GET", "/api/version")


# --- which failure is which error -------------------------------------------------------------


@pytest.mark.parametrize(
    "reply", [b"[]", b"no JSON", b'{"models": 7}', b'{"models": [{}]}', b"[" * 200]
)
def test_a_reply_that_is_not_ollamas_protocol_is_told(server: Scripted, reply: bytes) -> None:
    server.replies["/api/tags"] = (200, reply)
    with pytest.raises(LanguageModelReplyError) as caught:
        server.client().models()
    assert (
        caught.value.problem
        == f"Ollama at {server.url}: the reply does not follow Ollama's protocol"
    )
    assert caught.value.remedy == "Ask again, and look at Ollama's log."


@pytest.mark.parametrize("status", [302, 401, 500])
def test_a_refusal_is_told_with_its_status_and_no_redirect_is_followed(
    server: Scripted, status: int
) -> None:
    server.replies["/api/version"] = (status, {})
    with pytest.raises(LanguageModelUnavailableError, match=f"refused with HTTP status {status}"):
        server.client().version()
    assert len(server.asked) == 1


KINDS = OllamaErrors(
    unavailable=EmbeddingModelError, timeout=ConfigurationError, reply=DeepSeekOCRError
)
REQUEST = httpx.Request("GET", OURS)


@pytest.mark.parametrize(
    ("raised", "kind", "problem"),
    [
        (httpx.ReadTimeout("slow"), ConfigurationError, f"Ollama at {OURS} did not answer in time (slow)"),
        (httpx.ConnectTimeout("slow"), ConfigurationError, f"Ollama at {OURS} did not answer in time (slow)"),
        (httpx.ConnectError("no"), EmbeddingModelError, f"Ollama is not running at {OURS}"),
        (
            httpx.HTTPStatusError("no", request=REQUEST, response=httpx.Response(503)),
            EmbeddingModelError,
            f"{OURS} refused with HTTP status 503",
        ),
        (httpx.DecodingError("packed"), DeepSeekOCRError, f"Ollama at {OURS}: packed"),
        (httpx.ReadError("gone"), DeepSeekOCRError, f"Ollama at {OURS}: the connection was cut off (gone)"),
        (httpx.RemoteProtocolError("half"), DeepSeekOCRError, f"Ollama at {OURS}: the connection was cut off (half)"),
        *(
            (error, DeepSeekOCRError, f"Ollama at {OURS}: the reply does not follow Ollama's protocol")
            for error in (ValueError(), TypeError(), AttributeError(), KeyError("x"), RecursionError())
        ),
    ],
)  # fmt: skip
def test_each_failure_is_one_of_the_errors_that_were_named(
    raised: Exception, kind: type[DeepSeekOCRError], problem: str
) -> None:
    with (
        pytest.raises(DeepSeekOCRError) as caught,
        OllamaServer(OURS, errors=KINDS).translated_errors(),
    ):
        raise raised
    assert type(caught.value) is kind
    assert caught.value.problem == problem
    assert caught.value.__cause__ is raised


def test_an_error_of_ours_stays_as_it_is() -> None:
    wrong = ConfigurationError("wrong", remedy="Right it.")
    with pytest.raises(ConfigurationError) as caught, OllamaServer(OURS).translated_errors():
        raise wrong
    assert caught.value is wrong


def test_by_default_the_errors_are_those_of_language_models() -> None:
    errors = OllamaErrors()
    assert errors.unavailable is LanguageModelUnavailableError
    assert errors.timeout is LanguageModelTimeoutError
    assert errors.reply is LanguageModelReplyError


# --- Ollama's own client ----------------------------------------------------------------------


def test_ollamas_client_speaks_to_the_server_with_our_headers(server: Scripted) -> None:
    server.replies["/api/tags"] = (200, {"models": [{"model": "m"}]})
    with server.client(headers={"authorization": "Bearer key"}).ollama_client("m", "") as client:
        assert [each.model for each in client.list().models] == ["m"]
    assert server.asked[0][2]["authorization"] == "Bearer key"
    assert server.asked[0][2]["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("status", "kind", "problem"),
    [
        (404, LanguageModelUnavailableError, "has no model m"),
        (300, LanguageModelUnavailableError, "cannot run m: too old"),
        (500, LanguageModelUnavailableError, "cannot run m: too old"),
        (299, LanguageModelReplyError, "too old"),
        (-1, LanguageModelReplyError, "too old"),
    ],
)
def test_errors_of_ollamas_client_are_ours(
    status: int, kind: type[DeepSeekOCRError], problem: str
) -> None:
    client = OllamaServer(OURS)
    with pytest.raises(kind) as caught, client.ollama_client("m", "Get a newer one."):
        raise ollama.ResponseError("too\n old", status)
    assert caught.value.problem.endswith(problem)
    assert isinstance(caught.value.__cause__, ollama.ResponseError)
    if "cannot run" in problem:
        assert caught.value.remedy == "Get a newer one."


@pytest.mark.parametrize(
    ("written", "shown"),
    [("a" * 300, "a" * 300), ("a" * 301, "a" * 300 + "…"), ("a" + " " * 1198 + "bc", "a b")],
)
def test_what_a_server_writes_is_shown_in_short(written: str, shown: str) -> None:
    with (
        pytest.raises(LanguageModelReplyError) as caught,
        OllamaServer(OURS).ollama_client("m", ""),
    ):
        raise ollama.ResponseError(written, 200)
    assert caught.value.problem == f"Ollama at {OURS}: {shown}"


# --- models that run elsewhere ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "model", "shown", "problem"),
    [
        ("http://10.0.0.9:11434", "m", None, "Ollama at http://10.0.0.9:11434 is not this machine"),
        (OURS, "m:cloud", None, "m:cloud is a cloud model"),
        (OURS, "m", {"remote_host": "far"}, "Ollama would run m on far"),
        (OURS, "m", {"remote_model": "gpt"}, "Ollama would run m on gpt"),
        (OURS, "m", {"remote_host": "far", "remote_model": "gpt"}, "Ollama would run m on far"),
    ],
)
def test_a_model_that_runs_elsewhere_is_refused(
    url: str, model: str, shown: dict[str, str] | None, problem: str
) -> None:
    with pytest.raises(RemoteModelRefusedError) as caught:
        OllamaServer(url).refuse_remote(model, shown)
    assert caught.value.problem == (
        f"{problem}, and the text of your documents would be sent there"
    )
    assert "allow_remote=True" in caught.value.remedy


@pytest.mark.parametrize("shown", [None, {}, {"remote_host": "", "remote_model": None}])
def test_a_model_that_runs_here_is_not_refused(shown: dict[str, Any] | None) -> None:
    OllamaServer(OURS).refuse_remote("m", shown)


# --- limits -----------------------------------------------------------------------------------


def test_connecting_takes_at_most_ten_seconds() -> None:
    assert OllamaServer(OURS).timeouts == httpx.Timeout(120.0, connect=10.0)
    assert OllamaServer(OURS, timeout=3.0).timeouts == httpx.Timeout(3.0)
    assert OllamaServer(OURS).max_seconds == 600.0
    with OllamaServer(OURS, timeout=3.0)._client() as client:
        assert client.timeout == httpx.Timeout(3.0)


def received(server: Scripted, transport: BoundedTransport) -> bytes:
    with httpx.Client(transport=transport, base_url=server.url) as client:
        response = client.get("/data")
        assert (response.status_code, response.headers["content-length"]) == (200, "100")
        return response.content


def test_a_reply_is_read_up_to_its_limit(server: Scripted) -> None:
    server.replies["/data"] = (200, b"x" * 100)
    assert received(server, BoundedTransport(max_seconds=60, max_bytes=100)) == b"x" * 100
    with pytest.raises(httpx.ReadError, match="longer than any answer"):
        received(server, BoundedTransport(max_seconds=60, max_bytes=99))


@pytest.mark.parametrize(("seconds", "late"), [(9.0, False), (10.0, False), (10.5, True)])
def test_a_reply_may_take_its_time_as_a_whole(
    server: Scripted, monkeypatch: pytest.MonkeyPatch, seconds: float, late: bool
) -> None:
    server.replies["/data"] = (200, b"x" * 100)
    times = iter([1000.0])
    clock = SimpleNamespace(monotonic=lambda: next(times, 1000.0 + seconds))
    monkeypatch.setattr(ollama_server, "time", clock)
    transport = BoundedTransport(max_seconds=10.0, max_bytes=100)
    if late:
        with pytest.raises(httpx.ReadTimeout, match="as a whole"):
            received(server, transport)
    else:
        assert received(server, transport)


def test_answers_may_be_larger_than_what_ollama_says_of_itself(server: Scripted) -> None:
    megabyte = b" " * 2**20
    server.replies["/api/version"] = (200, megabyte * 4 + b"{}")
    with pytest.raises(LanguageModelReplyError, match="longer than any answer"):
        server.client().version()
    server.replies["/api/tags"] = (200, megabyte * 4 + b'{"models": []}')
    with server.client().ollama_client("m", "") as client:
        assert not client.list().models
    server.replies["/api/tags"] = (200, megabyte * 16 + b"{}")
    with (
        pytest.raises(LanguageModelReplyError, match="longer than any answer"),
        server.client().ollama_client("m", "") as client,
    ):
        client.list()
