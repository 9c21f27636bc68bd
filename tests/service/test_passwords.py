"""Passwords of documents: every way takes one, and none is left anywhere when the job has ended."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from reportlab.pdfgen.canvas import Canvas
from running_service import finished, send
from served_command import Server, served
from service_queue import ALICE, new_queue, submit, until

from deepseek_ocr_rag.cli.main import main
from deepseek_ocr_rag.errors import PasswordError
from deepseek_ocr_rag.service import JobOptions, ServiceReader

pytestmark = pytest.mark.long

PASSWORD = "sesame-4711"
WRONG = "barley-4712"
WORDS = "The lamp burns forty litres of oil a month"


@pytest.fixture(scope="module")
def secret_pdf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("documents") / "secret.pdf"
    canvas = Canvas(str(path), encrypt=PASSWORD, invariant=1)
    canvas.drawString(72, 700, f"{WORDS}, says the keeper of the tower.")
    canvas.save()
    return path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The real service, which logs all that it ever logs."""
    with served(tmp_path_factory.mktemp("service"), "--verbose", backend="lite") as running:
        yield running


def result(server: Server, job: dict[str, object]) -> str:
    ended = finished(server.http, str(job["id"]))
    assert ended["status"] == "succeeded", ended
    assert PASSWORD not in str(ended)
    return server.http.get(f"/v1/jobs/{job['id']}/result", params={"format": "markdown"}).text


def by_form(server: Server, path: Path) -> str:
    return result(server, send(server.http, path, password=PASSWORD))


def by_upload(server: Server, path: Path) -> str:
    upload = server.http.post("/v1/uploads", json={"name": "secret.pdf"}).json()["id"]
    assert server.http.put(f"/v1/uploads/{upload}/content", content=path.read_bytes()).is_success
    body = {"upload_id": upload, "password": PASSWORD}
    return result(server, server.http.post("/v1/jobs", json=body).json())


def by_client(server: Server, path: Path) -> str:
    return ServiceReader(server.url).read(path, password=PASSWORD).to_markdown()


def by_command(server: Server, path: Path) -> str:
    output = path.with_name("output")
    options = ["--backend", f"service:{server.url}", "--password", PASSWORD, "-o", str(output)]
    assert main(["read", str(path), *options]) == 0
    (markdown,) = output.rglob("*.md")
    return markdown.read_text("utf-8")


WAYS: dict[str, Callable[[Server, Path], str]] = {
    "form": by_form,
    "upload": by_upload,
    "client": by_client,
    "command": by_command,
}


def traces(folder: Path, word: str) -> list[str]:
    """The files under a folder in which a word stands."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if word.encode() in path.read_bytes()]


@pytest.mark.parametrize("way", WAYS)
def test_a_password_opens_the_document_and_is_left_nowhere(
    server: Server, secret_pdf: Path, way: str
) -> None:
    assert WORDS in WAYS[way](server, secret_pdf)
    # The database, its journal, and the log, which is in the same folder.
    until(lambda: traces(server.log.parent, PASSWORD) == [])


def test_a_wrong_password_is_not_repeated(server: Server, secret_pdf: Path) -> None:
    job = finished(server.http, send(server.http, secret_pdf, password=WRONG)["id"])
    assert job["status"] == "failed"
    assert "PasswordError" in str(job["error"])
    assert WRONG not in str(job)
    with pytest.raises(PasswordError) as caught:
        ServiceReader(server.url).read(secret_pdf, password=WRONG)
    assert WRONG not in str(caught.value)
    until(lambda: traces(server.log.parent, WRONG) == [])


def test_a_password_that_is_too_long_is_not_logged(server: Server, secret_pdf: Path) -> None:
    with secret_pdf.open("rb") as file:
        reply = server.http.post("/v1/jobs", files={"file": file}, data={"password": WRONG * 30})
    assert reply.status_code == 422
    assert WRONG not in reply.text
    assert traces(server.log.parent, WRONG) == []


def test_a_picture_of_a_locked_page_needs_its_password(server: Server, secret_pdf: Path) -> None:
    """It is gone with the end of the job: nobody sees the page by the job's id alone."""
    job = send(server.http, secret_pdf, password=PASSWORD)
    result(server, job)
    reply = server.http.get(f"/v1/jobs/{job['id']}/pages/1.png")
    assert (reply.status_code, reply.json()["error"]) == (422, "PasswordError")


def test_a_password_that_is_still_needed_is_in_the_database_alone(tmp_path: Path) -> None:
    queue = new_queue(tmp_path)
    try:
        job = submit(queue, options=JobOptions(password=PASSWORD))
        with sqlite3.connect(tmp_path / "data" / "jobs.sqlite3") as database:
            (stored,) = database.execute("SELECT secrets FROM jobs")
        assert PASSWORD in stored[0]
        assert (tmp_path / "data").stat().st_mode & 0o077 == 0
        queue.cancel(ALICE, job.id)
        begun = time.monotonic()
        until(lambda: traces(tmp_path, PASSWORD) == [])
        assert time.monotonic() - begun < 30
    finally:
        queue.close()
