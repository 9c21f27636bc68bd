"""A service's pages are those that a Reader gives, whatever happens in between."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_service import serving

from deepseek_ocr_rag import OcrDocument, Reader
from deepseek_ocr_rag.service import JobQueue, ReaderSettings, ServiceReader

pytestmark = pytest.mark.filterwarnings("ignore:pages are read by the built-in")

SHARED = Path(__file__).parents[4] / "shared"
CORPUS = ("pdf-corpus",)


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobQueue]:
    """A queue whose engine is the built-in reader."""
    folder = tmp_path_factory.mktemp("service")
    with JobQueue(folder / "data", ReaderSettings(backend="lite")) as started:
        yield started


@pytest.fixture(scope="module")
def url(queue: JobQueue) -> Iterator[str]:
    with serving(queue) as http:
        yield str(http.base_url)


def fields(document: OcrDocument) -> dict[str, object]:
    return dataclasses.asdict(document)


def both(url: str, source: Path, **options: str) -> tuple[OcrDocument, OcrDocument]:
    here = Reader("lite", cache=False).read(source, **options)  # type: ignore[arg-type]
    return here, ServiceReader(url).read(source, **options)  # type: ignore[arg-type]


# --- the same pages ----------------------------------------------------------------------


def test_a_document_is_equal_in_every_attribute(url: str, sample_pdf: Path) -> None:
    here, there = both(url, sample_pdf)
    assert fields(there) == fields(here)
    assert [block.section for page in there for block in page.blocks if block.section]
