"""Callbacks as a receiver sees them: signed, again and again until they arrive, nowhere else."""

from __future__ import annotations

import base64
import json
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from sockets import connections, recorded_sockets
from waiting import LONG

from deepseek_ocr_rag import FetchPolicy
from deepseek_ocr_rag.service.callbacks.callback_sender import CallbackSender
from deepseek_ocr_rag.service.callbacks.callback_settings import CallbackSettings
from deepseek_ocr_rag.service.jobs import CallbackTarget, Job, JobOptions
from deepseek_ocr_rag.service.queue import JobQueue
from deepseek_ocr_rag.service.service_limits import ReaderSettings

ROOT = Path(__file__).resolve().parents[3]
SECRET = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
HOME = FetchPolicy(allow_http=True, allow_private=True, connect_seconds=LONG, total_seconds=LONG)
AT_ONCE = (0.05,) * 20

Received = tuple[dict[str, str], bytes]


@dataclass
class Receiver:
    """A receiver of callbacks.

    Attributes:
        url: Where it listens.
        answers: What it answers, in turn; the last one again and again.
        received: What came: headers by their names in lower case, and the body.
    """

    url: str
    answers: list[Callable[[BaseHTTPRequestHandler], None]]
    received: list[Received] = field(default_factory=list)

    def wait(self, count: int, seconds: float = LONG) -> None:
        until = time.monotonic() + seconds
        while len(self.received) < count:
            assert time.monotonic() < until, f"{len(self.received)} of {count} callbacks came"
            time.sleep(0.01)


def status(code: int, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()

    return answer


@contextmanager
def receiver(*answers: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            found.received.append(({k.lower(): v for k, v in self.headers.items()}, body))
            (found.answers.pop(0) if len(found.answers) > 1 else found.answers[0])(self)

        do_GET = do_POST  # noqa: N815 - of the base class

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found = Receiver(f"http://127.0.0.1:{server.server_port}/hook", list(answers) or [status(204)])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobQueue]:
    with JobQueue(tmp_path_factory.mktemp("jobs") / "data", ReaderSettings("lite")) as found:
        yield found


@contextmanager
def sending(queue: JobQueue, policy: FetchPolicy = HOME, **more: Any) -> Iterator[CallbackSender]:
    sender = CallbackSender(queue, CallbackSettings(policy), **{"retry_seconds": AT_ONCE, **more})
    sender.start()
    try:
        yield sender
    finally:
        sender.close()


def ended_job(queue: JobQueue, sample_pdf: Path, url: str, secret: str | None = SECRET) -> Job:
    """A job with a callback, of the first page, that has ended."""
    upload = queue.new_upload("anna", "sample.pdf", "application/pdf")
    queue.write_upload("anna", upload.id, [sample_pdf.read_bytes()])
    job = queue.submit(
        "anna", upload.id, JobOptions(pages="1", callback=CallbackTarget(url, secret))
    )
    while not job.state.ended:
        job = queue.wait("anna", job.id, job.version, 60)
    return job


def nothing_due(queue: JobQueue, seconds: float = LONG) -> bool:
    until = time.monotonic() + seconds
    while queue.due_callbacks() and time.monotonic() < until:
        time.sleep(0.01)
    return not queue.due_callbacks()


def documented_check() -> Callable[[dict[str, str], bytes, str], bool]:
    """The receiver's check as the guide shows it, and nothing else."""
    guide = (ROOT / "docs" / "guides" / "service-clients.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    (code,) = (block for block in blocks if "def is_genuine" in block)
    names: dict[str, Any] = {}
    exec(code, names)
    check: Callable[[dict[str, str], bytes, str], bool] = names["is_genuine"]
    return check


def test_a_receiver_that_was_written_from_the_guide_can_check_what_comes(
    queue: JobQueue, sample_pdf: Path
) -> None:
    is_genuine = documented_check()
    with receiver() as there, sending(queue):
        job = ended_job(queue, sample_pdf, there.url)
        there.wait(1)
    headers, body = there.received[0]
    assert is_genuine(headers, body, SECRET)
    assert not is_genuine(headers, body + b" ", SECRET)
    assert not is_genuine(headers, body, SECRET[:-8] + "AAAAAAA=")
    assert not is_genuine({**headers, "webhook-timestamp": "1700000000"}, body, SECRET)
    message = json.loads(body)
    assert message["type"] == "job.succeeded"
    assert message["data"]["id"] == job.id
    assert message["data"]["pages_done"] == 1
    assert SECRET.encode() not in body


def test_the_services_own_secret_signs_where_the_job_has_none(
    queue: JobQueue, sample_pdf: Path
) -> None:
    own = CallbackSettings(HOME, secret=SECRET)
    with receiver() as there:
        sender = CallbackSender(queue, own)
        sender.start()
        ended_job(queue, sample_pdf, there.url, secret=None)
        there.wait(1)
        sender.close()
    assert documented_check()(*there.received[0], SECRET)


@pytest.mark.parametrize("answer", [500, 404, 302, 301])
def test_what_was_not_taken_is_sent_again_under_one_id(
    queue: JobQueue, sample_pdf: Path, answer: int
) -> None:
    refuse = status(answer, Location="/elsewhere")
    with receiver(refuse, refuse, status(200)) as there, sending(queue):
        ended_job(queue, sample_pdf, there.url)
        there.wait(3)
        assert nothing_due(queue)
    assert len({headers["webhook-id"] for headers, _ in there.received}) == 1
    assert len({body for _, body in there.received}) == 1
    assert len(there.received) == 3


def test_a_callback_that_failed_is_sent_after_a_restart(tmp_path: Path, sample_pdf: Path) -> None:
    folder = tmp_path / "data"
    with receiver(status(503), status(200)) as there:
        slow = (1.0, 1.0)
        with JobQueue(folder, ReaderSettings("lite")) as queue, sending(queue, retry_seconds=slow):
            job = ended_job(queue, sample_pdf, there.url)
            there.wait(1)
        with JobQueue(folder, ReaderSettings("lite")) as queue, sending(queue):
            there.wait(2)
            assert nothing_due(queue)
            assert queue.get("anna", job.id).state is job.state
        with JobQueue(folder, ReaderSettings("lite")) as queue, sending(queue):
            time.sleep(0.5)
    first, second = there.received
    assert first[1] == second[1]
    assert first[0]["webhook-id"] == second[0]["webhook-id"]


def test_it_is_given_up_after_the_last_attempt(queue: JobQueue, sample_pdf: Path) -> None:
    with receiver(status(500)) as there, sending(queue, retry_seconds=(0.01, 0.01)):
        ended_job(queue, sample_pdf, there.url)
        there.wait(3)
        assert nothing_due(queue)
        time.sleep(0.3)
    assert len(there.received) == 3


def test_a_receiver_that_is_gone_gets_nothing_more(queue: JobQueue, sample_pdf: Path) -> None:
    with receiver(status(410)) as there, sending(queue):
        ended_job(queue, sample_pdf, there.url)
        there.wait(1)
        assert nothing_due(queue)
    assert len(there.received) == 1


def test_a_job_that_was_removed_is_not_reported(queue: JobQueue, sample_pdf: Path) -> None:
    with receiver() as there:
        job = ended_job(queue, sample_pdf, there.url)
        queue.delete("anna", job.id)
        with sending(queue):
            assert nothing_due(queue)
            time.sleep(0.2)
    assert there.received == []


def test_an_endless_reply_is_not_read(queue: JobQueue, sample_pdf: Path) -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        status(200)(handler)
        try:
            while True:
                handler.wfile.write(b"x" * 65_536)
        except OSError:
            pass

    with receiver(endless) as there, sending(queue):
        ended_job(queue, sample_pdf, there.url)
        there.wait(1)
        assert nothing_due(queue)


def test_a_receiver_that_hangs_holds_up_no_other(queue: JobQueue, sample_pdf: Path) -> None:
    released = threading.Event()

    def hang(handler: BaseHTTPRequestHandler) -> None:
        released.wait(5 * LONG)

    patient = replace(HOME, connect_seconds=5 * LONG, total_seconds=5 * LONG)
    with receiver(hang) as slow, receiver() as quick, sending(queue, patient):
        ended_job(queue, sample_pdf, slow.url)
        slow.wait(1)
        ended_job(queue, sample_pdf, quick.url)
        try:
            quick.wait(1)
        finally:
            released.set()


def resolving_to(address: str) -> Callable[..., list[Any]]:
    return lambda host, port, *a, **k: [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
    ]


def test_a_name_that_leads_home_after_the_job_was_taken_is_not_called(
    queue: JobQueue, sample_pdf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiver() as there:
        port = there.url.rpartition(":")[2].partition("/")[0]
        url = f"http://rebound.example:{port}/hook"
        policy = FetchPolicy(allow_http=True)
        settings = CallbackSettings(policy, secret=SECRET)
        monkeypatch.setattr(socket, "getaddrinfo", resolving_to("93.184.216.34"))
        target = settings.target(url)
        monkeypatch.setattr(socket, "getaddrinfo", resolving_to("127.0.0.1"))
        with recorded_sockets() as recorded:
            sender = CallbackSender(queue, settings, retry_seconds=(0.01,))
            sender.start()
            ended_job(queue, sample_pdf, target.url)
            assert nothing_due(queue)
            sender.close()
        called = [address for address in connections(recorded) if port in str(address)]
    assert called == []
    assert there.received == []


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "https://127.0.0.1/", "https://localhost/", "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data", "https://[::1]/", "http://example.org/",
        "file:///etc/passwd", "gopher://127.0.0.1:6379/_INFO", "https://", "x",
    ],
)  # fmt: skip
def test_an_address_that_is_not_allowed_is_refused_when_the_job_is_sent(url: str) -> None:
    from deepseek_ocr_rag.errors import SourceError

    with recorded_sockets() as recorded, pytest.raises(SourceError):
        CallbackSettings(secret=SECRET).target(url)
    assert connections(recorded) == []


def test_a_callback_needs_a_secret() -> None:
    from deepseek_ocr_rag.errors import ConfigurationError

    with pytest.raises(
        ConfigurationError, match="neither the callback nor the service has a secret"
    ):
        CallbackSettings(HOME).target("http://127.0.0.1/")
