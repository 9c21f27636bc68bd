"""A service's pages are those that a Reader gives, whatever happens in between."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from page_server import PageServer, marked_pdf
from running_service import serving
from service_queue import until

from deepseek_ocr_rag import OcrDocument, Reader
from deepseek_ocr_rag.errors import (
    BackendUnavailableError,
    PageRangeError,
    PasswordError,
    SourceNotFoundError,
)
from deepseek_ocr_rag.reading import ReadingProgress
from deepseek_ocr_rag.service import JobQueue, JobState, ReaderSettings, ServiceReader
from deepseek_ocr_rag.service.api.access.api_keys import LOCAL_OWNER, ApiKeys
from deepseek_ocr_rag.service.api.api_settings import ApiSettings

pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore:pages are read by the built-in"),
]

CORPUS = ("f86d073b0d735ac873a65d906ba82758.pdf", "AMCOR_2022_8K_dated-2022-07-01.pdf")
KEY = "a-long-enough-key-of-anna"


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobQueue]:
    """A queue that the built-in reader works for."""
    folder = tmp_path_factory.mktemp("service")
    with JobQueue(folder / "data", ReaderSettings(backend="lite")) as started:
        yield started


@pytest.fixture(scope="module")
def url(queue: JobQueue) -> Iterator[str]:
    with serving(queue) as http:
        yield str(http.base_url)


@pytest.fixture
def server() -> Iterator[PageServer]:
    """What reads slowly, and counts what it is asked."""
    with PageServer(seconds=0.05) as running:
        yield running


@pytest.fixture
def slow(server: PageServer, tmp_path: Path) -> Iterator[JobQueue]:
    settings = ReaderSettings(backend=f"server:{server.url}/v1", concurrency=1)
    with JobQueue(tmp_path / "data", settings) as started:
        yield started


def both(url: str, source: Path, pages: str | None = None) -> tuple[OcrDocument, OcrDocument]:
    here = Reader("lite", cache=False).read(source, pages=pages)
    return here, ServiceReader(url).read(source, pages=pages)


def jobs(queue: JobQueue, *states: JobState) -> int:
    return len(queue.list(LOCAL_OWNER, states).jobs)


# --- the same pages ----------------------------------------------------------------------


def test_a_document_is_equal_in_every_attribute(url: str, sample_pdf: Path) -> None:
    here, there = both(url, sample_pdf)
    assert dataclasses.asdict(there) == dataclasses.asdict(here)
    assert any(block.section for page in there for block in page.blocks)


@pytest.mark.parametrize("name", CORPUS)
def test_real_documents_are_equal_in_every_attribute(url: str, shared: Path, name: str) -> None:
    here, there = both(url, shared / "corpus" / "qa" / "pdf" / name, "1-3")
    assert len(there) >= 1
    assert dataclasses.asdict(there) == dataclasses.asdict(here)


def test_selected_pages_are_equal_too(url: str, sample_pdf: Path) -> None:
    here, there = both(url, sample_pdf, "1,3")
    assert [page.number for page in there] == [1, 3]
    assert dataclasses.asdict(there) == dataclasses.asdict(here)


async def test_coroutines_get_the_same_pages(url: str, sample_pdf: Path) -> None:
    reader = ServiceReader(url)
    document = await reader.aread(sample_pdf, pages="1,3")
    pages = [page async for page in reader.aiter_pages(sample_pdf, pages="1,3")]
    assert pages == list(document)
    assert document == reader.read(sample_pdf, pages="1,3")


def test_a_folder_and_a_picture_work_as_with_a_reader(url: str, sample_pdf: Path) -> None:
    reader = ServiceReader(url)
    (document,) = reader.read_folder(sample_pdf.parent, match="sample.pdf", pages="1")
    assert document.pages[0].ok
    assert reader.render_page(sample_pdf, 1, long_side=200).size[1] == 200


def test_an_error_of_the_backend_is_the_one_that_a_reader_raises(
    url: str, sample_pdf: Path
) -> None:
    """``lite`` cannot look for things on a page."""
    raised = []
    for reader in (Reader("lite", cache=False), ServiceReader(url)):
        with pytest.raises(BackendUnavailableError) as error:
            reader.locate("the total", sample_pdf, pages="1")
        raised.append(str(error.value))
    assert raised[1].endswith(raised[0])


def test_what_is_wrong_with_a_document_is_told_before_anything_is_sent(
    sample_pdf: Path, tmp_path: Path
) -> None:
    nobody = ServiceReader("http://127.0.0.1:9", wait=0)
    with pytest.raises(SourceNotFoundError):
        nobody.read(tmp_path / "no.pdf")
    with pytest.raises(PageRangeError):
        nobody.read(sample_pdf, pages="7")


def test_an_encrypted_document_is_read_with_its_password(url: str, tmp_path: Path) -> None:
    from reportlab.pdfgen.canvas import Canvas

    path = tmp_path / "secret.pdf"
    canvas = Canvas(str(path), encrypt="sesame", invariant=1)
    canvas.drawString(72, 700, "The lamp burns forty litres of oil a month, says the keeper.")
    canvas.save()
    reader = ServiceReader(url)
    assert "forty litres" in reader.read(path, password="sesame").to_markdown()
    with pytest.raises(PasswordError):
        reader.read(path)


def test_progress_is_told_as_pages_are_finished(url: str, sample_pdf: Path) -> None:
    told: list[ReadingProgress] = []
    with ServiceReader(url).open(sample_pdf, pages="1,3") as stream:
        stream.on_progress = told.append
        stream.document(stream)
    assert [each.done for each in told] == [1, 2]
    assert {each.total for each in told} == {2}


# --- jobs --------------------------------------------------------------------------------


def test_reading_again_takes_the_pages_of_the_same_job(slow: JobQueue, server: PageServer) -> None:
    with serving(slow) as http:
        reader = ServiceReader(str(http.base_url))
        first = reader.read(marked_pdf(3))
        assert reader.read(marked_pdf(3)) == first
        assert sorted(server.asked) == [1, 2, 3]
        fresh = ServiceReader(str(http.base_url), fresh=True).read(marked_pdf(3))
        assert fresh == first
        assert sorted(server.asked) == [1, 1, 2, 2, 3, 3]


def test_leaving_early_frees_the_engine_and_the_next_read_begins_anew(
    slow: JobQueue, server: PageServer
) -> None:
    with serving(slow) as http:
        reader = ServiceReader(str(http.base_url))
        with reader.open(marked_pdf(60)) as stream:
            assert next(stream).number == 1
        assert jobs(slow) == 0
        until(lambda: slow.stats().jobs.get(JobState.RUNNING, 0) == 0, 5)
        asked = len(server.asked)
        time.sleep(0.5)
        assert len(server.asked) <= asked + 1 < 30
        assert len(reader.read(marked_pdf(60), pages="1-2")) == 2


def test_a_job_that_was_cancelled_at_the_service_is_sent_again(slow: JobQueue) -> None:
    with serving(slow) as http:
        reader = ServiceReader(str(http.base_url))
        stream = reader.open(marked_pdf(40))
        next(stream)
        (job,) = slow.list(LOCAL_OWNER).jobs
        slow.cancel(LOCAL_OWNER, job.id)
        with pytest.raises(Exception, match="cancelled at the service"):
            list(stream)
        assert len(reader.read(marked_pdf(40))) == 40


def test_a_client_that_was_killed_gets_its_job_when_it_comes_back(
    slow: JobQueue, server: PageServer, tmp_path: Path
) -> None:
    document = tmp_path / "report.pdf"
    document.write_bytes(marked_pdf(30))
    with serving(slow) as http:
        url = str(http.base_url)
        code = (
            "import sys; from deepseek_ocr_rag.service import ServiceReader\n"
            "for page in ServiceReader(sys.argv[1]).iter_pages(sys.argv[2]): print(page.number)"
        )
        child = subprocess.Popen(
            [sys.executable, "-c", code, url, str(document)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "1\n"
        child.send_signal(signal.SIGKILL)
        child.wait(20)
        child.stdout.close()
        pages = ServiceReader(url).read(document).pages
        assert [page.number for page in pages] == list(range(1, 31))
        assert sorted(server.asked) == list(range(1, 31))


def test_a_service_that_goes_away_and_comes_back_is_waited_for(
    server: PageServer, tmp_path: Path
) -> None:
    settings = ReaderSettings(backend=f"server:{server.url}/v1", concurrency=1)
    read: list[int] = []
    with JobQueue(tmp_path / "data", settings) as first, serving(first) as http:
        port = http.base_url.port
        reader = ServiceReader(str(http.base_url), wait=60)
        stream = reader.open(marked_pdf(30))
        read.append(next(stream).number)
        following = threading.Thread(target=lambda: read.extend(page.number for page in stream))
        following.start()
        until(lambda: len(read) >= 3)
    time.sleep(0.5)
    with (
        JobQueue(tmp_path / "data", settings) as second,
        serving(second, port=port),
    ):
        following.join(60)
    assert read == list(range(1, 31))


def test_a_service_that_stays_away_keeps_the_job(server: PageServer, tmp_path: Path) -> None:
    settings = ReaderSettings(backend=f"server:{server.url}/v1", concurrency=1)
    with JobQueue(tmp_path / "data", settings) as queue, serving(queue) as http:
        stream = ServiceReader(str(http.base_url), wait=1).open(marked_pdf(40))
        next(stream)
    with pytest.raises(BackendUnavailableError, match="no response"):
        list(stream)
    with JobQueue(tmp_path / "data", settings) as queue:
        assert jobs(queue) == 1


# --- keys --------------------------------------------------------------------------------


def test_a_service_with_keys_is_used_with_a_key(
    queue: JobQueue, sample_pdf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ApiSettings(keys=ApiKeys.parse([f"anna:{KEY}"], source="test"))
    with serving(queue, settings) as http:
        url = str(http.base_url)
        with pytest.raises(BackendUnavailableError, match=r"wants a key.*DSOCR_SERVICE_KEY"):
            ServiceReader(url).read(sample_pdf)
        with pytest.raises(BackendUnavailableError, match="does not accept the key"):
            ServiceReader(url, key="another-key-than-that").read(sample_pdf)
        monkeypatch.setenv("DSOCR_SERVICE_KEY", KEY)
        assert len(ServiceReader(url).read(sample_pdf, pages="3")) == 1
