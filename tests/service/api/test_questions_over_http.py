from __future__ import annotations

import httpx
import pytest
from running_service import events

QUESTION = "Who keeps the lamp?"
JSON = {"Accept": "application/json"}


def test_an_answer_cites_pages_and_boxes(http: httpx.Client, read_job: str) -> None:
    reply = http.post("/v1/ask", json={"question": QUESTION, "jobs": [read_job]}, headers=JSON)
    answer = reply.json()
    assert (reply.status_code, answer["found"], answer["llm"]) == (200, True, None)
    cited = answer["citations"][0]
    assert (cited["job"], cited["page"], cited["number"]) == (read_job, 2, 1)
    assert "Anna Berg keeps the lamp." in cited["quote"]
    assert cited["boxes"][0] == pytest.approx([0.1, 0.1, 0.9, 0.2], abs=0.01)
    assert http.get(cited["picture"]).headers["content-type"] == "image/png"
    assert answer["sentences"][0]["status"] == "supported"


def test_an_answer_comes_as_text_then_sentences_then_citations(
    http: httpx.Client, read_job: str
) -> None:
    body = {"question": QUESTION, "jobs": [read_job]}
    with http.stream("POST", "/v1/ask", json=body) as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        found = [(kind, data) for kind, _, data in events(reply.iter_lines())]
    kinds = [kind for kind, _ in found]
    assert kinds == sorted(kinds, key=["text", "sentence", "citation", "answer"].index)
    assert set(kinds) == {"text", "sentence", "citation", "answer"}
    text = "".join(data["text"] for kind, data in found if kind == "text")
    assert text.strip() == found[-1][1]["answer"].strip()
    whole = http.post("/v1/ask", json=body, headers=JSON).json()
    assert found[-1][1] == whole


def test_a_search_finds_the_passage(http: httpx.Client, read_job: str) -> None:
    reply = http.post("/v1/search", json={"query": "litres of oil", "jobs": [read_job], "limit": 1})
    (passage,) = reply.json()["passages"]
    assert (passage["job"], passage["page"]) == (read_job, 3)
    assert "40 litres" in passage["text"]
    assert passage["boxes"]


def test_a_search_for_what_nobody_wrote_finds_nothing(http: httpx.Client, read_job: str) -> None:
    reply = http.post("/v1/search", json={"query": "xylophone", "jobs": [read_job]})
    assert reply.json() == {"passages": []}


def test_two_documents_of_one_name_are_told_apart(
    http: httpx.Client, read_job: str, sample: object
) -> None:
    from pathlib import Path

    from running_service import finished, send

    assert isinstance(sample, Path)
    other = finished(http, send(http, sample)["id"])["id"]
    reply = http.post("/v1/search", json={"query": "lamp", "jobs": [read_job, other], "limit": 9})
    assert {passage["job"] for passage in reply.json()["passages"]} == {read_job, other}


@pytest.mark.parametrize(
    "body",
    [
        {"question": "", "jobs": ["x"]},
        {"question": "Who?", "jobs": []},
        {"question": "Who?", "jobs": ["x"] * 51},
        {"question": "Who?"},
        {"question": "W" * 4001, "jobs": ["x"]},
        {"question": 3, "jobs": ["x"]},
        [],
        "Who?",
    ],
)
def test_a_question_that_is_malformed_is_refused(http: httpx.Client, body: object) -> None:
    reply = http.post("/v1/ask", json=body)
    assert (reply.status_code, reply.headers["content-type"]) == (422, "application/problem+json")


def test_a_document_that_never_was_cannot_be_asked(http: httpx.Client) -> None:
    assert http.post("/v1/ask", json={"question": "Who?", "jobs": ["x"]}).status_code == 404


def test_a_model_or_an_address_in_a_question_is_not_heeded(
    http: httpx.Client, read_job: str
) -> None:
    body = {
        "question": QUESTION,
        "jobs": [read_job],
        "llm": "openai:http://169.254.169.254",
        "host": "http://evil.example",
    }
    reply = http.post("/v1/ask", json=body, headers=JSON)
    assert reply.status_code in (200, 422)
    assert reply.json().get("llm") is None
