"""One running service for the tests of the doors, and what it should read."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from service_server import RunningService, running_service

from deepseek_ocr_rag import OcrDocument, Reader
from deepseek_ocr_rag.backends import LiteBackendWarning


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service with the built-in reader, which downloads nothing."""
    with running_service(tmp_path_factory.mktemp("service") / "data") as running:
        yield running


@pytest.fixture(scope="session")
def expected(sample_pdf: Path) -> OcrDocument:
    """The sample as the library reads it with the built-in reader."""
    with warnings.catch_warnings(), Reader("lite", cache=False) as reader:
        warnings.simplefilter("ignore", LiteBackendWarning)
        return reader.read(sample_pdf)
