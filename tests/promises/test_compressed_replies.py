"""No server's reply is unpacked: whoever asks, and however it is compressed, memory stays small."""

from __future__ import annotations

import gzip
import io
import json
import threading
import tracemalloc
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image

from deepseek_ocr_rag import FetchPolicy, OllamaBackend, Reader, ServerBackend, open_source
from deepseek_ocr_rag.answering.language_model import Message
from deepseek_ocr_rag.answering.models.model_choice import choose_language_model
from deepseek_ocr_rag.answering.models.ollama_model import OllamaModel
from deepseek_ocr_rag.backends.layout_model.ollama_store import OllamaStore
from deepseek_ocr_rag.backends.remote.json_exchange import fetch_json
from deepseek_ocr_rag.errors import DeepSeekOCRError
from deepseek_ocr_rag.ollama_server import OllamaServer
from deepseek_ocr_rag.retrieval.embeddings import OllamaEmbeddings

UNPACKED = 64 * 2**20
ALLOWED = 12 * 2**20

ONCE = gzip.compress(bytes(UNPACKED), 1)
BOMBS = {
    "gzip": ONCE,
    "GZip": ONCE,
    "x-gzip": ONCE,
    "gzip, gzip": gzip.compress(ONCE),
    "deflate": zlib.compress(bytes(UNPACKED), 1),
    "identity, gzip": ONCE,
    "gzip\r\nContent-Encoding: gzip": gzip.compress(ONCE),  # two headers
    # RFC 8878, 3.1.1: a frame of blocks, each one byte that is repeated 128 kB long.
    "zstd": b"\x28\xb5\x2f\xfd\x00\x58"
    + b"".join(((2**17 << 3) | 2).to_bytes(3, "little") + b"0" for _ in range(511))
    + ((2**17 << 3) | 3).to_bytes(3, "little")
    + b"0",
    "br": b"\x00",
    "something": b"{}",
}

PAGE = io.BytesIO()
Image.linear_gradient("L").convert("RGB").save(PAGE, "png")


class BombServer(ThreadingHTTPServer):
    """Answers the paths in ``plain`` as it should, and all others with a bomb."""

    daemon_threads = True
    plain: tuple[str, ...] = ()
    status = 200
    encoding = "gzip"

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.accepted = set()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        pass  # the client hung up, as it should


ANSWERS = {
    "/api/version": {"version": "0.30.0"},
    "/api/tags": {"models": [{"model": "m:latest", "digest": "d"}]},
    "/api/show": {"capabilities": ["vision", "completion"]},
    "/v1/models": {"data": [{"id": "m"}]},
}


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.accepted.add(self.headers.get("Accept-Encoding"))
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path in self.server.plain:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(ANSWERS[self.path]).encode())
            return
        body = BOMBS[self.server.encoding]
        self.wfile.write(
            f"HTTP/1.0 {self.server.status} Told\r\nContent-Length: {len(body)}\r\n"
            f"Content-Type: application/json\r\nContent-Encoding: {self.server.encoding}\r\n\r\n"
            .encode() + body
        )  # fmt: skip

    do_POST = do_GET  # noqa: N815 - as the library calls it

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def server():
    made = BombServer()
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


ALL_OF_OLLAMA = ("/api/version", "/api/tags", "/api/show")


def read_page(backend):
    with Reader(backend, cache=False, resolution="tiny") as reader:
        (page,) = reader.read(PAGE.getvalue())
    assert page.error
    raise DeepSeekOCRError(page.error)


def whole_reply(url):
    model = OllamaModel("m", host=url, structured=False)
    return list(model.stream([Message("user", "?")], max_tokens=9))


def chosen(url):
    model, why = choose_language_model(url)
    assert model is None
    raise DeepSeekOCRError(why)


POLICY = FetchPolicy(allow_http=True, allow_private=True)

CLIENTS = {
    "a URL": ((), lambda url: open_source(f"{url}/a.pdf", allow_urls=POLICY)),
    "a small JSON document": ((), lambda url: fetch_json(f"{url}/v1/models")),
    "the list of a server": ((), lambda url: ServerBackend(url).find_model()),
    "a page of a server": (
        ("/v1/models",),
        lambda url: read_page(ServerBackend(url, retries=0, attempts=1)),
    ),
    "a page of Ollama": (
        ALL_OF_OLLAMA,
        lambda url: read_page(OllamaBackend("m", host=url, retries=0, attempts=1)),
    ),
    "Ollama's models": ((), lambda url: OllamaServer(url).models()),
    "Ollama's version": ((), lambda url: OllamaServer(url).version()),
    "which model can write": ((), chosen),
    "what a model can": ((), lambda url: OllamaModel("m", host=url).context_length),
    "an answer": (ALL_OF_OLLAMA, whole_reply),
    "vectors": (ALL_OF_OLLAMA, lambda url: OllamaEmbeddings("m", host=url).embed_query("?")),
    "storing a model": (
        (),
        lambda url: OllamaStore(url).create("m", {}, template="", parameters={}),
    ),
}


def refused(server, client):
    server.plain, ask = CLIENTS[client]
    tracemalloc.start()
    try:
        with pytest.raises(DeepSeekOCRError) as caught:
            ask(server.url)
        assert tracemalloc.get_traced_memory()[1] < ALLOWED
    finally:
        tracemalloc.stop()
    return str(caught.value)


CASES = [
    *((client, encoding) for client in CLIENTS for encoding in ("gzip, gzip", "zstd")),
    *(("a URL", encoding) for encoding in BOMBS),
    *(("a page of a server", encoding) for encoding in BOMBS),
]


@pytest.mark.parametrize(("client", "encoding"), dict.fromkeys(CASES))
def test_a_compressed_reply_is_refused_before_it_is_unpacked(server, client, encoding):
    server.encoding, server.status = encoding, 200
    assert "compressed" in refused(server, client)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_compressed_refusal_is_a_refusal(server, client):
    """And every request asks for an uncompressed reply."""
    server.accepted.clear()
    server.encoding, server.status = "gzip, gzip", 500
    refused(server, client)
    assert server.accepted == {"identity"}
