"""Results in the formats that clients ask for."""

from __future__ import annotations

import io
import json
import tracemalloc
import zipfile
from functools import partial

import pytest
from page_server import marked_pdf
from service_queue import ALICE, new_queue, recording, result_of, submit

from deepseek_ocr_rag import Reader, errors
from deepseek_ocr_rag.service import RESULT_FORMATS, StoredPage, result_chunks
from deepseek_ocr_rag.text.visible import json_line


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """A finished job, its pages, and the document that the reader alone gives."""
    folder = tmp_path_factory.mktemp("results")
    settings = recording(folder, 5)
    with new_queue(folder, settings) as queue:
        job = result_of(queue, submit(queue, 6))
        with Reader(settings.backend, cache=False) as reader:
            document = reader.read(marked_pdf(6), name="report.pdf")
        yield job, partial(queue.pages_in_order, ALICE, job.id), document


def whole(job, pages, result_format):
    return b"".join(result_chunks(job, pages, result_format))


def test_json_is_what_the_command_prints(read):
    job, pages, document = read
    assert whole(job, pages, "json").decode() == json_line(document.to_dict()) + "\n"


def test_markdown_is_that_of_the_document(read):
    job, pages, document = read
    assert whole(job, pages, "markdown").decode() == document.to_markdown()


def test_documents_have_the_metadata_of_the_loaders(read):
    job, pages, document = read
    documents = json.loads(whole(job, pages, "documents"))
    assert [each["page_content"] for each in documents] == [p.markdown for p in document]
    assert [each["metadata"]["page"] for each in documents] == [0, 1, 2, 3, 4, 5]
    assert "was recorded" in documents[5]["metadata"]["error"]


def test_a_zip_holds_all_three_and_is_the_same_each_time(read):
    job, pages, _ = read
    content = whole(job, pages, "zip")
    assert whole(job, pages, "zip") == content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        for name, result_format in zip(
            archive.namelist(), ("markdown", "json", "documents"), strict=True
        ):
            assert archive.read(name) == whole(job, pages, result_format)


def test_an_unknown_format_is_told_at_once(read):
    job, pages, _ = read
    with pytest.raises(errors.ConfigurationError, match="markdown, json, documents, zip"):
        result_chunks(job, pages, "docx")


@pytest.mark.parametrize("result_format", RESULT_FORMATS)
def test_a_long_document_is_never_whole_in_memory(read, result_format):
    job, pages, _ = read
    page = next(iter(pages())).json.replace("This is number", "x" * 20_000)

    def many():
        for number in range(1, 1001):
            yield StoredPage(number, number, page)

    tracemalloc.start()
    size = sum(len(chunk) for chunk in result_chunks(job, many, result_format))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result_format == "zip" or size > 20_000_000
    assert peak < 3_000_000
