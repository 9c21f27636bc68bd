from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import httpx
import pytest
from PIL import Image
from running_service import events, finished, send

from deepseek_ocr_rag import OcrDocument, Page


def test_a_page_has_its_number_its_text_and_its_boxes(http: httpx.Client, read_job: str) -> None:
    reply = http.get(f"/v1/jobs/{read_job}/pages/2")
    page = Page.from_dict(reply.json())
    assert (page.number, page.ok) == (2, True)
    assert "Anna Berg keeps the lamp." in page.markdown
    assert page.blocks[0].boxes


def test_pages_are_listed_in_parts(http: httpx.Client, read_job: str) -> None:
    path = f"/v1/jobs/{read_job}/pages"
    first = http.get(path, params={"limit": 2}).json()
    rest = http.get(path, params={"after": first["next_after"]}).json()
    found = [*first["pages"], *rest["pages"]]
    assert sorted(page["number"] for page in found) == [1, 2, 3]
    assert [page["sequence"] for page in found] == [1, 2, 3]
    assert rest["next_after"] is None
    assert http.get(found[0]["page"]).json()["number"] == found[0]["number"]


@pytest.mark.parametrize("number", ["4", "1000000"])
def test_a_page_that_the_document_lacks_is_not_found(
    http: httpx.Client, read_job: str, number: str
) -> None:
    for ending in ("", ".png", ".png?boxes=true"):
        assert http.get(f"/v1/jobs/{read_job}/pages/{number}{ending}").status_code == 404


@pytest.mark.parametrize("number", ["0", "-1", "x", "1e3", "%2e%2e", "99999999999999999999"])
def test_what_is_no_page_number_is_refused(http: httpx.Client, read_job: str, number: str) -> None:
    assert http.get(f"/v1/jobs/{read_job}/pages/{number}").status_code == 422


def picture(http: httpx.Client, path: str) -> Image.Image:
    reply = http.get(path)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "image/png")
    return Image.open(io.BytesIO(reply.content))


def test_a_picture_has_the_size_that_was_asked_for(http: httpx.Client, read_job: str) -> None:
    assert max(picture(http, f"/v1/jobs/{read_job}/pages/1.png?long_side=300").size) == 300


def test_boxes_are_drawn_where_they_are_asked_for(http: httpx.Client, read_job: str) -> None:
    path = f"/v1/jobs/{read_job}/pages/3.png?long_side=640"
    plain, drawn = picture(http, path).convert("RGB"), picture(http, f"{path}&boxes=true")
    edge = (round(plain.width * 100 / 999), round(plain.height * 150 / 999))
    assert plain.size == drawn.size
    assert plain.tobytes() != drawn.convert("RGB").tobytes()
    around = drawn.convert("RGB").crop((edge[0] - 4, edge[1] - 4, edge[0] + 4, edge[1] + 4))
    assert (0, 114, 178) in [colour for _, colour in around.getcolors() or ()]


@pytest.mark.parametrize("query", ["long_side=63", "long_side=4097", "long_side=x", "boxes=maybe"])
def test_a_picture_that_cannot_be_is_refused(http: httpx.Client, read_job: str, query: str) -> None:
    assert http.get(f"/v1/jobs/{read_job}/pages/1.png?{query}").status_code == 422


def test_the_result_is_there_in_four_formats(http: httpx.Client, read_job: str) -> None:
    path = f"/v1/jobs/{read_job}/result"
    markdown = http.get(path)
    assert markdown.headers["content-type"].startswith("text/markdown")
    assert "Oil is brought by boat." in markdown.text
    document = OcrDocument.from_dict(
        {"total_pages": 3, **http.get(path, params={"format": "json"}).json()}
    )
    assert [page.number for page in document] == [1, 2, 3]
    documents = http.get(path, params={"format": "documents"}).json()
    assert "1871" in documents[0]["page_content"]
    packed = http.get(path, params={"format": "zip"})
    assert zipfile.ZipFile(io.BytesIO(packed.content)).testzip() is None
    assert http.get(path, params={"format": "docx"}).status_code == 422


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", 'a"; filename="b.exe', "a\r\nX-Evil: 1", "写\u202e.pdf", "C:\\x"]
)
def test_a_name_stays_a_name_in_a_download(http: httpx.Client, sample: Path, name: str) -> None:
    job = finished(http, send(http, sample, name=name, pages="1")["id"])
    reply = http.get(f"{job['links']['result']}")
    shown = reply.headers["content-disposition"]
    assert shown.startswith("attachment; filename*=UTF-8''")
    assert not set(shown.partition("''")[2]) & set('/\\"; \r\n')
    assert "x-evil" not in reply.headers


# --- events ------------------------------------------------------------------------------


def test_every_page_is_an_event_and_the_end_is_the_last(http: httpx.Client, read_job: str) -> None:
    with http.stream("GET", f"/v1/jobs/{read_job}/events") as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        found = list(events(reply.iter_lines()))
    assert [(kind, number) for kind, number, _ in found] == [
        ("page", "1"),
        ("page", "2"),
        ("page", "3"),
        ("end", ""),
    ]
    assert found[-1][2]["status"] == "succeeded"


def test_a_client_that_comes_back_gets_the_pages_that_it_missed(
    http: httpx.Client, read_job: str
) -> None:
    with http.stream("GET", f"/v1/jobs/{read_job}/events", headers={"Last-Event-ID": "2"}) as reply:
        found = list(events(reply.iter_lines()))
    assert [(kind, number) for kind, number, _ in found] == [("page", "3"), ("end", "")]


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "9" * 30, "٣"])
def test_an_event_that_never_was_is_refused(http: httpx.Client, read_job: str, last: str) -> None:
    reply = http.get(
        f"/v1/jobs/{read_job}/events", headers={b"Last-Event-ID": last.encode("utf-8")}
    )
    assert reply.status_code == 422


def test_a_job_is_followed_from_its_beginning_to_its_end(http: httpx.Client, sample: Path) -> None:
    job = send(http, sample)
    with http.stream("GET", job["links"]["events"]) as reply:
        found = list(events(reply.iter_lines()))
    assert [data["sequence"] for kind, _, data in found if kind == "page"] == [1, 2, 3]
    assert found[-1][0] == "end"
    assert json.dumps(found[-1][2]["links"]) == json.dumps(job["links"])
