from __future__ import annotations

import io
import json
import zipfile

import httpx
import pytest
from running_service import finished, send

JSON = {"Accept": "application/json"}
OIL = 0
"""The block of page 3 that says how much oil the lamp burns."""


@pytest.fixture
def job(http: httpx.Client, sample: object) -> str:
    """A job of its own, to be corrected."""
    return str(finished(http, send(http, sample)["id"])["id"])  # type: ignore[arg-type]


def path(job: str, page: int = 3, block: int = OIL) -> str:
    return f"/v1/jobs/{job}/pages/{page}/blocks/{block}"


def correct(http: httpx.Client, job: str, text: str) -> httpx.Response:
    return http.put(path(job), json={"text": text})


def test_a_block_is_corrected_and_says_what_was_read(http: httpx.Client, job: str) -> None:
    reply = correct(http, job, "The lamp burns 41 litres of oil a month.")
    assert reply.status_code == 200
    block = reply.json()
    assert block["text"] == "The lamp burns 41 litres of oil a month."
    assert block["original"] == "The lamp burns 40 litres of oil a month."
    assert http.get(path(job)).json() == block
    page = http.get(f"/v1/jobs/{job}/pages/3").json()
    assert page["blocks"][OIL]["original"] == block["original"]
    assert "41 litres" in http.get(f"/v1/jobs/{job}/result").text


def test_search_and_ask_use_the_corrected_text_at_once(http: httpx.Client, job: str) -> None:
    question = {"question": "How many litres of oil does the lamp burn?", "jobs": [job]}
    before = http.post("/v1/ask", json=question, headers=JSON).json()
    assert "40 litres" in before["answer"]
    assert before["citations"][0]["blocks"][0]["corrected"] is False
    correct(http, job, "The lamp burns 41 litres of oil a month.")
    after = http.post("/v1/ask", json=question, headers=JSON).json()
    assert "41 litres" in after["answer"]
    assert "40 litres" not in after["answer"]
    assert after["citations"][0]["blocks"] == [
        {
            "block": OIL,
            "boxes": [[0.1001, 0.1001, 0.900901, 0.2002]],
            "corrected": True,
        }
    ]
    search = {"query": "litres of oil", "jobs": [job], "limit": 1}
    (passage,) = http.post("/v1/search", json=search).json()["passages"]
    assert "41 litres" in passage["text"]
    assert passage["corrected"] is True


def test_a_correction_is_taken_back_once(http: httpx.Client, job: str) -> None:
    correct(http, job, "x")
    reply = http.delete(path(job))
    assert (reply.status_code, reply.json()["original"]) == (200, None)
    assert "40 litres" in reply.json()["text"]
    assert http.delete(path(job)).status_code == 404


def test_the_list_has_each_correction(http: httpx.Client, job: str) -> None:
    correct(http, job, "x")
    (listed,) = http.get(f"/v1/jobs/{job}/corrections").json()["corrections"]
    assert (listed["page"], listed["block"], listed["text"]) == (3, OIL, "x")
    assert listed["link"] == path(job)


def test_examples_for_training_are_lines_or_a_zip(http: httpx.Client, job: str) -> None:
    correct(http, job, "The lamp burns 41 litres of oil a month.")
    lines = http.get(f"/v1/jobs/{job}/corrections", params={"format": "jsonl"})
    assert lines.headers["content-type"] == "application/jsonl"
    (example,) = map(json.loads, lines.text.splitlines())
    assert "41 litres" in example["messages"][1]["content"]
    packed = http.get(f"/v1/jobs/{job}/corrections", params={"format": "zip"})
    assert packed.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(packed.content)) as archive:
        assert archive.testzip() is None
        assert archive.read("train.jsonl").decode() == lines.text
        assert archive.read(example["images"][0]).startswith(b"\x89PNG")


def test_without_corrections_there_are_no_examples(http: httpx.Client, job: str) -> None:
    assert http.get(f"/v1/jobs/{job}/corrections", params={"format": "jsonl"}).text == ""


@pytest.mark.parametrize(
    "body", [{}, {"text": None}, {"text": 3}, {"text": "x" * 100_001}, [], "x"]
)
def test_a_malformed_correction_is_refused(http: httpx.Client, job: str, body: object) -> None:
    reply = http.put(path(job), json=body)
    assert (reply.status_code, reply.headers["content-type"]) == (422, "application/problem+json")


@pytest.mark.parametrize(("page", "block"), [(9, 0), (3, 9), (0, 0), (3, -1)])
def test_what_is_not_there_is_not_corrected(
    http: httpx.Client, job: str, page: int, block: int
) -> None:
    assert http.put(path(job, page, block), json={"text": "x"}).status_code in (404, 422)
    assert http.get(f"/v1/jobs/{job}/corrections").json() == {"corrections": []}


def test_words_of_a_quote_have_finer_boxes_than_its_block(http: httpx.Client, job: str) -> None:
    words = {"start": 4, "end": 8}
    found = http.get(f"/v1/jobs/{job}/pages/3/words", params=words).json()
    assert found["precision"] in ("words", "lines", "blocks")
    assert found["boxes"]
    assert http.get(f"/v1/jobs/{job}/pages/9/words", params=words).status_code == 404
