"""What a service may do to its client: nothing but end its reading with an error of ours."""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scripted_service import Request, ScriptedService, job, sse
from waiting import LONG

from deepseek_ocr_rag import Page
from deepseek_ocr_rag.errors import (
    BackendReplyError,
    BackendUnavailableError,
    DeepSeekOCRError,
    JobNotFoundError,
    QueueFullError,
    ReadCancelledError,
)
from deepseek_ocr_rag.reading.cached_pages import page_to_json
from deepseek_ocr_rag.service import ServiceReader
from deepseek_ocr_rag.service.client import service_stream

EVENTS = {"content_type": "text/event-stream"}


@pytest.fixture
def sha256(sample_pdf: Path) -> str:
    return hashlib.sha256(sample_pdf.read_bytes()).hexdigest()


def page(number: int) -> dict[str, Any]:
    return dict(json.loads(page_to_json(Page(number, f"Page {number}", backend="lite"))))


def well_behaved(request: Request, sha256: str) -> None:
    """Pages 1 to 3, of which the last comes first."""
    if request.method == "POST":
        request.send(202, job(sha256))
    elif request.path.endswith("/events"):
        request.begin(200, **EVENTS)
        for sequence, number in enumerate((3, 1, 2), 1):
            request.write(sse("page", {"number": number}, sequence))
        request.write(sse("end", job(sha256, status="succeeded")))
    elif "/pages/" in request.path:
        request.send(200, page(int(request.path.rpartition("/")[2])))
    else:
        request.send(204)


def reading(answer: Callable[[Request], None], sample: Path, *, wait: float = 0.0) -> list[str]:
    with ScriptedService(answer) as service:
        return [each.markdown for each in ServiceReader(service.url, wait=wait).read(sample)]


def test_pages_are_read_in_order_whatever_the_order_of_their_end(
    sample_pdf: Path, sha256: str
) -> None:
    texts = reading(lambda request: well_behaved(request, sha256), sample_pdf)
    assert texts == ["Page 1", "Page 2", "Page 3"]


def instead(path: str, reply: Callable[[Request], None]) -> Callable[[Request, str], None]:
    """A well-behaved service, but for the requests whose method and path hold some text."""

    def answer(request: Request, sha256: str) -> None:
        if path in f"{request.method} {request.path}":
            reply(request)
        else:
            well_behaved(request, sha256)

    return answer


def events(*sent: bytes) -> Callable[[Request], None]:
    def answer(request: Request) -> None:
        request.begin(200, **EVENTS)
        for each in sent:
            request.write(each)

    return answer


def sends(status: int, body: object = b"", **headers: str) -> Callable[[Request], None]:
    return lambda request: request.send(status, body, **headers)


DEEP = b'{"id":' + b"[" * 100_000 + b"]" * 100_000 + b"}"

WRONG = {
    "a job of another document": instead("POST", sends(202, job("0" * 64))),
    "an id that leads elsewhere": instead("POST", sends(202, job("0", id="../../v1/uploads"))),
    "an id with a line break": instead("POST", sends(202, job("0", id="a\r\nX: y"))),
    "an id that is a number": instead("POST", sends(202, job("0", id=7))),
    "a state that there is not": instead("POST", sends(202, job("0", status="done"))),
    "a list in place of a job": instead("POST", sends(202, [1])),
    "no JSON": instead("POST", sends(202, b"<html>")),
    "no answer": instead("POST", sends(202)),
    "JSON without a bottom": instead("POST", sends(202, DEEP)),
    "a redirect": instead("POST", sends(307, location="http://169.254.169.254/latest")),
    "a compressed answer": instead(
        "POST", sends(202, gzip.compress(b"{}"), content_encoding="gzip")
    ),
    "an answer without end": instead("POST", sends(202, b'"' + b"x" * 5 * 2**20)),
    "a page that was not asked for": instead("events", events(sse("page", {"number": 9}, 1))),
    "a page twice": instead(
        "events", events(sse("page", {"number": 3}, 1), sse("page", {"number": 3}, 2))
    ),
    "an event that is not JSON": instead("events", events(b"event: page\ndata: {\n\n")),
    "an event without an id": instead("events", events(sse("page", {"number": 1}))),
    "a page whose number is a text": instead("events", events(sse("page", {"number": "1"}, 1))),
    "an end without pages": instead("events", events(sse("end", job("0", status="succeeded")))),
    "a web page in place of events": instead("events", sends(200, b"<html>")),
    "another page": instead("/pages/1", lambda request: request.send(200, page(2))),
    "a page with a box outside": instead(
        "/pages/1",
        lambda request: request.send(
            200,
            page(1) | {"blocks": [{"kind": "", "text": "", "span": [0, 0], "boxes": [[9] * 4]}]},
        ),
    ),
    "an error that it invents": instead(
        "/pages/1", sends(418, {"error": "SystemExit", "detail": "tea"})
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_breaks_the_protocol_ends_the_reading(
    name: str, sample_pdf: Path, sha256: str
) -> None:
    with pytest.raises(BackendReplyError):
        reading(lambda request: WRONG[name](request, sha256), sample_pdf)


def test_a_redirect_is_not_followed_even_to_the_service_itself(
    sample_pdf: Path, sha256: str
) -> None:
    with ScriptedService(
        lambda request: instead("POST", sends(307, location="/v1/other"))(request, sha256)
    ) as service:
        with pytest.raises(BackendReplyError, match="redirects"):
            ServiceReader(service.url, key="a-long-enough-key").read(sample_pdf)
        assert service.asked == ["POST /v1/jobs"]


def test_the_key_and_the_document_go_to_the_services_own_address_only(
    sample_pdf: Path, sha256: str
) -> None:
    """Whatever its links say."""
    links = {"events": "http://127.0.0.1:9/a", "self": "//127.0.0.1:9/b"}

    def answer(request: Request) -> None:
        if request.method == "POST":
            request.send(202, job(sha256, links=links), location="http://127.0.0.1:9/c")
        else:
            well_behaved(request, sha256)

    with ScriptedService(answer) as service:
        ServiceReader(service.url, key="a-long-enough-key").read(sample_pdf)
        assert {each.headers["authorization"] for each in service.requests} == {
            "Bearer a-long-enough-key"
        }
        assert service.asked[1] == "GET /v1/jobs/Jd0-_x/events"


@pytest.mark.parametrize("status", [401, 403, 404, 409, 410, 413, 415, 422, 500, 501])
def test_a_refusal_is_told_and_not_tried_again(status: int, sample_pdf: Path, sha256: str) -> None:
    with ScriptedService(lambda request: request.send(status, {"detail": "no luck"})) as service:
        with pytest.raises(DeepSeekOCRError):
            ServiceReader(service.url, wait=20).read(sample_pdf)
        assert len(service.asked) == 1


def test_an_error_of_the_service_is_raised_as_its_own_class(sample_pdf: Path, sha256: str) -> None:
    problem = {"error": "JobNotFoundError", "detail": "there is no such job", "remedy": "Look."}
    with pytest.raises(JobNotFoundError, match=r"sample\.pdf: there is no such job\. Look\."):
        reading(lambda r: instead("events", sends(404, problem))(r, sha256), sample_pdf)


def test_an_error_within_the_events_is_raised_as_its_own_class(
    sample_pdf: Path, sha256: str
) -> None:
    problem = {"error": "JobNotFoundError", "detail": "it was removed"}
    broken = instead("events", events(sse("problem", problem)))
    with pytest.raises(JobNotFoundError, match="it was removed"):
        reading(lambda request: broken(request, sha256), sample_pdf)


def test_a_job_that_failed_raises_its_error_after_the_pages_before(
    sample_pdf: Path, sha256: str
) -> None:
    error = {"type": "BackendUnavailableError", "message": "no GPU", "remedy": "", "page": None}
    broken = instead(
        "events",
        events(
            sse("page", {"number": 1}, 1), sse("end", job(sha256, status="failed", error=error))
        ),
    )
    seen = []
    with ScriptedService(lambda request: broken(request, sha256)) as service:
        with pytest.raises(BackendUnavailableError, match="no GPU"):
            seen.extend(ServiceReader(service.url).iter_pages(sample_pdf))
        # It may be looked at there.
        assert not any(each.startswith("DELETE") for each in service.asked)


def test_a_job_that_somebody_else_cancelled_ends_the_reading(sample_pdf: Path, sha256: str) -> None:
    ended = instead("events", events(sse("end", job(sha256, status="cancelled"))))
    with pytest.raises(ReadCancelledError, match="cancelled at the service"):
        reading(lambda request: ended(request, sha256), sample_pdf)


# --- a service that is busy, or away ------------------------------------------------------


def test_a_full_queue_is_waited_for_as_long_as_was_said(sample_pdf: Path, sha256: str) -> None:
    refusals = iter([True, True, False])

    def answer(request: Request) -> None:
        if request.method == "POST" and next(refusals):
            full = {"error": "QueueFullError", "detail": "too many jobs wait"}
            request.send(429, full, retry_after="1")
        else:
            well_behaved(request, sha256)

    begin = time.monotonic()
    assert len(reading(answer, sample_pdf, wait=30)) == 3
    assert time.monotonic() - begin >= 2


def test_a_queue_that_stays_full_is_told_as_such(sample_pdf: Path) -> None:
    full = {"error": "QueueFullError", "detail": "too many jobs wait", "remedy": "Try later."}
    with pytest.raises(QueueFullError, match=r"too many jobs wait\. Try later\."):
        reading(sends(429, full), sample_pdf, wait=0.5)


@pytest.mark.parametrize("after", ["1e9", "-5", "soon", "inf", "nan"])
def test_a_service_cannot_make_us_wait_for_longer_than_we_want(
    after: str, sample_pdf: Path
) -> None:
    begin = time.monotonic()
    with pytest.raises(DeepSeekOCRError):
        reading(sends(503, {}, retry_after=after), sample_pdf, wait=0.5)
    assert time.monotonic() - begin < LONG


def test_events_that_break_off_go_on_after_the_last_one(sample_pdf: Path, sha256: str) -> None:
    def answer(request: Request) -> None:
        if not request.path.endswith("/events"):
            well_behaved(request, sha256)
            return
        last = int(request.headers.get("last-event-id", 0))
        request.begin(200, **EVENTS)
        if last < 3:
            request.write(sse("page", {"number": last + 1}, last + 1))
            request.write(b"id: 9\nevent: pa")
        else:
            request.write(sse("end", job(sha256, status="succeeded")))

    assert reading(answer, sample_pdf, wait=20) == ["Page 1", "Page 2", "Page 3"]


def test_a_service_that_hangs_up_again_and_again_is_not_followed_forever(
    sample_pdf: Path, sha256: str
) -> None:
    with pytest.raises(BackendReplyError, match="again and again") as ended:
        reading(lambda r: instead("events", events())(r, sha256), sample_pdf, wait=0.5)
    assert "goes on where it is" in str(ended.value)


def test_nobody_listening_is_told_with_the_cure(sample_pdf: Path) -> None:
    with pytest.raises(BackendUnavailableError, match=r"127\.0\.0\.1:9 .*dsocr serve"):
        ServiceReader("http://127.0.0.1:9", wait=0).read(sample_pdf)


def test_a_silent_service_is_given_up(monkeypatch: pytest.MonkeyPatch, sample_pdf: Path) -> None:
    silent = threading.Event()
    monkeypatch.setattr(service_stream, "SILENCE_SECONDS", 0.3)

    def answer(request: Request) -> None:
        silent.wait(LONG)

    try:
        with pytest.raises(BackendUnavailableError, match="no response"):
            reading(answer, sample_pdf, wait=0.5)
    finally:
        silent.set()


# --- leaving early -----------------------------------------------------------------------


def held(release: threading.Event, sha256: str) -> Callable[[Request], None]:
    """Gives the first page and then only signs of life."""

    def answer(request: Request) -> None:
        if not request.path.endswith("/events"):
            well_behaved(request, sha256)
            return
        request.begin(200, **EVENTS)
        request.write(sse("page", {"number": 1}, 1))
        while not release.wait(0.05):
            request.write(b": still here\n\n")

    return answer


def test_a_stream_that_is_closed_early_removes_its_job(sample_pdf: Path, sha256: str) -> None:
    release = threading.Event()
    with ScriptedService(held(release, sha256)) as service:
        with ServiceReader(service.url).open(sample_pdf) as stream:
            assert next(stream).number == 1
        assert service.asked[-1] == "DELETE /v1/jobs/Jd0-_x?remove=true"
        release.set()


def test_closing_in_another_thread_ends_the_wait_at_once(sample_pdf: Path, sha256: str) -> None:
    release = threading.Event()
    with ScriptedService(held(release, sha256)) as service:
        stream = ServiceReader(service.url).open(sample_pdf)
        next(stream)
        closing = threading.Timer(0.3, stream.close)
        closing.start()
        begin = time.monotonic()
        with pytest.raises(ReadCancelledError):
            next(stream)
        assert time.monotonic() - begin < LONG
        closing.join()
        assert service.asked[-1].startswith("DELETE")
        release.set()


def test_a_job_is_kept_while_another_stream_of_the_reader_follows_it(
    sample_pdf: Path, sha256: str
) -> None:
    release = threading.Event()
    with ScriptedService(held(release, sha256)) as service:
        reader = ServiceReader(service.url)
        first, second = reader.open(sample_pdf), reader.open(sample_pdf)
        next(first)
        next(second)
        first.close()
        assert not any(each.startswith("DELETE") for each in service.asked)
        second.close()
        assert service.asked[-1].startswith("DELETE")
        release.set()


def test_a_stream_from_which_nobody_asked_a_page_sends_nothing(
    sample_pdf: Path, sha256: str
) -> None:
    with ScriptedService(lambda request: well_behaved(request, sha256)) as service:
        with ServiceReader(service.url).open(sample_pdf) as stream:
            assert stream.page_numbers == (1, 2, 3)
        assert service.asked == []
