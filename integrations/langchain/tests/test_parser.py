"""DeepSeekOCRParser: blobs to LangChain documents."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.document_loaders import BlobLoader
from langchain_core.documents.base import Blob
from langchain_deepseek_ocr import DeepSeekOCRLoader, DeepSeekOCRParser

from deepseek_ocr_rag import Reader
from deepseek_ocr_rag.errors import ConfigurationError, CorruptSourceError, SourceError

pytestmark = pytest.mark.minimum


def test_a_blob_on_disk_gives_what_the_loader_gives(pdf: Path, reader: Reader) -> None:
    parsed = DeepSeekOCRParser(reader=reader).parse(Blob.from_path(pdf))
    assert parsed == DeepSeekOCRLoader(pdf, reader=reader).load()


def test_a_blob_in_memory_is_named_by_its_path(pdf: Path, reader: Reader) -> None:
    blob = Blob.from_data(pdf.read_bytes(), path="inbox/letter.pdf", mime_type="application/pdf")
    documents = DeepSeekOCRParser(reader=reader, pages="1-2").parse(blob)
    assert [d.metadata["source"] for d in documents] == ["inbox/letter.pdf"] * 2


def test_the_blobs_metadata_and_source_are_kept(pdf: Path, reader: Reader) -> None:
    blob = Blob.from_path(pdf, metadata={"author": "Kim", "source": "crm://17", "page": 99})
    (document,) = DeepSeekOCRParser(reader=reader, pages="1").parse(blob)
    assert document.metadata["author"] == "Kim"
    assert document.metadata["source"] == "crm://17"
    assert document.metadata["page"] == 0


def test_blobs_without_a_name_do_not_share_ids(pdf: Path, sample: Path, reader: Reader) -> None:
    parser = DeepSeekOCRParser(reader=reader, pages="1")
    ids = {parser.parse(Blob.from_data(p.read_bytes()))[0].id for p in (pdf, pdf, sample)}
    assert len(ids) == 2


def test_parsing_is_lazy(pdf: Path, reader: Reader, backend: Any) -> None:
    next(iter(DeepSeekOCRParser(reader=reader).lazy_parse(Blob.from_path(pdf))))
    assert backend.asked == [1]


def test_modes_and_flat_metadata_work_as_in_the_loader(pdf: Path, reader: Reader) -> None:
    blob = Blob.from_path(pdf)
    for mode in ("page", "block", "document"):
        parser = DeepSeekOCRParser(mode=mode, reader=reader, flat_metadata=True)
        loader = DeepSeekOCRLoader(pdf, mode=mode, reader=reader, flat_metadata=True)
        assert parser.parse(blob) == loader.load()


def test_failed_pages_can_be_skipped(pdf: Path, reader: Reader) -> None:
    documents = DeepSeekOCRParser(reader=reader, on_error="skip").parse(Blob.from_path(pdf))
    assert len(documents) == 4


def test_mistakes_are_typed_errors(folder: Path, reader: Reader) -> None:
    with pytest.raises(CorruptSourceError, match="inbox/letter"):
        DeepSeekOCRParser(reader=reader).parse(Blob.from_data(b"%PDF-1.7", path="inbox/letter.pdf"))
    with pytest.raises(ConfigurationError):
        DeepSeekOCRParser(mode="lines", reader=reader)  # type: ignore[arg-type]


class Folder(BlobLoader):
    """Yields blobs, as file and cloud blob loaders do."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def yield_blobs(self) -> Iterator[Blob]:
        for file in sorted(self.path.glob("*.pdf")):
            yield Blob.from_path(file)


def test_it_reads_what_a_blob_loader_finds(folder: Path, reader: Reader) -> None:
    (folder / "broken.pdf").unlink()
    (folder / "second.pdf").write_bytes((folder / "report.pdf").read_bytes())
    parser = DeepSeekOCRParser(reader=reader, pages="1")
    sources = [
        document.metadata["source"]
        for blob in Folder(folder).yield_blobs()
        for document in parser.lazy_parse(blob)
    ]
    assert sources == [str(folder / "report.pdf"), str(folder / "second.pdf")]


def test_one_broken_file_does_not_lose_the_folder(
    folder: Path, reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "archive.zip").write_bytes(b"PK")
    blobs = [Blob.from_path(folder / name) for name in ("archive.zip", "broken.pdf", "report.pdf")]
    blobs.append(Blob.from_path(folder / "gone.pdf"))
    blobs.append(Blob.from_data(b"no PDF", path="memory.pdf"))

    class Blobs(BlobLoader):
        def yield_blobs(self) -> Iterator[Blob]:
            yield from blobs

    for mode in ("page", "document"):
        parser = DeepSeekOCRParser(reader=reader, on_error="skip", mode=mode)  # type: ignore[arg-type]
        found = [d for blob in Blobs().yield_blobs() for d in parser.lazy_parse(blob)]
        assert {d.metadata["source"] for d in found} == {str(folder / "report.pdf")}
    for name in ("archive.zip", "broken.pdf", "gone.pdf", "memory.pdf"):
        assert f"{name}" in caplog.text
    with pytest.raises(SourceError):
        list(DeepSeekOCRParser(reader=reader).lazy_parse(blobs[1]))


def test_a_file_that_fails_while_it_is_read_is_skipped_too(
    pdf: Path, reader: Reader, backend: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(requests: Any) -> Any:
        raise CorruptSourceError("the file was replaced", source="report.pdf")
        yield

    backend.read = failing
    parser = DeepSeekOCRParser(reader=reader, on_error="skip")
    assert parser.parse(Blob.from_path(pdf)) == []
    assert "the file was replaced" in caplog.text
