"""URLs that try to make this machine connect where it must not: it never connects.

Connections are counted by the interpreter's audit events, below every library. Names are
resolved by a table here, as an attacker's name server would answer.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest
from sockets import connections, recorded_sockets
from waiting import LONG

from deepseek_ocr_rag import DeepSeekOCRError, FetchPolicy, Reader, open_source
from deepseek_ocr_rag.agents import AgentReader
from deepseek_ocr_rag.errors import ConfigurationError, LimitExceededError, SourceNotAllowedError
from deepseek_ocr_rag.sources import fetch
from deepseek_ocr_rag.sources.checked_requests import checked_client
from deepseek_ocr_rag.sources.fetch import download
from deepseek_ocr_rag.sources.fetch_policy import is_public

NAMES = {
    "public.example": ["93.184.216.34"],
    "public6.example": ["2606:2800:220:1:248:1893:25c8:1946"],
    "evil.example": ["93.184.216.35"],
    "papers.public.example": ["93.184.216.36"],
    "loop.example": ["127.0.0.1"],
    "mixed.example": ["93.184.216.34", "127.0.0.1"],
    "mixed6.example": ["93.184.216.34", "::1"],
    "last.example": ["93.184.216.34", "93.184.216.35", "10.0.0.1"],
    "meta.example": ["169.254.169.254"],
    "mapped.example": ["::ffff:10.0.0.1"],
    "nat64.example": ["64:ff9b::a9fe:a9fe"],
    "localtest.me": ["127.0.0.1"],
    "xn--bcher-kva.example": ["10.0.0.7"],
}
BLOCKED_ADDRESSES = [
    "127.0.0.1", "127.0.0.2", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255",
    "172.16.0.1", "172.31.255.255", "192.168.0.1", "169.254.169.254", "169.254.170.2", "100.64.0.1",
    "192.0.0.1", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.5", "224.0.0.1",
    "240.0.0.1", "255.255.255.255", "168.63.129.16", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1",
    "::ffff:169.254.169.254", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1",
    "64:ff9b:1::7f00:1", "100::1", "2001:db8::1", "2001::7f00:1", "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "2002:7f00:1::", "2002:a00:1::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1",
    "3fff::1", "5f00::1",
]  # fmt: skip
FORMS_OF_LOOPBACK = [
    "localhost", "LOCALHOST", "localhost.", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1",
    "0177.0.0.1", "017700000001", "0", "127.0.0.1.", "①②⑦.⓪.⓪.①", "127。0。0。1", "[::1]",
    "[0:0:0:0:0:0:0:1]", "[::ffff:7f00:1]", "[fe80::1%25lo]",
]  # fmt: skip
PRIVATE_NAMES = [
    "loop.example", "mixed.example", "mixed6.example", "last.example", "meta.example",
    "mapped.example", "nat64.example", "localtest.me", "bücher.example", "user@loop.example",
    "public.example@127.0.0.1", "public.example%00@127.0.0.1", "public.example:80@127.0.0.1:443",
]  # fmt: skip
OTHER_SCHEMES = [
    "http://public.example/a.pdf", "HTTP://public.example/a.pdf", "ftp://public.example/a.pdf",
    "file:///etc/passwd", "file://127.0.0.1/etc/passwd", "gopher://127.0.0.1:6379/_INFO",
    "dict://127.0.0.1:11211/stat", "ldap://127.0.0.1/", "unix:///var/run/docker.sock", "s3://b/k",
    "ws://public.example/", "data://text/plain,x", "jar:https://public.example/a.jar!/x",
    "javascript://public.example/%0aalert(1)", "https+unix://x/", "netdoc:///etc/passwd",
    "blob:https://public.example/1",
]  # fmt: skip
MALFORMED = [
    "https://", "https:///a.pdf", "https://exa mple/", "https://[::1", "https://public.example:99999/",
    "https://:443/", "https://@/", "https://#", "https://?", "https://public.example:x/", "https://\x00/",
    "https://..", "https://.", "https://" + "a" * 300 + ".example/",
    "https://xn--a/", "https://xn--/", "https://xn--a.public.example/", "https://xn--99999999/",
    "https://a..b/", "https://\u200d/", "https://\ud800/", "https://[v1.x]/", "https://1.2.3.4.5/",
    "https://%zz/", "https://[fe80::1%eth0]/", "https://xn--a:443/", "https://u:p@xn--a/",
]  # fmt: skip
REFUSED = [
    *(f"https://{f'[{a}]' if ':' in a else a}/a.pdf" for a in BLOCKED_ADDRESSES),
    *(f"https://{host}/a.pdf" for host in (*FORMS_OF_LOOPBACK, *PRIVATE_NAMES)),
    *OTHER_SCHEMES,
    *MALFORMED,
]
NOT_LISTED = [
    "https://evil.example/a.pdf", "https://public.example.evil.example/", "https://public.example@evil.example/",
    "https://evil.example/?public.example", "https://evil.example#@public.example/",
    "https://evilpublic.example/", "https://93.184.216.34/a.pdf", "https://public.example\\@evil.example/",
    "https://evil.example\\.public.example/", "https://listed.public.example/", "https://xpapers.example/",
    "https://papers.example/", "https://PUBLIC.EXAMPLE.evil.example/",
]  # fmt: skip
LISTED = FetchPolicy(hosts=("public.example", "*.papers.example"))


@pytest.fixture(autouse=True)
def resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolve names by the table above; addresses and "localhost" by the system."""
    system = socket.getaddrinfo

    def resolve(host: str, port: int, *arguments: object, **options: object) -> list[object]:
        addresses = NAMES.get(host.lower().removesuffix("."))
        if addresses is None:
            if host.lower().endswith((".example", ".me")):
                raise socket.gaierror(-2, "Name or service not known")
            return system(host, port, *arguments, **options)
        return [
            (socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port))
            for a in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


def outcome(url: str, allow: bool | FetchPolicy) -> str:
    try:
        open_source(url, allow_urls=allow).close()
    except DeepSeekOCRError as error:
        return type(error).__name__
    return "opened"


def test_no_refused_url_is_connected_to() -> None:
    print(f"{len(REFUSED) + len(NOT_LISTED) + len(HOPS)} attempts with URLs")
    assert len(REFUSED) >= 60
    with recorded_sockets() as seen:
        outcomes = {url: outcome(url, True) for url in REFUSED}
    assert [url for url, kind in outcomes.items() if kind == "opened"] == []
    assert connections(seen) == []
    # What one release of httpx refuses as malformed, another one passes on to our check.
    assert set(outcomes.values()) <= {
        *("SourceNotAllowedError", "SourceNotFoundError", "CorruptSourceError")
    }


def test_with_a_list_of_hosts_no_other_host_is_connected_to() -> None:
    with recorded_sockets() as seen:
        outcomes = {url: outcome(url, LISTED) for url in (*REFUSED, *NOT_LISTED)}
    assert connections(seen) == []
    assert {outcomes[url] for url in NOT_LISTED} <= {"SourceNotAllowedError", "CorruptSourceError"}


def test_without_permission_a_url_opens_no_socket_at_all() -> None:
    every = [*REFUSED, *NOT_LISTED, "https://public.example/a.pdf"]
    with recorded_sockets() as seen:
        outcomes = {url: outcome(url, False) for url in every}
    assert seen == []
    assert "opened" not in outcomes.values()


@pytest.mark.parametrize(
    "host", ["public.example", "PUBLIC.example", "a.papers.example", "b.a.papers.example"]
)
def test_listed_hosts_are_allowed(host: str) -> None:
    assert LISTED.allows_host(host.lower())


@pytest.mark.parametrize("host", ["https://x.org", "x.org/a", "", "*", "*.*.org", "a b", "x:80"])
def test_an_invalid_host_in_a_list_is_refused(host: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a host name"):
        FetchPolicy(hosts=(host,))


@pytest.mark.parametrize("address", BLOCKED_ADDRESSES)
def test_these_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822"])
def test_these_addresses_are_public(address: str) -> None:
    assert is_public(address)


HOPS = [url for url in REFUSED if url not in MALFORMED]
"""Targets of redirects; a malformed one is a path on the same host."""


@pytest.fixture
def redirecting(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A public host that answers with redirects; the list has the addresses connected to."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        if "to" not in request.url.params:
            return httpx.Response(404)
        return httpx.Response(302, headers={b"location": request.url.params["to"].encode()})

    transport = httpx.MockTransport(answer)
    monkeypatch.setattr(
        fetch, "checked_client", lambda policy: httpx.Client(transport=transport, trust_env=False)
    )
    return asked


@pytest.mark.minimum
def test_a_redirect_is_checked_like_the_first_url(redirecting: list[str]) -> None:
    for target in HOPS:
        url = str(httpx.URL("https://public.example/", params={"to": target}))
        with pytest.raises(DeepSeekOCRError):
            list(download(url, FetchPolicy()))
    assert redirecting == ["93.184.216.34"] * len(HOPS)


@pytest.mark.minimum
@pytest.mark.parametrize("target", ["https://xn--a/", "//xn--a/b", "https://[::1", "https://a:x/"])
def test_a_redirect_to_something_that_is_not_a_url_is_an_error_of_ours(
    redirecting: list[str], target: str
) -> None:
    url = str(httpx.URL("https://public.example/", params={"to": target}))
    with pytest.raises(DeepSeekOCRError):
        list(download(url, FetchPolicy()))
    assert redirecting == ["93.184.216.34"]


def test_a_redirect_stays_on_the_list_of_hosts(redirecting: list[str]) -> None:
    for target in NOT_LISTED:
        url = str(httpx.URL("https://public.example/", params={"to": target}))
        with pytest.raises(DeepSeekOCRError):
            list(download(url, LISTED))
    assert set(redirecting) == {"93.184.216.34"}


# --- agents -------------------------------------------------------------------------------


def test_an_agent_needs_a_list_of_hosts() -> None:
    with (
        Reader("lite", allow_urls=True) as reader,
        pytest.raises(ConfigurationError, match="list of hosts"),
    ):
        AgentReader(reader, allow_urls=True)
    with Reader("lite", allow_urls=LISTED) as reader:
        agent = AgentReader(reader, allow_urls=True)
        with recorded_sockets() as seen, pytest.raises(SourceNotAllowedError, match="not on the l"):
            agent.read("https://evil.example/?secret=1")
    assert connections(seen) == []


def test_an_agent_opens_no_url_unless_allowed() -> None:
    with Reader("lite", allow_urls=True) as reader:
        agent = AgentReader(reader)
        with recorded_sockets() as seen:
            for url in (*REFUSED, "https://public.example/a.pdf"):
                with pytest.raises(DeepSeekOCRError):
                    agent.read(url)
    assert seen == []


# --- servers that take their time ---------------------------------------------------------

HOME = {"allow_http": True, "allow_private": True, "connect_seconds": 5.0}


@pytest.fixture
def dripping() -> Iterator[tuple[str, list[bytes]]]:
    """A server that sends the given bytes one at a time, ten per second, and then waits."""
    listener = socket.create_server(("127.0.0.1", 0))
    to_send: list[bytes] = [b""]
    ended = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            try:
                for byte in to_send[0]:
                    connection.sendall(bytes([byte]))
                    if ended.wait(0.1):
                        return
                ended.wait(2 * LONG)
            except OSError:
                return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"127.0.0.1:{listener.getsockname()[1]}", to_send
    ended.set()
    thread.join(LONG)
    listener.close()


HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


@pytest.mark.minimum
@pytest.mark.parametrize(
    ("scheme", "sent"),
    [
        ("http", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 5000),
        ("http", HEAD + b"%PDF" * 2000),
        ("http", HEAD),
        ("https", b"\x16\x03\x03\x10\x00" + b"\x02" * 5000),
    ],
    ids=["header", "body", "silence", "handshake"],
)
def test_a_server_that_drips_bytes_is_cut_off_in_time(
    dripping: tuple[str, list[bytes]], scheme: str, sent: bytes
) -> None:
    address, to_send = dripping
    to_send[0] = sent
    start = time.monotonic()
    policy = FetchPolicy(**HOME, total_seconds=1.5)
    with (
        pytest.raises(LimitExceededError, match=r"longer than 1\.5 seconds"),
        closing(download(f"{scheme}://{address}/a.pdf", policy)) as pieces,
    ):
        list(pieces)
    assert time.monotonic() - start < LONG  # it drips for longer


@pytest.mark.minimum
def test_certificates_are_checked() -> None:
    with checked_client(FetchPolicy()) as client:
        context = client._transport._pool._ssl_context
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
