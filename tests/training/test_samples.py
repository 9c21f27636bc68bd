"""Training data: what is read, and that nothing is left out in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from batch_runs import recorded_page, run_of_sample
from PIL import Image

from deepseek_ocr_rag import sample_path
from deepseek_ocr_rag.document.grammar.parser import parse_page
from deepseek_ocr_rag.document.types import OcrDocument, Page
from deepseek_ocr_rag.errors import ConfigurationError, SourceError
from deepseek_ocr_rag.training import (
    TrainingSample,
    read_samples,
    split_samples,
    write_samples,
)

PROMPT = "<|grounding|>Convert the document to markdown."
ANSWER = "<|ref|>text<|/ref|><|det|>[[10, 20, 300, 40]]<|/det|>\nRevenue rose."


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "images" / "a.png"
    path.parent.mkdir()
    Image.new("RGB", (80, 60), "white").save(path)
    return path


def chat(image: str = "images/a.png", **more: Any) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "user", "content": f"<image>\n{PROMPT}"},
            {"role": "assistant", "content": ANSWER},
        ],
        "images": [image],
        **more,
    }


def lines(folder: Path, *data: object) -> Path:
    path = folder / "train.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in data), "utf-8")
    return path


def problem(folder: Path, data: object) -> str:
    found = read_samples(lines(folder, data))
    assert found.samples == ()
    (only,) = found.problems
    return only.message


def test_a_chat_with_a_picture_is_a_sample(tmp_path: Path, picture: Path) -> None:
    found = read_samples(lines(tmp_path, chat(id="report#1", mode="tiny", source="report", page=1)))
    (sample,) = found.checked()
    assert sample == TrainingSample(
        "report#1", picture, PROMPT, ANSWER, mode="tiny", source="report", page=1
    )


def test_content_may_be_a_list_of_parts(tmp_path: Path, picture: Path) -> None:
    data = chat()
    data["messages"][0]["content"] = [{"type": "image"}, {"type": "text", "text": PROMPT}]
    (sample,) = read_samples(lines(tmp_path, data)).checked()
    assert (sample.prompt, sample.id) == (PROMPT, "train.jsonl:1")


def test_the_hubs_folder_of_pictures_and_texts_is_read(tmp_path: Path, picture: Path) -> None:
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "images/a.png", "text": "Hello"}\n')
    (sample,) = read_samples(tmp_path).checked()
    assert (sample.prompt, sample.answer, sample.image) == ("Free OCR.", "Hello", picture)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": []}, "exactly one path"),
        ({"images": ["../secret.png"]}, "secret.png"),
        ({"images": ["/etc/passwd"]}, "passwd"),
        ({"images": ["images/none.png"]}, "none.png"),
        ({"mode": "huge"}, "no mode 'huge'"),
        ({"split": "test"}, "'train' or 'validation'"),
        ({"page": 0}, "from 1"),
        ({"id": ""}, "1 to 200 characters"),
        ({"messages": [{"role": "system", "content": "x"}]}, "roles"),
    ],
)
def test_a_line_that_cannot_be_used_says_why(
    tmp_path: Path, picture: Path, change: dict[str, Any], message: str
) -> None:
    assert message in problem(tmp_path, chat() | change)


def test_the_picture_comes_once_and_first(tmp_path: Path, picture: Path) -> None:
    data = chat()
    data["messages"][0]["content"] = f"{PROMPT} <image>"
    assert "must begin with <image>" in problem(tmp_path, data)


def test_every_bad_line_is_named_before_anything_is_trained(tmp_path: Path, picture: Path) -> None:
    found = read_samples(
        lines(tmp_path, chat(), chat(mode="x"), "text", chat(id="a"), chat(id="a"))
    )
    with pytest.raises(SourceError) as caught:
        found.checked()
    for name in ("train.jsonl:2", "train.jsonl:3", "train.jsonl:5: another line"):
        assert name in str(caught.value)
    assert "3 of 5 samples" in str(caught.value)


def test_unknown_keys_are_named_once(tmp_path: Path, picture: Path) -> None:
    found = read_samples(lines(tmp_path, chat(colour=1), chat(id="b", colour=2)))
    assert len(found.samples) == 2
    assert found.notes == ("train.jsonl: 2 lines have 'colour', which is not used",)


def test_a_document_with_its_markdown_is_read_page_by_page(
    tmp_path: Path, sample_pdf: Path
) -> None:
    (tmp_path / "a.pdf").write_bytes(sample_pdf.read_bytes())
    text = "<!-- page 1 -->\nOne\n\n<!-- page 3 -->\n\nThree\n"
    (tmp_path / "a.md").write_text(text)
    found = read_samples(tmp_path)
    assert [(s.id, s.image_page, s.answer) for s in found.checked()] == [
        ("a.pdf#1", 1, "One"),
        ("a.pdf#3", 3, "Three"),
    ]
    assert found.notes == ("a.pdf: a.md has no text for page 2",)


def test_a_jsonl_file_of_another_name_is_not_passed_over(tmp_path: Path, picture: Path) -> None:
    (tmp_path / "pages.jsonl").write_text(json.dumps(chat()))
    (tmp_path / "b.png").write_bytes(picture.read_bytes())
    with pytest.raises(SourceError, match=r"holds pages.jsonl.*Name the JSONL file itself"):
        read_samples(tmp_path)


def test_our_own_pages_keep_their_boxes(tmp_path: Path, sample_pdf: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(sample_pdf.read_bytes())
    parsed = parse_page(ANSWER)
    page = Page(number=2, markdown=parsed.markdown, blocks=parsed.blocks)
    document = OcrDocument("a.pdf", (page,), 3)
    (tmp_path / "a.json").write_text(json.dumps(document.to_dict()))
    (sample,) = read_samples(tmp_path).checked()
    assert (sample.id, sample.prompt, sample.answer) == ("a.pdf#2", PROMPT, ANSWER)


def test_blank_pages_are_left_out_by_name_and_cut_ones_are_named(
    tmp_path: Path, sample_pdf: Path
) -> None:
    """A blank page has no text to learn, so it is left out without an error."""
    (tmp_path / "a.pdf").write_bytes(sample_pdf.read_bytes())
    pages = (
        Page(number=1, markdown="", finish_reason="blank"),
        Page(number=2, markdown="Half of a page", finish_reason="length"),
        Page(number=3, markdown="A page", finish_reason="repetition"),
    )
    (tmp_path / "a.json").write_text(json.dumps(OcrDocument("a.pdf", pages, 3).to_dict()))
    found = read_samples(tmp_path)
    assert [sample.id for sample in found.checked()] == ["a.pdf#2", "a.pdf#3"]
    assert [note.split(":")[0] for note in found.notes] == [
        "a.pdf#1 is blank, and left out",
        "a.pdf#2 is cut off where the model stopped reading it",
        "a.pdf#3 is cut where the model repeated itself",
    ]


def test_pages_of_a_run_are_learnt_from_and_those_that_failed_are_named(tmp_path: Path) -> None:
    """A teacher's labels: the run has one page, one that its backend did not know, a damaged file."""
    pytest.importorskip("pyarrow")
    run = run_of_sample(tmp_path, recorded_page(tmp_path / "one.jsonl"))
    found = read_samples(run)
    (sample,) = found.samples
    assert (sample.image, sample.image_page, sample.page) == (sample_path(), 1, 1)
    assert sample.prompt == PROMPT
    assert sample.answer.startswith(
        "<|ref|>title<|/ref|><|det|>[[10, 10, 900, 50]]<|/det|>\n# Light"
    )
    assert len(found.problems) == 2
    assert {"bad", f"{sample.source}#2"} == {problem.id for problem in found.problems}


def test_a_document_that_has_changed_since_it_was_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from deepseek_ocr_rag.batch import read_back
    from deepseek_ocr_rag.batch.read_back import BatchDocument

    (tmp_path / "run" / "done").mkdir(parents=True)
    (tmp_path / "run" / "done" / "part-00000.json").write_text("{}")
    changed = tmp_path / "a.pdf"
    changed.write_bytes(b"another file")
    read = BatchDocument("a", OcrDocument(str(changed), (), 1, "0" * 64))
    monkeypatch.setattr(read_back, "batch_documents", lambda folder: iter([read]))
    (problem,) = read_samples(tmp_path / "run").problems
    assert (problem.id, "not the file that was read" in problem.message) == ("a", True)


def test_a_document_without_text_is_a_problem(tmp_path: Path, sample_pdf: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(sample_pdf.read_bytes())
    assert [p.id for p in read_samples(tmp_path).problems] == ["a.pdf"]


def test_what_was_written_is_read_back(tmp_path: Path, picture: Path) -> None:
    sample = TrainingSample("a/b: ü", picture, PROMPT, ANSWER, mode="base", source="x.pdf", page=3)
    write_samples(tmp_path / "out", [(sample, picture.read_bytes())])
    (back,) = read_samples(tmp_path / "out").checked()
    assert back.image.read_bytes() == picture.read_bytes()
    assert back == TrainingSample(
        "a/b: ü", back.image, PROMPT, ANSWER, mode="base", source="x.pdf", page=3
    )


def test_pages_of_one_document_stay_on_one_side() -> None:
    samples = [
        TrainingSample(f"{d}#{p}", Path(), PROMPT, ANSWER, source=f"{d}.pdf")
        for d in range(60)
        for p in range(3)
    ]
    train, held = split_samples(samples, 0.3)
    assert {s.source for s in train}.isdisjoint({s.source for s in held})
    assert 20 < len(held) < 90
    assert split_samples(samples, 0.3) == (train, held)


@pytest.mark.parametrize("share", [0.001, 0.999])
def test_of_few_documents_one_is_on_either_side(share: float) -> None:
    """However their names hash; but one document is not divided."""
    samples = [
        TrainingSample(f"{d}#{p}", Path(), PROMPT, ANSWER, source=d) for d in "abc" for p in (1, 2)
    ]
    for some in (samples, samples[2:]):
        train, held = split_samples(some, share)
        assert min(len(train), len(held)) == 2
    assert split_samples(samples, 0.0) == (tuple(samples), ())
    assert split_samples(samples[:2], share) == (tuple(samples[:2]), ())


def test_what_the_data_says_about_itself_counts() -> None:
    samples = [
        TrainingSample(str(n), Path(), PROMPT, ANSWER, split="validation" if n == 3 else None)
        for n in range(50)
    ]
    assert [s.id for s in split_samples(samples, 0.5)[1]] == ["3"]


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_that_leaves_nothing_is_refused(share: float) -> None:
    with pytest.raises(ConfigurationError, match="held_out"):
        split_samples([TrainingSample("a", Path(), PROMPT, ANSWER)], share)
