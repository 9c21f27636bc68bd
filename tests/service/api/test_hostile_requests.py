"""Requests of somebody who wants in: none may reach a job, a file or the memory.

Each is sent as bytes over a socket, because no HTTP library sends most of them.
"""

from __future__ import annotations

import gzip
import io
import re
import socket
import time
import tracemalloc
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from running_service import serving
from waiting import LONG

from deepseek_ocr_rag.service import http_server
from deepseek_ocr_rag.service.api.access.api_keys import ApiKeys
from deepseek_ocr_rag.service.api.access.gatekeeper import FAILURES_PER_SECOND
from deepseek_ocr_rag.service.api.api_settings import ApiSettings
from deepseek_ocr_rag.service.queue import JobQueue

ANNA = "anna-0123456789abcdef"
BEN = "ben-0123456789abcdefg"
KEY = f"Authorization: Bearer {ANNA}\r\n"
UPLOAD_BYTES = 2_000_000


@dataclass(frozen=True)
class Target:
    """A service with a job of Anna's."""

    port: int
    job: str
    upload: str

    def talk(self, *pieces: bytes, pause: float = 0.0, half_close: bool = False) -> bytes:
        """What comes back for some bytes, until the service closes the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=LONG) as link:
            for piece in pieces:
                try:
                    link.sendall(piece)
                except OSError:  # it was closed already: the answer may still be there
                    break
                time.sleep(pause)
            answer = b""
            try:
                if half_close:
                    link.shutdown(socket.SHUT_WR)
                while piece := link.recv(65536):
                    answer += piece
            except OSError:  # closed with a reset
                pass
            return answer


@pytest.fixture(scope="module")
def target(queue: JobQueue, sample: Path) -> Iterator[Target]:
    keys = ApiKeys.parse([f"anna:{ANNA}", f"ben:{BEN}"], source="here")
    settings = ApiSettings(
        keys=keys, upload_bytes=UPLOAD_BYTES, body_silence=0.5, hosts=("reader",), heartbeat=0.2
    )
    key = {"Authorization": f"Bearer {ANNA}"}
    with pytest.MonkeyPatch.context() as patched, serving(queue, settings, headers=key) as client:
        patched.setattr(http_server, "HEADER_SECONDS", 1.0)
        upload = client.post("/v1/uploads", json={"name": "a.pdf"}).json()
        client.put(upload["content"], content=sample.read_bytes())
        job = client.post("/v1/jobs", json={"upload_id": upload["id"]}).json()
        assert client.get(f"/v1/jobs/{job['id']}?wait=50").json()["status"] == "succeeded"
        yield Target(client.base_url.port or 0, job["id"], upload["id"])
        # After everything that was tried, it still does its work.
        assert client.get(f"/v1/jobs/{job['id']}/pages/2").json()["number"] == 2


def statuses(answer: bytes) -> list[int]:
    return [int(each) for each in re.findall(rb"^HTTP/1\.1 (\d{3})", answer, re.MULTILINE)]


def refused(answer: bytes) -> bool:
    """Whether nothing was given away: only refusals, and no text of a page."""
    assert not [s for s in statuses(answer) if s < 400], answer[:300]
    assert b"Anna Berg" not in answer
    assert b"root:" not in answer
    return True


def request(path: str, head: str = KEY, *, host: str = "127.0.0.1", method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{head}Connection: close\r\n\r\n".encode(
        "latin-1"
    )


PATHS = (
    *("/v1/jobs/../../../../etc/passwd", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd"),
    *("/v1/jobs/..%2f..%2fetc%2fpasswd", "/v1/jobs/%00", "/v1/jobs/.", "/v1/jobs/~"),
    *(
        "//etc/passwd",
        "/v1/uploads/../../data/lock",
        "/static/../jobs.sqlite",
        "/file:///etc/passwd",
    ),
    *("/v1/jobs/%c0%ae%c0%ae/result", "/v1/jobs/{job}/pages/..%2f..%2flock", "/.git/config"),
    *("/v1/jobs/{job}/pages/1.png/../../../lock", "/v1/jobs/' OR '1'='1", "/v1//jobs/{job}"),
    *("/v1/jobs/{job}%20", "/V1/JOBS/{job}", "/v1/jobs/{job};a=b"),
)


@pytest.mark.parametrize("path", PATHS)
def test_no_path_leads_to_a_file_or_another_route(target: Target, path: str) -> None:
    assert refused(target.talk(request(path.replace("{job}", target.job))))


HOSTS = ("", "evil.example", "reader.evil.example", "reader@evil.example", "127.0.0.1 evil", "*")


@pytest.mark.parametrize("host", HOSTS)
def test_no_name_that_was_pointed_here_is_answered(target: Target, host: str) -> None:
    assert refused(target.talk(request(f"/v1/jobs/{target.job}", host=host)))


def test_the_last_of_two_hosts_does_not_count(target: Target) -> None:
    head = (
        f"GET /v1/jobs/{target.job} HTTP/1.1\r\nHost: evil.example\r\nHost: 127.0.0.1\r\n{KEY}\r\n"
    )
    assert refused(target.talk(head.encode(), half_close=True))


def test_an_absolute_address_does_not_stand_for_the_host(target: Target) -> None:
    path = f"http://127.0.0.1/v1/jobs/{target.job}"
    assert refused(target.talk(request(path, host="evil.example")))


KEYS = (
    "",
    f"Authorization: Bearer {ANNA[:-1]}\r\n",
    f"Authorization: Bearer {ANNA},{BEN}\r\n",
    f"Authorization: Bearer  \r\nX-Api-Key: {ANNA}\r\n",
    f"Authorization: Digest {ANNA}\r\n",
    f"Cookie: key={ANNA}\r\n",
    "X-Forwarded-For: 127.0.0.1\r\n",
    "X-Api-Key: *\r\n",
    f"X-Api-Key: {ANNA}\r\nX-Api-Key: \r\n",
    f"Authorization: Bearer {BEN}\r\n",
)
"""The last one is a key, but of somebody else. Twenty wrong ones in all, then nobody is listened to."""


@pytest.mark.parametrize("head", KEYS)
def test_nothing_stands_for_the_right_key(target: Target, head: str) -> None:
    assert refused(target.talk(request(f"/v1/jobs/{target.job}/result", head)))
    assert refused(target.talk(request(f"/v1/jobs/{target.job}?remove=1", head, method="DELETE")))


HEADS = (
    b"GARBAGE\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET /v1/jobs HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /v1/jobs HTTP/1.1\r\n\r\n",
    b"GET /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
    b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X: a\r\n" * 20_000 + b"\r\n",
    b"GET /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nX\x00Y: a\r\n\r\n",
    b"GET /v1/jobs HTTP/1.1\nHost: 127.0.0.1\n\n",
    b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"TRACE / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + KEY.encode() + b"\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
)


@pytest.mark.parametrize("head", HEADS, ids=range(len(HEADS)))
def test_a_malformed_head_is_refused(target: Target, head: bytes) -> None:
    assert refused(target.talk(head, half_close=True))


def put(target: Target, head: str, body: bytes = b"") -> bytes:
    path = f"/v1/uploads/{target.upload}/content"
    start = f"PUT {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{KEY}{head}\r\n"
    return start.encode("latin-1") + body


BODIES = {
    "a size beyond the limit": ("Content-Length: 99999999999\r\n", b"x"),
    "a size that is none": ("Content-Length: -5\r\n", b"x"),
    "two sizes": ("Content-Length: 5\r\nContent-Length: 6\r\n", b"xxxxxx"),
    "a size and chunks": (
        "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
        b"0\r\n\r\nGET /v1/jobs HTTP/1.1\r\n\r\n",
    ),
    "an unknown encoding": ("Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"),
    "a chunk without an end": ("Transfer-Encoding: chunked\r\n", b"fffffffffffffffff\r\nx"),
    "a compressed bomb": (
        "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        b"3e8\r\n" + gzip.compress(b"\0" * 1_000_000)[:1000],
    ),
    "another compression": ("Content-Length: 1\r\nContent-Encoding: br\r\n", b"x"),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_lies_is_refused(target: Target, name: str) -> None:
    head, body = BODIES[name]
    assert refused(target.talk(put(target, head, body), half_close=True))


def test_a_body_that_never_ends_is_cut_off_and_takes_no_memory(target: Target) -> None:
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    form = (
        f"POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\n{KEY}"
        "Content-Type: multipart/form-data; boundary=b\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    first = f"{len(part):x}\r\n".encode() + part + b"\r\n"
    time.sleep(2 / FAILURES_PER_SECOND)  # other tests have sent wrong keys from this address
    tracemalloc.start()
    try:
        answer = target.talk(form.encode(), first, *[chunk] * 400)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert statuses(answer) in ([413], [])
    assert peak < 10_000_000  # 26 MB were sent


@pytest.mark.parametrize("field", ["name", "pages", "task"])
def test_a_field_that_never_ends_is_cut_off(target: Target, field: str) -> None:
    body = (
        f'--b\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n'.encode() + b"x" * 500_000
    )
    head = (
        f"POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\n{KEY}Content-Length: 900000\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    )
    assert statuses(target.talk(head.encode(), body)) in ([422], [])


def test_a_silent_body_is_cut_off(target: Target) -> None:
    begun = time.monotonic()
    answer = target.talk(put(target, "Content-Length: 1000\r\n", b"%PDF"))
    assert statuses(answer) in ([408], [409])
    assert time.monotonic() - begun < LONG / 2  # the client waits for longer


def test_a_body_that_ends_early_is_no_document(target: Target, queue: JobQueue) -> None:
    before = queue.stats().bytes_stored
    upload = target.talk(
        b"POST /v1/uploads HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        + KEY.encode()
        + b'Content-Type: application/json\r\nContent-Length: 12\r\n\r\n{"name":"a"}'
    )
    found = re.search(rb'"id":"([^"]+)"', upload)
    assert found
    half = Target(target.port, target.job, found[1].decode())
    half.talk(put(half, "Content-Length: 1000\r\n", b"%PDF-1.7"), half_close=True)
    body = f'{{"upload_id":"{half.upload}"}}'.encode()
    answer = half.talk(
        b"POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        + KEY.encode()
        + f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    assert statuses(answer) == [409]
    assert queue.stats().bytes_stored == before


def test_a_head_that_never_ends_is_cut_off(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "HEADER_SECONDS", 0.5)
    begun = time.monotonic()
    head = [b"GET /livez HTTP/1.1\r\n", *[b"X: a\r\n"] * 30]
    assert refused(target.talk(*head, pause=0.1))
    assert time.monotonic() - begun < LONG / 2  # the client waits for longer


def test_a_client_that_stops_listening_is_forgotten(target: Target) -> None:
    for _ in range(30):
        with socket.create_connection(("127.0.0.1", target.port), timeout=LONG) as link:
            link.sendall(request(f"/v1/jobs/{target.job}/events"))
    assert statuses(target.talk(request("/livez", ""))) == [200]


def test_a_range_is_not_served_and_harms_nothing(target: Target) -> None:
    for ranges in ("bytes=0-0," * 5000, "bytes=-1", "bytes=999999999999-", "lines=1-2"):
        head = f"{KEY}Range: {ranges[:60000]}\r\n"
        answer = target.talk(request(f"/v1/jobs/{target.job}/result", head))
        assert statuses(answer) in ([200], [400], [431])


def archive() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.pdf", b"\0" * 50_000_000)
    return packed.getvalue()


@pytest.mark.parametrize(
    "document",
    [archive(), gzip.compress(b"\0" * 50_000_000), b"<svg onload=alert(1)>", b"MZ\x90\0" * 100],
    ids=["zip", "gzip", "svg", "exe"],
)
def test_what_is_no_document_is_a_failed_job(target: Target, document: bytes) -> None:
    url = f"http://127.0.0.1:{target.port}"
    with httpx.Client(base_url=url, headers={"X-Api-Key": ANNA}, trust_env=False) as http:
        reply = http.post("/v1/jobs", files={"file": ("a.pdf", document)})
        assert reply.status_code in (202, 415)
        if reply.status_code == 202:
            job = http.get(f"/v1/jobs/{reply.json()['id']}?wait=50", timeout=60).json()
            assert job["status"] == "failed"
            assert job["error"]["type"] in ("UnsupportedSourceError", "CorruptSourceError")
