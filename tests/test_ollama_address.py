"""Where Ollama listens, as Ollama itself understands it, and that every request is authorized."""

from __future__ import annotations

import base64
import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image

from deepseek_ocr_rag import OllamaBackend, Reader
from deepseek_ocr_rag.answering.language_model import Message
from deepseek_ocr_rag.answering.models.model_choice import choose_language_model
from deepseek_ocr_rag.answering.models.ollama_model import OllamaModel
from deepseek_ocr_rag.backends.auto import probe_backends
from deepseek_ocr_rag.backends.layout_model.ollama_store import OllamaStore
from deepseek_ocr_rag.cli.doctor.ollama_checks import ollama_checks
from deepseek_ocr_rag.errors import (
    ConfigurationError,
    DeepSeekOCRError,
    RemoteModelRefusedError,
)
from deepseek_ocr_rag.hosts import is_this_machine
from deepseek_ocr_rag.ollama_address import is_cloud_model, ollama_headers, ollama_url
from deepseek_ocr_rag.ollama_server import OllamaServer
from deepseek_ocr_rag.retrieval.embeddings import OllamaEmbeddings

LOCAL = "http://127.0.0.1:11434"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    monkeypatch.delenv("OLLAMA_HOST", raising=False)
    monkeypatch.delenv("OLLAMA_API_KEY", raising=False)


# The first block is TestHost of Ollama's envconfig/config_test.go, as far as it is about addresses.
ADDRESSES = {
    "": LOCAL,
    "1.2.3.4": "http://1.2.3.4:11434",
    ":1234": "http://127.0.0.1:1234",
    "1.2.3.4:1234": "http://1.2.3.4:1234",
    "example.com": "http://example.com:11434",
    "example.com:1234": "http://example.com:1234",
    ":0": LOCAL,
    "[::1]": "http://[::1]:11434",
    "[::]": LOCAL,
    "::1": "http://[::1]:11434",
    " 1.2.3.4 ": "http://1.2.3.4:11434",
    '"1.2.3.4"': "http://1.2.3.4:11434",
    '" 1.2.3.4 "': "http://1.2.3.4:11434",
    "'1.2.3.4'": "http://1.2.3.4:11434",
    "http://1.2.3.4": "http://1.2.3.4:80",
    "https://1.2.3.4": "https://1.2.3.4:443",
    "https://1.2.3.4:1234": "https://1.2.3.4:1234",
    "https://example.com/ollama": "https://example.com:443/ollama",
    "ollama.com": "https://ollama.com:443",
    "::": LOCAL,
    "0.0.0.0": LOCAL,
    "2001:db8::7": "http://[2001:db8::7]:11434",
    "http://::1": "http://[::1]:80",
    "http://::1/v1": "http://[::1]:80",
    "tcp://0.0.0.0:11434": LOCAL,
    "tcp://gpu": "http://gpu:11434",
    "TCP://[::1]:9": "http://[::1]:9",
    "HTTP://GPU:9": "http://gpu:9",
    "XBOX": "http://xbox:11434",
    "http://gpu:9/": "http://gpu:9",
    "https://example.com/XX//": "https://example.com:443/XX",
    "gpu/v1": "http://gpu:11434",
    "http://localhost:11434/v1": "http://localhost:11434",
    "http://localhost:11434/v1/": "http://localhost:11434",
    "http://localhost:11434/api": "http://localhost:11434",
    "https://example.com/ollama/api/": "https://example.com:443/ollama",
    "https://example.com/api/ollama": "https://example.com:443/api/ollama",
    "https://example.com/v10": "https://example.com:443/v10",
    "http://gpu/to/http://gpu2": "http://gpu:80/to/http://gpu2",
    "user:secret@gpu:9": "http://gpu:9",
    "http://user:secret@::1/api": "http://[::1]:80",
    "'https://user:secret@example.com/v1'": "https://example.com:443",
}  # fmt: skip


@pytest.mark.parametrize(("written", "url"), ADDRESSES.items())
def test_an_address_is_understood_as_by_ollama_itself(monkeypatch, written, url):
    assert ollama_url(written) == url
    monkeypatch.setenv("OLLAMA_HOST", written)
    assert ollama_url() == url
    assert ollama_url("gpu:1") == "http://gpu:1"


@pytest.mark.parametrize(
    "written",
    [
        *("ftp://gpu", "gpu:port", "gpu:99999", "::1:11434", "http://[", "http://xn--a", "a b"),
        *("gpu\r\nx: y", "u:secret@a b", "u:se/secret@gpu", "u:12/secret@gpu", "u:se#secret@gpu"),
        *("u:se?secret@gpu", "http://u:secret@gpu:port", "u:a@secret@gpu:port"),
    ],
)
def test_what_is_no_address_is_refused_without_its_password(written):
    with pytest.raises(ConfigurationError) as caught:
        ollama_url(written)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "shown"), [("gpu:port", "gpu:port"), ("http://u:a@b@gpu:port/v1", "gpu:port/v1")]
)
def test_what_is_no_address_is_shown_as_it_was_written(written, shown):
    with pytest.raises(ConfigurationError) as caught:
        ollama_url(written)
    assert caught.value.problem == f"{shown!r} is not the address of an Ollama"


@pytest.mark.parametrize(
    ("host", "key", "authorization"),
    [
        ("gpu", None, None),
        ("gpu", "", None),
        ("gpu", "key", "Bearer key"),
        ("gpu", ' "key" ', "Bearer key"),
        ("http://ann:s%40c%2Fret@gpu", None, "Basic YW5uOnNAYy9yZXQ="),
        ("ann:s@gpu", "key", "Basic YW5uOnM="),
        ("ann@gpu", None, "Basic YW5uOg=="),
    ],
)
def test_the_address_or_else_the_key_authorizes(monkeypatch, host, key, authorization):
    if key is not None:
        monkeypatch.setenv("OLLAMA_API_KEY", key)
    assert ollama_headers(host).get("authorization") == authorization
    monkeypatch.setenv("OLLAMA_HOST", host)
    assert ollama_headers().get("authorization") == authorization


@pytest.mark.parametrize("key", ["a\nb", "ключ", "“key”"])
def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(monkeypatch, key):
    monkeypatch.setenv("OLLAMA_API_KEY", key)
    with pytest.raises(ConfigurationError, match="OLLAMA_API_KEY") as caught:
        OllamaModel("m")
    assert key not in str(caught.value)


# --- which models run here ------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["gpt-oss:120b-cloud", "glm-4.6:cloud", "me/own:Cloud", "host:5000/me/own:7b-cloud"]
)
def test_a_tag_says_that_a_model_runs_in_the_cloud(name):
    assert is_cloud_model(name)
    for make in (OllamaModel, OllamaEmbeddings):
        with pytest.raises(RemoteModelRefusedError, match="cloud model"):
            make(name)
        assert make(name, allow_remote=True).model == name


@pytest.mark.parametrize(
    "name",
    [
        "soundcloud",
        "soundcloud:latest",
        "cloud",
        "my-cloud",
        "me/cloud:7b",
        "m:cloudy",
        "host:5000/my-cloud",
    ],
)
def test_a_local_model_may_be_called_a_cloud(name):
    assert not is_cloud_model(name)
    assert OllamaModel(name).model == OllamaEmbeddings(name).model == name


@pytest.mark.parametrize(
    "host", ["localhost.example.org", "notlocalhost", "127.0.0.1.nip.io", "http://localhost@gpu"]
)
def test_a_host_that_only_looks_like_this_machine_is_refused(host):
    assert not is_this_machine(ollama_url(host))
    for make in (OllamaModel, OllamaEmbeddings):
        with pytest.raises(RemoteModelRefusedError, match="not this machine"):
            make("m", host=host)
    assert choose_language_model(host)[0] is None


# --- every request ------------------------------------------------------------------------


class GuardedOllama(ThreadingHTTPServer):
    """Answers whoever is authorized, and notes who was not."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.wanted = ""
        self.tags = [{"model": "gemma3:4b"}, {"model": "deepseek-ocr:latest", "digest": "d"}]
        self.show = {"capabilities": ["vision", "completion"], "details": {}}
        self.asked = {}

    def handle_error(self, request, client_address):
        pass  # the client hung up


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        authorized = self.headers.get("Authorization") == server.wanted
        path = "/api/blobs" if "blobs" in self.path else self.path
        server.asked[path] = authorized and server.asked.get(path, True)
        answers = {
            "/api/version": {"version": "0.33.0"},
            "/api/tags": {"models": server.tags},
            "/api/show": server.show,
            "/api/chat": {"message": {"role": "assistant", "content": "Ann."}, "done": True},
            "/api/embed": {"embeddings": [[1.0, 2.0]]},
            "/api/generate": {"response": "text", "done": True, "done_reason": "stop"},
        }
        self.send_response(200 if authorized else 401)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(json.dumps(answers.get(path, {})).encode())

    do_POST = do_HEAD = do_GET  # noqa: N815 - as the library calls it

    def log_message(self, *args):
        pass


@pytest.fixture
def guarded():
    made = GuardedOllama()
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


PAGE = io.BytesIO()
Image.linear_gradient("L").convert("RGB").save(PAGE, "png")


@pytest.mark.parametrize("by", ["address", "key"])
def test_every_request_of_ours_is_authorized(guarded, monkeypatch, by):
    place = f"127.0.0.1:{guarded.server_port}"
    if by == "key":
        monkeypatch.setenv("OLLAMA_API_KEY", "secret")
        guarded.wanted, host = "Bearer secret", f"http://{place}/v1"
    else:
        pair = base64.b64encode(b"ann:secret").decode()
        guarded.wanted, host = f"Basic {pair}", f"http://ann:secret@{place}/api/"
    monkeypatch.setenv("OLLAMA_HOST", host)
    backend = OllamaBackend(attempts=1, retries=0)
    model, embeddings = OllamaModel("m"), OllamaEmbeddings("m")
    with Reader(backend, cache=False, resolution="tiny") as reader:
        (page,) = reader.read(PAGE.getvalue())
    assert page.error is None
    assert backend.fingerprint
    assert list(model.stream([Message("user", "?")], max_tokens=9)) == ["Ann."]
    assert model.structured
    assert embeddings.embed_query("?") == [1.0, 2.0]
    assert choose_language_model()[0] == "ollama/gemma3:4b"
    store = OllamaStore(ollama_url(), ollama_headers())
    store.has("sha256:d")
    store.create("m", {}, template="", parameters={})
    ollama_checks()
    probe_backends()
    shown = f"{backend!r}{model!r}{model.server!r}{embeddings!r}{embeddings.server!r}{store!r}"
    assert "secret" not in shown
    assert pair not in shown if by == "address" else True
    assert set(guarded.asked) == {
        *("/api/version", "/api/tags", "/api/show", "/api/chat", "/api/embed", "/api/generate"),
        *("/api/blobs", "/api/create"),
    }
    assert all(guarded.asked.values())


@pytest.mark.parametrize("by", ["remote_host", "remote_model"])
def test_a_model_that_ollama_runs_elsewhere_is_refused_whichever_field_says_so(guarded, by):
    guarded.wanted = None
    guarded.show[by] = "elsewhere"
    host = f"127.0.0.1:{guarded.server_port}"
    for ask in (
        lambda: OllamaModel("m", host=host).context_length,
        lambda: OllamaEmbeddings("m", host=host).embed_query("?"),
        lambda: Reader(OllamaBackend("m", host=host), cache=False).read(PAGE.getvalue()),
    ):
        with pytest.raises(DeepSeekOCRError, match=r"elsewhere.*would be sent there"):
            ask()
    assert choose_language_model(host)[0] is None
    assert not {"/api/chat", "/api/embed", "/api/generate"} & set(guarded.asked)


def test_a_model_of_another_machine_is_not_among_the_installed_ones(guarded):
    guarded.wanted = None
    guarded.tags += [
        {"model": "a:latest", "remote_host": "https://ollama.com"},
        {"model": "b:latest", "remote_model": "b"},
        {"model": "c:cloud"},
    ]
    assert OllamaServer(f"http://127.0.0.1:{guarded.server_port}").models() == (
        "gemma3:4b",
        "deepseek-ocr:latest",
    )


def test_no_error_shows_the_credentials(guarded):
    host = f"http://carol:secret@127.0.0.1:{guarded.server_port}"
    guarded.wanted = "nobody"
    for ask in (
        lambda: OllamaModel("m", host=host).context_length,
        lambda: OllamaEmbeddings("m", host=host).embed_query("?"),
        lambda: Reader(OllamaBackend("m", host=host), cache=False).read(PAGE.getvalue()),
    ):
        with pytest.raises(DeepSeekOCRError) as caught:
            ask()
        assert "secret" not in f"{caught.value}{caught.value.__cause__}"
        assert "carol" not in str(caught.value)
