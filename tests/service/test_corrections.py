"""Corrected text: a row of its own, in every result, and gone with its job."""

from __future__ import annotations

import io
import json
import sqlite3
import zipfile
from functools import partial

import pytest
from PIL import Image
from service_queue import ALICE, BOB, new_queue, result_of, submit

from deepseek_ocr_rag import Page, errors, parse_page
from deepseek_ocr_rag.reading.cached_pages import page_from_json
from deepseek_ocr_rag.service import JobQueue, ReaderSettings, result_chunks
from deepseek_ocr_rag.service.correcting.corrected_text import with_corrections
from deepseek_ocr_rag.service.correcting.training_examples import (
    TrainingPage,
    example_lines,
    example_zip,
)
from deepseek_ocr_rag.service.store.schema import open_connection

TEXT = """\
<|ref|>title<|/ref|><|det|>[[100, 50, 900, 90]]<|/det|>
# Six Ligths

<|ref|>text<|/ref|><|det|>[[100, 100, 900, 200]]<|/det|>
The tower is 13 metres high.

<|ref|>image<|/ref|><|det|>[[100, 210, 900, 400]]<|/det|>


<|ref|>table<|/ref|><|det|>[[100, 410, 900, 600]]<|/det|>
<table><tr><td>Year</td><td>Oil</td></tr><tr><td>1871</td><td>40</td></tr></table>

<|ref|>text<|/ref|><|det|>[[100, 610, 900, 700]]<|/det|>
Anna Berg keeps the lamp."""

TITLE, TOWER, PICTURE, TABLE, KEEPER = range(5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("corrections")


@pytest.fixture(scope="module")
def queue(folder):
    path = folder / "recording.jsonl"
    path.write_text("".join(json.dumps({"page": n, "text": TEXT}) + "\n" for n in (1, 2)), "utf-8")
    with new_queue(folder, ReaderSettings(backend=f"replay:{path}")) as started:
        yield started


@pytest.fixture
def job(queue: JobQueue):
    """A job of two pages that has ended."""
    return result_of(queue, submit(queue, 2))


def page_of(queue, job, number=1):
    return page_from_json(queue.page(ALICE, job.id, number).json)


def is_stored(folder, text):
    """Whether the database, or its journal, has a text."""
    return any(text in each.read_bytes() for each in (folder / "data").glob("jobs.sqlite3*"))


def result(queue, job, result_format):
    pages = partial(queue.pages_in_order, ALICE, job.id)
    return b"".join(result_chunks(job, pages, result_format)).decode()


def examples(queue, job, *numbers):
    return [TrainingPage(job, page_of(queue, job, number)) for number in numbers]


def test_every_result_has_the_corrected_text_and_says_so(queue, job):
    queue.correct(ALICE, job.id, 1, TOWER, "The tower is 31 metres high.")
    assert "31 metres" in result(queue, job, "markdown")
    block = json.loads(result(queue, job, "json"))["pages"][0]["blocks"][TOWER]
    assert block["text"] == "The tower is 31 metres high."
    assert block["original"] == "The tower is 13 metres high."
    first, second = json.loads(result(queue, job, "documents"))
    assert first["metadata"]["corrected"] is True
    assert "corrected" not in second["metadata"]


def test_spans_fit_the_corrected_page(queue, job):
    queue.correct(ALICE, job.id, 1, TITLE, "Six Lights of the Northern Coast")
    queue.correct(ALICE, job.id, 1, TOWER, "")
    page = page_of(queue, job)
    assert page.blocks[TITLE].text == "# Six Lights of the Northern Coast"
    assert all(page.markdown[slice(*block.span)] == block.text for block in page.blocks)
    assert "\n\n\n" not in page.markdown
    assert page.blocks[KEEPER].boxes == parse_page(TEXT).blocks[KEEPER].boxes


@pytest.mark.parametrize(
    "written",
    [
        "| Year | Oil |\n| --- | --- |\n| 1871 | 42 |",
        "<table><tr><td>Year</td><td>Oil</td></tr><tr><td>1871</td><td>42</td></tr></table>",
    ],
)
def test_a_table_is_corrected_as_markdown_or_html(queue, job, written):
    queue.correct(ALICE, job.id, 1, TABLE, written)
    block = page_of(queue, job).blocks[TABLE]
    assert block.table.to_rows() == (("Year", "Oil"), ("1871", "42"))
    assert block.text == "| Year | Oil |\n| --- | --- |\n| 1871 | 42 |"


@pytest.mark.parametrize(
    ("block", "text", "message"),
    [
        (TABLE, "no table at all", "its new text is not"),
        (PICTURE, "a ship", "picture or empty"),
        (5, "x", "no block 5"),
        (TOWER, "x" * 100_001, "longer than a block can be"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(queue, job, block, text, message):
    with pytest.raises(errors.ConfigurationError, match=message):
        queue.correct(ALICE, job.id, 1, block, text)
    assert list(queue.corrections(ALICE, job.id)) == []
    assert queue.get(ALICE, job.id).version == job.version


def test_a_correction_is_taken_back(queue, job):
    before = queue.page(ALICE, job.id, 1)
    queue.correct(ALICE, job.id, 1, TOWER, "The tower is 31 metres high.")
    assert queue.page(ALICE, job.id, 1).corrected == 1
    assert queue.take_back(ALICE, job.id, 1, TOWER) == before
    with pytest.raises(errors.JobNotFoundError, match="not corrected"):
        queue.take_back(ALICE, job.id, 1, TOWER)


def test_writing_what_was_read_takes_a_correction_back(queue, job):
    queue.correct(ALICE, job.id, 1, TOWER, "The tower is 31 metres high.")
    queue.correct(ALICE, job.id, 1, TOWER, "The tower is 13 metres high. ")
    assert queue.page(ALICE, job.id, 1).corrected == 0


def test_each_change_is_a_new_version_that_listeners_hear_of(queue, job):
    heard = []
    queue.add_listener(heard.append)
    queue.correct(ALICE, job.id, 1, TOWER, "x")
    queue.take_back(ALICE, job.id, 1, TOWER)
    queue.remove_listener(heard.append)
    assert heard == [job.id, job.id]
    assert queue.get(ALICE, job.id).version == job.version + 2


def test_another_key_sees_and_changes_nothing(queue, job):
    for call in (
        lambda: queue.correct(BOB, job.id, 1, TOWER, "x"),
        lambda: queue.take_back(BOB, job.id, 1, TOWER),
        lambda: list(queue.corrections(BOB, job.id)),
    ):
        with pytest.raises(errors.JobNotFoundError):
            call()


def test_corrections_go_with_their_job(queue, job, folder):
    queue.correct(ALICE, job.id, 1, TOWER, "a secret word: xylotheque")
    assert is_stored(folder, b"xylotheque")
    queue.delete(ALICE, job.id)
    with pytest.raises(errors.JobExpiredError):
        list(queue.corrections(ALICE, job.id))
    assert not is_stored(folder, b"xylotheque")


def test_an_example_is_a_chat_in_the_models_grammar(queue, job):
    queue.correct(ALICE, job.id, 2, TOWER, "The tower is 31 metres high, and <|ref|> is text.")
    (line,) = example_lines(examples(queue, job, 2))
    example = json.loads(line)
    user, assistant = example["messages"]
    assert user == {
        "role": "user",
        "content": "<image>\n<|grounding|>Convert the document to markdown.",
    }
    assert assistant["role"] == "assistant"
    answer = assistant["content"]
    assert "<|ref|>text<|/ref|><|det|>[[100, 100, 900, 200]]<|/det|>\nThe tower is 31" in answer
    assert answer.count("<|ref|>") == 5  # that of the text is not a tag
    assert not answer.endswith("\n")
    assert example["mode"] == "gundam"
    assert (example["source"], example["page"]) == ("report.pdf", 2)
    read_back = parse_page(answer)
    page = page_of(queue, job, 2)
    assert [(b.kind, b.text, b.boxes) for b in read_back.blocks] == [
        (b.kind, b.text, b.boxes) for b in page.blocks
    ]


def test_a_zip_has_the_pictures_that_its_lines_name(queue, job):
    queue.correct(ALICE, job.id, 1, TOWER, "x y")
    chunks = example_zip(
        job,
        lambda: examples(queue, job, 1),
        lambda number, side: queue.picture(ALICE, job.id, number, side),
    )
    with zipfile.ZipFile(io.BytesIO(b"".join(chunks))) as archive:
        assert archive.testzip() is None
        (line,) = archive.read("train.jsonl").splitlines()
        example = json.loads(line)
        assert archive.namelist() == ["train.jsonl", *example["images"]]
        with Image.open(io.BytesIO(archive.read(example["images"][0]))) as picture:
            assert max(picture.size) == 2304
            assert picture.mode == "RGB"


def test_training_reads_what_was_corrected(queue, job, tmp_path):
    pytest.importorskip("peft")
    from deepseek_ocr_rag.training import read_samples

    queue.correct(ALICE, job.id, 1, TOWER, "x y")
    chunks = example_zip(
        job,
        lambda: examples(queue, job, 1),
        lambda number, side: queue.picture(ALICE, job.id, number, side),
    )
    with zipfile.ZipFile(io.BytesIO(b"".join(chunks))) as archive:
        archive.extractall(tmp_path / "corrected")
    (sample,) = read_samples(tmp_path / "corrected").checked()
    assert sample.grounded
    assert "x y" in sample.answer
    assert sample.image.is_file()
    assert "x y" in [block.text for block in parse_page(sample.answer).blocks]


def test_without_boxes_the_example_is_plain_text(queue, job):
    parsed = parse_page("Read me.")
    page = with_corrections(Page(1, parsed.markdown, parsed.blocks), {0: "Read me again."})
    user, assistant = TrainingPage(job, page).to_dict()["messages"]
    assert user["content"] == "<image>\nFree OCR."
    assert assistant["content"] == "Read me again."


def test_a_database_of_the_version_before_is_upgraded(tmp_path):
    with new_queue(tmp_path) as queue:
        job = submit(queue, 1)
    path = str(tmp_path / "data" / "jobs.sqlite3")
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE corrections")
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()
    with new_queue(tmp_path) as queue:
        assert queue.get(ALICE, job.id).name == "report.pdf"
        assert list(queue.corrections(ALICE, job.id)) == []
    connection = open_connection(path)
    assert connection.execute("PRAGMA user_version").fetchone()[0] == 2
    connection.close()
