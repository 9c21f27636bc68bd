"""A server that reads pages whose colour encodes a number, at a set speed, and counts them.

For tests in which a whole process reads: it speaks vLLM's protocol on loopback.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from PIL import Image
from reportlab.pdfgen.canvas import Canvas

__all__ = ["PageServer", "marked_pdf", "picture_mark", "text_of"]


def marked_pdf(pages: int, first: int = 1) -> bytes:
    """A PDF whose page n has a colour that encodes its number, counted from ``first``."""
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=(200, 200), invariant=1)
    for mark in range(first, first + pages):
        canvas.setFillColorRGB(mark // 256 / 255, mark % 256 / 255, 77 / 255)
        canvas.rect(0, 0, 200, 200, stroke=0, fill=1)
        canvas.setFillColorRGB(0, 0, 0)
        canvas.rect(80, 80, 60, 60, stroke=0, fill=1)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def text_of(mark: int) -> str:
    """The server's reply for a page."""
    return (
        f"<|ref|>sub_title<|/ref|><|det|>[[100, 50, 900, 90]]<|/det|>\n## Page {mark}\n\n"
        f"<|ref|>text<|/ref|><|det|>[[100, 100, 900, {200 + mark % 800}]]<|/det|>\nThis is number {mark}."
    )


class PageServer:
    """The server, as a context manager.

    ``asked`` has the page numbers in the order of the requests, ``keys`` their API
    keys. ``on_page`` is called with the number of a page before it is answered,
    and ``text`` gives the reply. ``mark_of`` finds a page's number in its PNG file.
    """

    def __init__(
        self, seconds: float = 0.0, *, mark_of: Callable[[bytes], int] | None = None
    ) -> None:
        self.seconds = seconds
        find_mark = mark_of or _colour_mark
        self.asked: list[int] = []
        self.keys: list[str] = []
        self.on_page: Callable[[int], object] = lambda mark: None
        self.text = text_of
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._send({"data": [{"id": "deepseek-ocr"}]})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                url = body["messages"][0]["content"][0]["image_url"]["url"]
                mark = find_mark(base64.b64decode(url.partition(",")[2]))
                outer.asked.append(mark)
                outer.keys.append(self.headers.get("authorization", "").removeprefix("Bearer "))
                outer.on_page(mark)
                time.sleep(outer.seconds)
                choice = {"message": {"content": outer.text(mark)}, "finish_reason": "stop"}
                self._send({"choices": [choice]})

            def _send(self, data: object) -> None:
                body = json.dumps(data).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            # Connections waiting to be accepted. The default is five, but a reader opens 16 at
            # once; on a busy machine the rest would time out and count as attempts.
            request_queue_size = 128

            def handle_error(self, request: object, client_address: object) -> None:
                pass  # the test killed the client

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> PageServer:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def picture_mark(png: bytes) -> int:
    """Return a number that no other picture has, for pages without a colour of their own."""
    # Of the pixels: one picture may be packed in several ways.
    with Image.open(io.BytesIO(png)) as image:
        pixels = image.convert("RGB").tobytes()
    return int.from_bytes(hashlib.sha256(pixels).digest()[:6], "big")


def _colour_mark(png: bytes) -> int:
    with Image.open(io.BytesIO(png)) as image:
        red, green, _ = image.convert("RGB").getpixel((0, 0))
    return red * 256 + green
