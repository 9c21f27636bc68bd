"""Downloads: what is asked of a server, what comes back, and how each failure is told."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import psutil
import pytest
from waiting import LONG

from deepseek_ocr_rag import FetchPolicy
from deepseek_ocr_rag.errors import (
    CorruptSourceError,
    LimitExceededError,
    SourceError,
    SourceNotAllowedError,
    SourceNotFoundError,
)
from deepseek_ocr_rag.sources import checked_requests
from deepseek_ocr_rag.sources.fetch import download

BODY = b"%PDF-1.4 " + b"lamp" * 50_000
HOME: dict[str, Any] = {"allow_http": True, "allow_private": True, "connect_seconds": 5.0}
MOVED = {
    "/moved": "/a.pdf",
    "/twice": "moved",
    "/loop": "/loop",
    "/odd": "https://xn--a/",
    "/broken": "https://[::1",
}


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers))  # type: ignore[attr-defined]
        path = self.path.partition("?")[0]
        if path in MOVED:
            self.send_response(302)
            self.send_header("Location", MOVED[path])
            self.end_headers()
        elif path == "/gzip":
            self.send_response(200)
            self.send_header("Content-Encoding", "gzip")
            self.end_headers()
        elif path == "/short":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"%PDF")
        elif path in ("/slow", "/silent"):
            self.send_response(200)
            self.end_headers()
            ends = time.monotonic() + LONG
            while not self.server.closing.wait(0.05) and time.monotonic() < ends:  # type: ignore[attr-defined]
                if path == "/slow":
                    self.wfile.write(b"x")
        elif path == "/a.pdf":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(BODY)
        else:
            self.send_error(404)

    def log_message(self, *args: object) -> None:
        pass


class Documents(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, Message]] = []
        self.closing = threading.Event()
        self.place = f"127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # the client hung up


@pytest.fixture
def server() -> Iterator[Documents]:
    made = Documents()
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.closing.set()
    made.shutdown()
    made.server_close()
    thread.join()


def fetched(url: str, **policy: Any) -> bytes:
    with closing(download(url, FetchPolicy(**(HOME | policy)))) as pieces:
        return b"".join(pieces)


def refusal(kind: type[SourceError], url: str, **policy: Any) -> tuple[str, str | None]:
    with pytest.raises(kind) as caught:
        fetched(url, **policy)
    assert caught.value.remedy
    return caught.value.problem, caught.value.source


def resolves(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[tuple[Any, ...]]:
    """Every name has these addresses; the calls are noted."""
    calls: list[tuple[Any, ...]] = []

    def found(host: str, port: int, *rest: Any, **options: Any) -> list[tuple[Any, ...]]:
        calls.append((host, port, options))
        return [(2, 1, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(checked_requests.socket, "getaddrinfo", found)
    return calls


# --- what is asked, and of whom -----------------------------------------------------------


def test_a_document_comes_in_pieces_and_uncompressed(server: Documents) -> None:
    with closing(download(f"http://{server.place}/a.pdf?x=1", FetchPolicy(**HOME))) as pieces:
        found = list(pieces)
    assert b"".join(found) == BODY
    assert len(found) > 1
    ((path, headers),) = server.asked
    assert (path, headers["Host"], headers["Accept-Encoding"]) == (
        "/a.pdf?x=1",
        server.place,
        "identity",
    )


def test_it_may_be_left_half_read_and_nothing_stays_open(server: Documents) -> None:
    def still_open() -> bool:
        opened = psutil.Process().net_connections("tcp")
        return any(each.raddr and each.raddr.port == server.server_port for each in opened)

    before = set(threading.enumerate())
    for _ in range(3):
        pieces = download(f"http://{server.place}/a.pdf", FetchPolicy(**HOME))
        next(pieces)
        (timer,) = [
            thread
            for thread in set(threading.enumerate()) - before
            if isinstance(thread, threading.Timer)
        ]
        assert still_open()
        pieces.close()
        assert not still_open()
        timer.join(LONG)
        assert not timer.is_alive()


def test_the_connection_goes_to_the_checked_address_and_the_name_stays(
    server: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = resolves(monkeypatch, "127.0.0.1", "127.0.0.2")
    url = f"http://files.example:{server.server_port}/a.pdf"
    assert fetched(url, hosts=["files.example"]) == BODY
    assert server.asked[0][1]["Host"] == f"files.example:{server.server_port}"
    assert calls[0] == ("files.example", server.server_port, {"type": socket.SOCK_STREAM})


@pytest.mark.parametrize(
    ("url", "port"),
    [("https://a.example/", 443), ("http://a.example/", 80), ("https://a.example:8443/", 8443)],
)
def test_a_request_names_the_host_for_tls_and_the_address_for_the_connection(
    monkeypatch: pytest.MonkeyPatch, url: str, port: int
) -> None:
    calls = resolves(monkeypatch, "93.184.215.14")
    policy = FetchPolicy(allow_http=True)
    with checked_requests.checked_client(policy) as client:
        request = checked_requests.checked_request(client, httpx.URL(url), policy, url)
    assert request.method == "GET"
    assert request.url.host == "93.184.215.14"
    assert request.extensions["sni_hostname"] == "a.example"
    assert request.headers["Host"] == httpx.URL(url).netloc.decode()
    assert request.headers["Accept-Encoding"] == "identity"
    assert calls == [("a.example", port, {"type": socket.SOCK_STREAM})]


def test_no_proxy_of_the_environment_is_used(
    server: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert fetched(f"http://{server.place}/a.pdf") == BODY


def test_the_client_follows_nothing_by_itself_and_waits_as_long_as_it_is_told() -> None:
    with checked_requests.checked_client(FetchPolicy(connect_seconds=7)) as client:
        assert (client.follow_redirects, client.trust_env) == (False, False)
        assert client.timeout == httpx.Timeout(7)


# --- redirects ----------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "most"), [("a.pdf", 0), ("moved", 1), ("twice", 2), ("twice", 5)])
def test_redirects_are_followed(server: Documents, path: str, most: int) -> None:
    assert fetched(f"http://{server.place}/{path}", redirects=most) == BODY


@pytest.mark.parametrize(("path", "most"), [("moved", 0), ("twice", 1), ("loop", 3)])
def test_no_more_redirects_are_followed_than_allowed(
    server: Documents, path: str, most: int
) -> None:
    url = f"http://{server.place}/{path}"
    assert refusal(LimitExceededError, url, redirects=most) == (
        f"the URL redirects more than {most} times",
        url,
    )
    assert len(server.asked) == most + 1


@pytest.mark.parametrize("path", ["odd", "broken"])
def test_a_redirect_to_no_url_has_failed(server: Documents, path: str) -> None:
    url = f"http://{server.place}/{path}"
    problem, source = refusal(CorruptSourceError, url)
    assert problem.startswith("the download failed (")
    assert source == url


# --- refusals -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "policy", "problem"),
    [
        ("ftp://a.example/b", {}, "only https URLs with a host name can be read"),
        ("https:///b", {}, "only https URLs with a host name can be read"),
        ("http://a.example/b", {"allow_http": False}, "this is not an https URL"),
        ("https://a.example:0/b", {}, "the port 0 does not exist"),
        (
            "https://a.example/b",
            {"hosts": ["b.example"]},
            "the host a.example is not on the list of allowed hosts",
        ),
        (
            "https://10.0.0.1/b",
            {"allow_private": False},
            "the host 10.0.0.1 is on a private network (10.0.0.1)",
        ),
    ],
)
def test_what_is_not_allowed_says_why(url: str, policy: dict[str, Any], problem: str) -> None:
    assert refusal(SourceNotAllowedError, url, **policy) == (problem, url)


def test_one_private_address_among_others_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    resolves(monkeypatch, "93.184.215.14", "10.0.0.1")
    problem, _ = refusal(SourceNotAllowedError, "https://a.example/b", allow_private=False)
    assert problem == "the host a.example is on a private network (10.0.0.1)"


@pytest.mark.parametrize("error", [socket.gaierror(-2, "unknown"), UnicodeError("label too long")])
def test_a_host_that_nobody_knows_is_named(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def unknown(*args: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(checked_requests.socket, "getaddrinfo", unknown)
    assert refusal(SourceNotFoundError, "https://u:p@a.example/b") == (
        "the host a.example is unknown",
        "https://a.example/b",
    )


@pytest.mark.parametrize("url", ["https://xn--a/", "https://[::1", "https://a:port/"])
def test_what_is_no_url_is_told(url: str) -> None:
    problem, source = refusal(SourceNotFoundError, url)
    assert problem.startswith("this is not a valid URL (")
    assert source == url


# --- servers that fail --------------------------------------------------------------------


def test_a_page_that_is_not_there_is_told_without_the_password(server: Documents) -> None:
    assert refusal(SourceNotFoundError, f"http://ann:secret@{server.place}/missing") == (
        "the server replied 404 Not Found",
        f"http://{server.place}/missing",
    )


def test_a_server_that_is_not_there_cannot_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = f"127.0.0.1:{listener.getsockname()[1]}"
    problem, source = refusal(SourceNotFoundError, f"http://{place}/a.pdf")
    assert problem.startswith("the server cannot be reached (")
    assert source == f"http://{place}/a.pdf"


def test_a_download_that_breaks_off_has_failed(server: Documents) -> None:
    problem, source = refusal(CorruptSourceError, f"http://{server.place}/short")
    assert problem.startswith("the download failed (")
    assert source == f"http://{server.place}/short"


def test_a_compressed_document_is_refused(server: Documents) -> None:
    problem, source = refusal(CorruptSourceError, f"http://{server.place}/gzip")
    assert problem.startswith("the reply is compressed (gzip)")
    assert source == f"http://{server.place}/gzip"


@pytest.mark.parametrize(
    ("path", "total", "stall"), [("slow", 0.3, 5.0), ("silent", 0.3, 5.0), ("silent", 9.0, 0.3)]
)
def test_a_download_that_takes_too_long_ends(
    server: Documents, path: str, total: float, stall: float
) -> None:
    url = f"http://{server.place}/{path}"
    started = time.monotonic()
    assert refusal(LimitExceededError, url, total_seconds=total, connect_seconds=stall) == (
        f"the download took longer than {total:g} seconds, or stalled for {stall:g}",
        url,
    )
    assert time.monotonic() - started < LONG / 2  # the server goes on for longer


def test_a_time_limit_may_be_longer_than_a_timer_can_be_set(server: Documents) -> None:
    assert fetched(f"http://{server.place}/a.pdf", total_seconds=1e12) == BODY


def test_a_connection_that_is_made_when_the_time_is_up_is_cut() -> None:
    deadline = checked_requests.RequestDeadline("a", FetchPolicy(total_seconds=60))
    deadline._cut()
    ours, theirs = socket.socketpair()

    class Stream:
        def get_extra_info(self, name: str) -> socket.socket:
            assert name == "socket"
            return ours

    with ours, theirs, deadline:
        deadline.trace("connection.connect_tcp.started", {})
        deadline.trace("connection.connect_tcp.complete", {"return_value": Stream()})
        theirs.settimeout(LONG)
        assert theirs.recv(1) == b""
        with pytest.raises(LimitExceededError):
            deadline.check()
