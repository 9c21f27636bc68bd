from __future__ import annotations

import re

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from deepseek_ocr_rag.service.api.app import create_app
from deepseek_ocr_rag.service.queue import JobQueue

EXAMPLES = 10
"""Requests for each route: about half a minute of CPU time."""

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)


def test_the_page_loads_and_runs_nothing(http: httpx.Client) -> None:
    reply = http.get("/docs")
    assert reply.status_code == 200
    assert "<script" not in reply.text
    assert re.findall(r"(?:src|href)=[\"']?(?!/)[^ >]+|https?://", reply.text) == []
    assert "POST /v1/jobs" in reply.text


def test_the_description_names_every_route_and_no_other_machine(http: httpx.Client) -> None:
    reply = http.get("/openapi.json")
    assert "://" not in reply.text
    paths = reply.json()["paths"]
    assert {
        *("/v1/uploads", "/v1/uploads/{upload_id}/content", "/v1/jobs", "/v1/jobs/{job_id}"),
        *("/v1/jobs/{job_id}/events", "/v1/jobs/{job_id}/pages", "/v1/jobs/{job_id}/result"),
        *("/v1/jobs/{job_id}/pages/{number}", "/v1/jobs/{job_id}/pages/{number}.png"),
        *("/v1/ask", "/v1/search", "/livez", "/readyz", "/metrics"),
    } <= set(paths)


def test_every_route_says_how_it_refuses(http: httpx.Client) -> None:
    for path, item in http.get("/openapi.json").json()["paths"].items():
        for method, operation in item.items():
            assert {"401", "403", "421", "429", "503"} <= set(operation["responses"]), (
                path,
                method,
            )
            assert operation["description"]


def operations(queue: JobQueue) -> list[object]:
    app = create_app(queue)
    schema = schemathesis.openapi.from_dict(app.openapi())
    return [operation.ok() for operation in schema.get_all_operations()]


class Sent:
    """Sends what schemathesis makes up, and checks every reply against the description."""

    def __init__(self, url: str, job: str) -> None:
        self.statuses: dict[str, set[int]] = {}
        self._url = url
        self._job = job

    def check(self, operation: object) -> None:
        label = f"{operation.method.upper()} {operation.path}"  # type: ignore[attr-defined]

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy(), st.booleans())  # type: ignore[attr-defined]
        def send(case: schemathesis.Case, known: bool) -> None:
            if known and "job_id" in (case.path_parameters or {}) and case.method != "DELETE":
                case.path_parameters["job_id"] = self._job
            reply = case.call(base_url=self._url, timeout=20)
            self.statuses.setdefault(label, set()).add(reply.status_code)
            case.validate_response(reply, checks=list(CHECKS))

        send()


@pytest.mark.filterwarnings("ignore")  # of schemathesis and what it uses
def test_anything_may_be_sent_and_every_reply_is_as_declared(
    http: httpx.Client, queue: JobQueue, read_job: str
) -> None:
    sent = Sent(str(http.base_url), read_job)
    for operation in operations(queue):
        sent.check(operation)
    assert len(sent.statuses) >= 15
    assert {200, 404} <= sent.statuses["GET /v1/jobs/{job_id}"]
    assert 202 in sent.statuses["POST /v1/jobs"]
