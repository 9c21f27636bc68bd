"""JSON of a server or a model: nested too deeply, it is an error of ours wherever it arrives."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import httpx
import pytest
from PIL import Image

from deepseek_ocr_rag import OllamaBackend, Reader, ServerBackend
from deepseek_ocr_rag.answering.language_model import Message
from deepseek_ocr_rag.answering.models.model_choice import choose_language_model
from deepseek_ocr_rag.answering.models.ollama_model import OllamaModel
from deepseek_ocr_rag.backends.remote.json_exchange import fetch_json
from deepseek_ocr_rag.backends.remote.ollama_models import OllamaFacts
from deepseek_ocr_rag.errors import DeepSeekOCRError
from deepseek_ocr_rag.http_replies import (
    AsyncPlainTransport,
    PlainTransport,
    parse_json,
    refuse_compressed,
)
from deepseek_ocr_rag.ollama_server import OllamaServer
from deepseek_ocr_rag.retrieval.embeddings import OllamaEmbeddings


@pytest.mark.parametrize("depth", [0, 1, 50, 100])
def test_json_of_a_hundred_levels_is_read(depth):
    text = "[" * depth + "1" + "]" * depth
    assert json.dumps(parse_json(text)) == text
    assert parse_json('{"a":' * depth + "1" + "}" * depth)


@pytest.mark.parametrize("depth", [101, 500, 900, 990, 1000, 100_000])
@pytest.mark.parametrize(("begin", "end"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
def test_json_of_more_levels_is_a_value_error(depth, begin, end):
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json(begin * depth + "1" + end * depth)
    with pytest.raises(ValueError):  # noqa: PT011 - the message is json's own
        parse_json(begin * depth)


@pytest.mark.parametrize("encoding", ["", "identity", "Identity", "identity, identity"])
def test_uncompressed_replies_are_accepted(encoding):
    refuse_compressed(httpx.Headers({"content-encoding": encoding}))
    refuse_compressed(httpx.Headers())


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("gzip", "gzip"),
        ("identity, br", "identity, br"),
        ("XX", "XX"),
        ("zstd\x1b[2J", "zstd?[2J"),
        ("x" * 99, "x" * 60),
    ],
)
def test_a_compressed_reply_is_refused_by_the_name_of_its_encoding(encoding, shown):
    with pytest.raises(httpx.DecodingError) as caught:
        refuse_compressed(httpx.Headers({"content-encoding": encoding}))
    assert str(caught.value) == (
        f"the reply is compressed ({shown}), which was not requested and is not accepted"
    )


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of a reply; reading it would unpack it."""

    closed = False

    def close(self):
        self.closed = True

    async def aclose(self):
        self.closed = True


@pytest.fixture
def reply(monkeypatch):
    """What a server sends, and the requests that it got."""
    made = SimpleNamespace(body=Body(), headers={}, asked=[])

    def answer(_, request):
        made.asked.append(request)
        return httpx.Response(200, headers=made.headers, stream=made.body)

    async def answer_later(_, request):
        return answer(_, request)

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", answer)
    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", answer_later)
    return made


def send(transport, request):
    if isinstance(transport, AsyncPlainTransport):
        return asyncio.run(transport.handle_async_request(request))
    return transport.handle_request(request)


@pytest.mark.parametrize("transport", [PlainTransport, AsyncPlainTransport])
def test_a_transport_asks_for_an_uncompressed_reply_whatever_the_request_says(reply, transport):
    request = httpx.Request("GET", "http://a", headers={"accept-encoding": "gzip"})
    assert send(transport(), request).stream is reply.body
    assert [each.headers["accept-encoding"] for each in reply.asked] == ["identity"]
    assert not reply.body.closed


@pytest.mark.parametrize("transport", [PlainTransport, AsyncPlainTransport])
def test_a_transport_closes_the_reply_that_it_refuses(reply, transport):
    reply.headers = {"content-encoding": "gzip"}
    with pytest.raises(httpx.DecodingError, match="gzip"):
        send(transport(), httpx.Request("GET", "http://a"))
    assert reply.body.closed


def nested(depth):
    return '{"a":' + "[" * depth + "]" * depth + "}"


# As a whole, and as one field of what is expected.
REPLIES = [
    lambda depth: "[" * depth + "]" * depth,
    lambda depth: "[" * depth,
    lambda depth: f'{{"error": {nested(depth)}, "message": {nested(depth)}}}',
    lambda depth: (
        f'{{"version": {nested(depth)}, "models": [{{"model": {nested(depth)}}}], '
        f'"data": [{{"id": "m", "meta": {nested(depth)}}}], "capabilities": {nested(depth)}, '
        f'"choices": [{{"delta": {nested(depth)}, "finish_reason": {nested(depth)}}}], '
        f'"model_info": {nested(depth)}, "embeddings": {nested(depth)}, '
        f'"done": {nested(depth)}, "response": {nested(depth)}}}'
    ),
]


class Nested(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.body, self.status, self.deep = "", 200, ()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        pass  # the client hung up


PLAIN = {
    "/api/version": {"version": "0.30.0"},
    "/api/tags": {"models": [{"model": "m:latest", "digest": "d"}]},
    "/api/show": {"capabilities": ["vision", "completion"]},
    "/v1/models": {"data": [{"id": "m"}]},
}


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        deep = not self.server.deep or self.path in self.server.deep
        self.send_response(self.server.status if deep else 200)
        self.end_headers()
        body = self.server.body if deep else json.dumps(PLAIN[self.path])
        event = (
            "data: " if deep and "completions" in self.path and self.server.status == 200 else ""
        )
        self.wfile.write(f"{event}{body}\n\n".encode())

    do_POST = do_GET  # noqa: N815 - as the library calls it

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def server():
    made = Nested()
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


PAGE = io.BytesIO()
Image.linear_gradient("L").convert("RGB").save(PAGE, "png")


def read_page(backend):
    with Reader(backend, cache=False, resolution="tiny", isolated=False) as reader:
        (page,) = reader.read(PAGE.getvalue())
    if page.error:
        raise DeepSeekOCRError(page.error)


CLIENTS = {
    "a small document": ((), lambda url: fetch_json(url)),
    "the list of a server": ((), lambda url: ServerBackend(url).find_model()),
    "a page of a server": (
        ("/v1/chat/completions",),
        lambda url: read_page(ServerBackend(url, retries=0, attempts=1)),
    ),
    "a page of Ollama": (
        ("/api/generate",),
        lambda url: read_page(OllamaBackend("m", host=url, retries=0, attempts=1)),
    ),
    "what Ollama's model can": ((), lambda url: OllamaFacts(url).show("m")),
    "Ollama's models": ((), lambda url: (OllamaFacts(url).models(), OllamaServer(url).models())),
    "Ollama's version": ((), lambda url: (OllamaFacts(url).version(), OllamaServer(url).version())),
    "which model can write": ((), choose_language_model),
    "an answer": (
        ("/api/chat",),
        lambda url: list(OllamaModel("m", host=url).stream([Message("user", "?")], max_tokens=9)),
    ),
    "vectors": (("/api/embed",), lambda url: OllamaEmbeddings("m", host=url).embed_query("?")),
}


@pytest.mark.parametrize("client", CLIENTS)
def test_a_server_that_nests_its_json_gives_an_error_of_ours_or_none(server, client):
    server.deep, ask = CLIENTS[client]
    cases = [(200, depth, reply) for depth in (960, 20_000) for reply in REPLIES]
    for status, depth, reply in [*cases, (400, 20_000, REPLIES[2])]:
        server.status, server.body = status, reply(depth)
        try:
            ask(server.url)
        except DeepSeekOCRError as error:
            assert len(str(error)) < 2000  # noqa: PT017 - none is fine too


@pytest.mark.parametrize("location", ["https://xn--a/", "//xn--a/b", "https://[::1"])
@pytest.mark.parametrize("client", CLIENTS)
def test_a_server_that_redirects_to_no_address_gives_an_error_of_ours(
    server, client, location, monkeypatch
):
    server.deep, ask = CLIENTS[client]
    server.status, server.body = 302, ""
    end = _Handler.end_headers

    def with_location(handler):
        handler.send_header("Location", location)
        end(handler)

    monkeypatch.setattr(_Handler, "end_headers", with_location)
    try:
        ask(server.url)
    except DeepSeekOCRError:
        return
