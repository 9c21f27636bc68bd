from __future__ import annotations

import hashlib
from pathlib import Path

import httpx
import pytest
from running_service import finished, send

PROBLEM = "application/problem+json"


def is_problem(reply: httpx.Response, status: int, error: str | None = None) -> bool:
    problem = reply.json()
    assert (reply.status_code, problem["status"]) == (status, status), reply.text
    assert reply.headers["content-type"] == PROBLEM
    assert problem["detail"]
    assert problem.get("error") == error or error is None, problem
    return True


# --- sending -----------------------------------------------------------------------------


def test_a_job_is_accepted_with_its_place_and_a_time_to_look(
    http: httpx.Client, sample: Path
) -> None:
    reply = http.post("/v1/jobs", files={"file": ("a.pdf", sample.read_bytes(), "application/pdf")})
    job = reply.json()
    assert reply.status_code == 202, reply.text
    assert reply.headers["location"] == job["links"]["self"] == f"/v1/jobs/{job['id']}"
    assert int(reply.headers["retry-after"]) >= 1
    assert (job["name"], job["media_type"]) == ("a.pdf", "application/pdf")
    assert job["sha256"] == hashlib.sha256(sample.read_bytes()).hexdigest()


def test_a_job_ends_with_all_its_pages(http: httpx.Client, sample: Path) -> None:
    job = finished(http, send(http, sample)["id"])
    assert (job["status"], job["pages_done"], job["pages_failed"]) == ("succeeded", 3, 0)
    assert (job["pages_total"], job["document_pages"], job["error"]) == (3, 3, None)
    assert job["created"] <= job["started"] <= job["ended"] < job["expires"]


def test_options_stand_beside_the_file_before_or_after_it(http: httpx.Client, sample: Path) -> None:
    body = b"".join(
        (
            b'--x\r\nContent-Disposition: form-data; name="pages"\r\n\r\n2\r\n',
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="b.pdf"\r\n\r\n',
            sample.read_bytes(),
            b'\r\n--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nLetter\r\n--x--\r\n',
        )
    )
    reply = http.post(
        "/v1/jobs", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    job = finished(http, reply.json()["id"])
    assert (job["name"], job["pages_total"], job["options"]["pages"]) == ("Letter", 1, "2")


def test_a_file_may_be_sent_first_and_read_later(http: httpx.Client, sample: Path) -> None:
    announced = http.post("/v1/uploads", json={"name": "c.pdf", "media_type": "application/pdf"})
    assert announced.status_code == 201
    upload = announced.json()
    assert announced.headers["location"] == upload["content"]
    sent = http.put(upload["content"], content=sample.read_bytes())
    assert (sent.status_code, sent.json()["bytes"]) == (200, sample.stat().st_size)
    reply = http.post("/v1/jobs", json={"upload_id": upload["id"], "pages": "1"})
    assert reply.status_code == 202, reply.text
    assert finished(http, reply.json()["id"])["pages_done"] == 1


def test_an_upload_is_written_once(http: httpx.Client, sample: Path) -> None:
    upload = http.post("/v1/uploads", json={"name": "c.pdf"}).json()
    http.put(upload["content"], content=b"%PDF")
    assert is_problem(http.put(upload["content"], content=b"%PDF"), 409, "UploadError")


def test_an_upload_without_content_makes_no_job(http: httpx.Client) -> None:
    upload = http.post("/v1/uploads", json={"name": "c.pdf"}).json()
    assert is_problem(http.post("/v1/jobs", json={"upload_id": upload["id"]}), 409, "UploadError")


def test_the_same_key_and_body_give_the_same_job(http: httpx.Client, sample: Path) -> None:
    def once(**fields: str) -> httpx.Response:
        return http.post(
            "/v1/jobs",
            files={"file": ("a.pdf", sample.read_bytes())},
            data=fields,
            headers={"Idempotency-Key": "k-1"},
        )

    first, second = once(pages="1"), once(pages="1")
    assert first.json()["id"] == second.json()["id"]
    assert second.status_code == 202
    assert is_problem(once(pages="2"), 409, "IdempotencyError")


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "\x7f"])
def test_a_malformed_idempotency_key_is_refused(http: httpx.Client, sample: Path, key: str) -> None:
    reply = http.post(
        "/v1/jobs", files={"file": ("a", b"x")}, headers={b"Idempotency-Key": key.encode()}
    )
    assert is_problem(reply, 422)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"pages": "3-1"}, "PageRangeError"),
        ({"pages": "zero"}, "PageRangeError"),
        ({"task": "dance"}, "ConfigurationError"),
        ({"resolution": "huge"}, "ConfigurationError"),
        ({"page": "1"}, "ConfigurationError"),
        ({"upload_id": "x"}, "ConfigurationError"),
        ({"name": ""}, "ConfigurationError"),
        ({"pages": "1," * 2000}, "ConfigurationError"),
    ],
)
def test_an_option_that_is_wrong_is_told_at_once(
    http: httpx.Client, sample: Path, fields: dict[str, str], error: str
) -> None:
    reply = http.post("/v1/jobs", files={"file": ("a.pdf", sample.read_bytes())}, data=fields)
    assert is_problem(reply, 422, error)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "multipart/form-data", 415),
        (b"", "multipart/form-data; boundary=x", 400),
        (b"--y\r\n", "multipart/form-data; boundary=x", 400),
        (
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc',
            "multipart/form-data; boundary=x",
            400,
        ),
        (b"--x\r\nA: b\r\n\r\nabc\r\n--x--\r\n", "multipart/form-data; boundary=x", 422),
        (
            b'--x\r\nContent-Disposition: form-data; name="pages"\r\n\r\n1\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
            422,
        ),
        (b"{}", "application/json", 422),
        (b"[]", "application/json", 422),
        (b'{"upload_id": 3}', "application/json", 422),
        (b"{", "application/json", 422),
        (b"\xff", "application/json", 422),
        (b"[" * 100_000, "application/json", 422),
        (b"[" * 2_000_000, "application/json", 413),
        (b"{}", "", 415),
        (b"file=/etc/passwd", "application/x-www-form-urlencoded", 415),
    ],
)
def test_a_malformed_body_is_a_problem(
    http: httpx.Client, body: bytes, kind: str, status: int
) -> None:
    assert is_problem(http.post("/v1/jobs", content=body, headers={"Content-Type": kind}), status)


def test_a_second_file_is_refused(http: httpx.Client) -> None:
    files = [("file", ("a", b"x")), ("file", ("b", b"y"))]
    assert is_problem(http.post("/v1/jobs", files=files), 422)


def test_nobody_is_called_back_unless_that_is_allowed(http: httpx.Client, sample: Path) -> None:
    reply = http.post(
        "/v1/jobs",
        files={"file": ("a.pdf", sample.read_bytes())},
        data={"callback_url": "https://example.org/"},
    )
    assert is_problem(reply, 403, "SourceNotAllowedError")


# --- looking -----------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "/events", "/pages", "/pages/1", "/pages/1.png", "/result"])
def test_a_job_that_never_existed_is_not_found(http: httpx.Client, path: str) -> None:
    assert is_problem(http.get(f"/v1/jobs/never{path}"), 404, "JobNotFoundError")


def test_jobs_are_listed_newest_first_in_parts(http: httpx.Client, sample: Path) -> None:
    sent = [send(http, sample, pages="1")["id"] for _ in range(3)]
    first = http.get("/v1/jobs", params={"limit": 2}).json()
    assert [job["id"] for job in first["jobs"]] == [sent[2], sent[1]]
    second = http.get("/v1/jobs", params={"limit": 2, "after": first["next_cursor"]}).json()
    assert second["jobs"][0]["id"] == sent[0]


def test_jobs_are_listed_by_state(http: httpx.Client, read_job: str) -> None:
    def ids(*states: str) -> list[str]:
        found = http.get("/v1/jobs", params={"status": states, "limit": 500}).json()["jobs"]
        assert {job["status"] for job in found} <= set(states)
        return [job["id"] for job in found]

    assert read_job in ids("succeeded")
    assert read_job in ids("failed", "succeeded")
    assert read_job not in ids("failed")


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "status=done", "after=%00", "limit=x"])
def test_a_wrong_filter_is_refused(http: httpx.Client, query: str) -> None:
    assert is_problem(http.get(f"/v1/jobs?{query}"), 422)


@pytest.mark.parametrize("wait", ["-1", "x", "601", "nan"])
def test_a_wrong_wait_is_refused(http: httpx.Client, read_job: str, wait: str) -> None:
    assert is_problem(http.get(f"/v1/jobs/{read_job}?wait={wait}"), 422)


# --- ending ------------------------------------------------------------------------------


def test_a_job_that_has_ended_cannot_be_cancelled(http: httpx.Client, read_job: str) -> None:
    assert is_problem(http.delete(f"/v1/jobs/{read_job}"), 409, "JobEndedError")


def test_a_removed_job_is_gone_and_not_unknown(http: httpx.Client, sample: Path) -> None:
    job = finished(http, send(http, sample, pages="1")["id"])
    assert http.delete(f"/v1/jobs/{job['id']}", params={"remove": True}).status_code == 204
    for path in ("", "/events", "/pages", "/result"):
        assert is_problem(http.get(f"/v1/jobs/{job['id']}{path}"), 410, "JobExpiredError")


def test_a_document_that_cannot_be_read_is_a_failed_job(http: httpx.Client) -> None:
    reply = http.post("/v1/jobs", files={"file": ("a.pdf", b"%PDF-1.7 nothing follows")})
    job = finished(http, reply.json()["id"])
    assert (job["status"], job["error"]["type"]) == ("failed", "CorruptSourceError")
    assert job["error"]["remedy"]
    assert is_problem(http.get(job["links"]["result"]), 409, "CorruptSourceError")


def test_an_address_that_is_not_there_is_a_problem(http: httpx.Client) -> None:
    assert is_problem(http.get("/v2/jobs"), 404)
    assert is_problem(http.put("/v1/jobs"), 405)
