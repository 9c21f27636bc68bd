from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from running_service import finished, send, serving

from deepseek_ocr_rag.service.api.access.api_keys import ApiKeys
from deepseek_ocr_rag.service.api.api_settings import ApiSettings
from deepseek_ocr_rag.service.api.operations import tracing
from deepseek_ocr_rag.service.api.operations.json_log import JsonLines, json_log
from deepseek_ocr_rag.service.queue import JobQueue

ANNA = "anna-0123456789abcdef"
BEN = "ben-0123456789abcdefg"


def sampled(http: httpx.Client) -> dict[tuple[str, ...], float]:
    """Every sample of the metrics by its name and the values of its labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(http.get("/metrics").text)
        for sample in family.samples
    }


def test_the_process_lives_and_is_ready(http: httpx.Client, read_job: str) -> None:
    assert http.get("/livez").json() == {"status": "alive"}
    assert http.get("/readyz").json() == {"status": "ready"}


def test_pages_and_requests_are_counted(http: httpx.Client, sample: Path) -> None:
    before = sampled(http)
    finished(http, send(http, sample)["id"])
    after = sampled(http)
    sent = ("dsocr_http_requests_total", "POST", "/v1/jobs", "202")
    assert after[sent] == before.get(sent, 0) + 1
    succeeded = ("dsocr_jobs", "succeeded")
    assert after[succeeded] == before[succeeded] + 1
    assert after["dsocr_pages_total",] >= 1
    assert after["dsocr_ready",] == 1.0


def test_metrics_have_routes_and_not_what_anyone_typed(http: httpx.Client) -> None:
    for path in ("/v1/jobs/secret-id", "/evil/path", "/v1/jobs/a/pages/7"):
        http.get(path)
    http.request("EVIL", "/v1/jobs")
    text = http.get("/metrics").text
    assert 'route="/v1/jobs/{job_id}"' in text
    assert not [word for word in ("secret", "evil", "EVIL") if word in text]


# --- keys --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def keyed(queue: JobQueue) -> Iterator[httpx.Client]:
    keys = ApiKeys.parse([f"anna:{ANNA}", f"ben:{BEN}"], source="here")
    with serving(queue, ApiSettings(keys=keys)) as client:
        yield client


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_what_belongs_to_another_key_was_never_there(keyed: httpx.Client, sample: Path) -> None:
    files = {"file": ("a.pdf", sample.read_bytes())}
    job = keyed.post("/v1/jobs", files=files, headers=bearer(ANNA)).json()
    finished_job = keyed.get(f"/v1/jobs/{job['id']}?wait=50", headers=bearer(ANNA)).json()
    assert finished_job["status"] == "succeeded"
    for path in ("", "/events", "/pages", "/pages/1", "/pages/1.png", "/result"):
        reply = keyed.get(f"/v1/jobs/{job['id']}{path}", headers=bearer(BEN))
        assert (reply.status_code, reply.json()["error"]) == (404, "JobNotFoundError")
    assert keyed.delete(f"/v1/jobs/{job['id']}?remove=true", headers=bearer(BEN)).status_code == 404
    for path in ("/v1/ask", "/v1/search"):
        body = {"question": "Who?", "query": "Who?", "jobs": [job["id"]]}
        assert keyed.post(path, json=body, headers=bearer(BEN)).status_code == 404
    listed = keyed.get("/v1/jobs", headers=bearer(BEN)).json()["jobs"]
    assert job["id"] not in [each["id"] for each in listed]
    assert keyed.get(f"/v1/jobs/{job['id']}", headers=bearer(ANNA)).status_code == 200


def test_an_upload_of_another_key_cannot_be_used(keyed: httpx.Client, sample: Path) -> None:
    upload = keyed.post("/v1/uploads", json={"name": "a.pdf"}, headers=bearer(ANNA)).json()
    stolen = keyed.put(upload["content"], content=b"%PDF", headers=bearer(BEN))
    keyed.put(upload["content"], content=sample.read_bytes(), headers=bearer(ANNA))
    taken = keyed.post("/v1/jobs", json={"upload_id": upload["id"]}, headers=bearer(BEN))
    assert (stolen.status_code, taken.status_code) == (404, 404)


@pytest.mark.parametrize("path", ["/v1/jobs", "/metrics", "/docs", "/openapi.json", "/nowhere"])
def test_without_a_key_nothing_is_shown(keyed: httpx.Client, path: str) -> None:
    assert keyed.get(path).status_code == 401


def test_one_idempotency_key_of_two_users_is_two_jobs(keyed: httpx.Client, sample: Path) -> None:
    ids = {
        keyed.post(
            "/v1/jobs",
            files={"file": ("a.pdf", sample.read_bytes())},
            headers={**bearer(key), "Idempotency-Key": "same"},
        ).json()["id"]
        for key in (ANNA, BEN)
    }
    assert len(ids) == 2


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.org"])
def test_another_address_needs_keys(host: str) -> None:
    from deepseek_ocr_rag.errors import ConfigurationError

    with pytest.raises(ConfigurationError, match="DSOCR_API_KEYS"):
        ApiSettings(host=host)
    assert not ApiSettings(host=host, keys=ApiKeys.parse([f"a:{ANNA}"], source="here")).is_local


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost"])
def test_this_machine_needs_none(host: str) -> None:
    assert ApiSettings(host=host).is_local


# --- logs and traces ---------------------------------------------------------------------


def test_a_request_is_one_line_without_what_anyone_wrote(
    http: httpx.Client, read_job: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "deepseek_ocr_rag"):
        body = {"question": "Who keeps the lamp?", "jobs": [read_job]}
        reply = http.post("/v1/ask", json=body, headers={"Accept": "application/json"})
        for _ in range(100):  # the line is written after the reply has ended
            found = [each for each in caplog.records if each.getMessage() == "request"]
            if found:
                break
            time.sleep(0.05)
    (record,) = found
    line = JsonLines().format(record)
    told = json.loads(line)
    assert "\n" not in line
    assert (told["method"], told["route"], told["status"]) == ("POST", "/v1/ask", 200)
    assert (told["owner"], told["request"]) == ("local", reply.headers["x-request-id"])
    assert not [word for word in ("lamp", "Anna", read_job) if word in line]


def test_an_exception_is_logged_by_its_class_alone() -> None:
    try:
        raise ValueError("the text of a document")
    except ValueError:
        import sys

        record = logging.LogRecord("x", logging.ERROR, "", 1, "failed", None, sys.exc_info())
    line = JsonLines().format(record)
    assert json.loads(line)["error"] == "ValueError"
    assert "document" not in line


def test_the_log_goes_to_standard_error_and_is_put_back(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logger = logging.getLogger("deepseek_ocr_rag.anything")
    before = logging.getLogger("deepseek_ocr_rag").handlers[:]
    with json_log():
        logger.info("hello", extra={"job": "j", "text": "of a document"})
    assert json.loads(capsys.readouterr().err) | {"time": ""} == {
        "time": "",
        "level": "info",
        "logger": "deepseek_ocr_rag.anything",
        "message": "hello",
        "job": "j",
    }
    assert logging.getLogger("deepseek_ocr_rag").handlers == before


def test_without_opentelemetry_requests_are_answered_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tracing, "packages", lambda: None)
    with tracing.request_span("GET", {}) as set_attribute:
        set_attribute("http.route", "/livez")


def test_a_span_is_a_child_of_the_one_that_the_client_named() -> None:
    sdk = pytest.importorskip("opentelemetry.sdk.trace", reason="needs opentelemetry-sdk")
    export = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    simple = pytest.importorskip("opentelemetry.sdk.trace.export")
    spans = export.InMemorySpanExporter()
    provider = sdk.TracerProvider()
    provider.add_span_processor(simple.SimpleSpanProcessor(spans))
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    with tracing.request_span(
        "GET", {"traceparent": f"00-{trace_id}-b7ad6b7169203331-01"}, provider
    ) as set_attribute:
        set_attribute("http.route", "/livez")
    (span,) = spans.get_finished_spans()
    assert format(span.context.trace_id, "032x") == trace_id
    assert span.attributes == {"http.request.method": "GET", "http.route": "/livez"}
