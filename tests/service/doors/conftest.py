"""One running service for the tests of the doors, and what it should read."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pypdfium2
import pytest
from running_service import RunningService, running_service

from deepseek_ocr_rag import OcrDocument, Reader
from deepseek_ocr_rag.backends import LiteBackendWarning


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service with the built-in reader, which downloads nothing."""
    with running_service(tmp_path_factory.mktemp("service") / "data") as running:
        yield running


@pytest.fixture(scope="session")
def printed_pdf(sample_pdf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two pages of the sample that have a text layer, which need no OCR and so no time."""
    file = tmp_path_factory.mktemp("printed") / "printed.pdf"
    with pypdfium2.PdfDocument(sample_pdf) as sample, pypdfium2.PdfDocument.new() as pdf:
        pdf.import_pages(sample, [0, 2])
        pdf.save(file)
    return file


@pytest.fixture(scope="session")
def expected(printed_pdf: Path) -> OcrDocument:
    """The printed pages as the library reads them with the built-in reader."""
    with warnings.catch_warnings(), Reader("lite", cache=False) as reader:
        warnings.simplefilter("ignore", LiteBackendWarning)
        return reader.read(printed_pdf)
