"""Folders of OmniDocBench and olmOCR-bench, in their layout, read by a scripted backend.

OmniDocBench: the folder (``images``, ``pdfs``, ``OmniDocBench.json``), the fields of a page and the
categories are those of opendatalab/OmniDocBench's README for version 1.5; that a page's ``image_path``
is a name inside ``images``, and the categories ``text_mask``, ``table_mask`` and ``need_mask``, were
seen in docling-eval's ``omnidocbench_builder.py``. That a figure has no ``order`` was not seen: both
are read.

olmOCR-bench: the folder (``*.jsonl`` beside ``pdfs``, below ``bench_data`` in the published data set)
is that of ``olmocr/bench/benchmark.py`` and ``olmocr/bench/README.md`` of allenai/olmocr (commit
f7cfe4c), lines are like those of its ``olmocr/bench/sample_data/dataset.jsonl`` and ``blanks.jsonl``,
and so are PDFs in folders below ``pdfs``. The names of the Markdown files are those that
``benchmark.py`` looks for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from deepseek_ocr_rag.backends.base import PageRequest, Reply
from deepseek_ocr_rag.cli.main import main
from deepseek_ocr_rag.cli.training import eval_command
from deepseek_ocr_rag.errors import SourceError
from deepseek_ocr_rag.training import evaluate_olmocr_bench, evaluate_omnidocbench
from deepseek_ocr_rag.training.judging.olmocr_bench import read_facts
from deepseek_ocr_rag.training.judging.omnidocbench import read_omnidocbench

TABLE = "<table><tr><td>a</td><td>1</td></tr></table>"


class Scripted:
    """Writes what it is told for each page."""

    name = "scripted"
    needs_image = True

    def __init__(self, texts: dict[str, str]) -> None:
        self.texts = texts

    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        for request in requests:
            assert request.image is not None
            yield Reply(key=request.key, text=self.texts[request.source], finish_reason="stop")

    def close(self) -> None:
        pass


def det(category: str, top: int, **more: Any) -> dict[str, Any]:
    """An element; corners from the top left on, clockwise."""
    poly = [100.0, top, 500.0, top, 500.0, top + 50.0, 100.0, top + 50.0]
    base = {"category_type": category, "poly": poly, "ignore": False, "order": top, "anno_id": top}
    return {**base, "line_with_spans": [], **more}


def page(name: str, *found: dict[str, Any]) -> dict[str, Any]:
    info = {"page_no": 0, "height": 1000, "width": 600, "image_path": name}
    attribute = {"data_source": "book", "language": "en", "layout": "single_column"}
    return {
        "layout_dets": list(found),
        "page_info": {**info, "page_attribute": attribute},
        "extra": {"relation": []},
    }


PAGES = [
    page(
        "book_page_7.jpg",
        det("text_block", 300, text="Net sales rose by 5 < 6."),
        det("title", 100, text="Results"),
        det("header", 20, text="ANNUAL REPORT", order=None),
        det("text_block", 400, text="never compared", ignore=True),
        det("equation_isolated", 500, latex="$$x^2 + 1$$"),
        det("table", 600, html=TABLE, latex="\\begin{tabular}"),
        det("figure", 700, order=None),
        det("text_block", 800, merge_list=[{"text": "one"}, {"text": "two"}]),
        det("page_number", 950, text="7", order=None),
        det("need_mask", 970),
    ),
    page("note_2.jpg", det("text_block", 100, text="A note.")),
]


@pytest.fixture
def omnidocbench(tmp_path: Path) -> Path:
    folder = tmp_path / "OmniDocBench"
    (folder / "images").mkdir(parents=True)
    for each in PAGES:
        Image.new("RGB", (60, 100), "white").save(
            folder / "images" / each["page_info"]["image_path"]
        )
    (folder / "OmniDocBench.json").write_text(json.dumps(PAGES))
    return folder


WRITTEN = (
    "<|ref|>header<|/ref|><|det|>[[0, 0, 999, 30]]<|/det|>\nANNUAL REPORT\n\n"
    "<|ref|>title<|/ref|><|det|>[[166, 100, 832, 150]]<|/det|>\n# Results\n\n"
    "<|ref|>text<|/ref|><|det|>[[166, 300, 832, 350]]<|/det|>\nNet sales rose by 5 < 6.\n\n"
    "<|ref|>equation<|/ref|><|det|>[[166, 500, 832, 549]]<|/det|>\n\\[x^2 + 1\\]\n\n"
    f"<|ref|>table<|/ref|><|det|>[[166, 599, 832, 649]]<|/det|>\n{TABLE}\n\n"
    "<|ref|>text<|/ref|><|det|>[[166, 799, 832, 849]]<|/det|>\none\ntwo\n\n"
    "<|ref|>image<|/ref|><|det|>[[166, 699, 832, 749]]<|/det|>\n\n"
    "<|ref|>page_number<|/ref|><|det|>[[480, 949, 520, 999]]<|/det|>\n7"
)
NOTE = "<|ref|>text<|/ref|><|det|>[[166, 100, 832, 150]]<|/det|>\nA note."


def test_a_page_that_is_right_has_no_errors(omnidocbench: Path) -> None:
    """Headers and page numbers, heading marks and the marks around formulas do not count."""
    backend = Scripted({"book_page_7.jpg": WRITTEN, "note_2.jpg": NOTE})
    found, samples = evaluate_omnidocbench(backend, omnidocbench)  # type: ignore[arg-type]
    assert [sample.id for sample in samples] == ["book_page_7.jpg", "note_2.jpg"]
    assert (found.scores.cer, found.scores.teds, found.scores.loops) == (0, 1, 0)
    assert found.scores.overlap == pytest.approx(1, abs=0.02)


def test_what_is_wrong_is_counted(omnidocbench: Path) -> None:
    wrong = WRITTEN.replace("rose", "fell").replace("<td>1</td>", "<td>2</td>")
    backend = Scripted({"book_page_7.jpg": wrong, "note_2.jpg": "A note."})
    found, _ = evaluate_omnidocbench(backend, omnidocbench)  # type: ignore[arg-type]
    assert found.pages[0].edits == 4 + 1
    assert found.pages[0].teds == pytest.approx(1 - 1 / 4)
    assert (found.pages[1].edits, found.pages[1].overlap) == (0, 0)


def test_a_page_without_its_picture_is_named_and_stops_everything(omnidocbench: Path) -> None:
    (omnidocbench / "images" / "note_2.jpg").unlink()
    with pytest.raises(SourceError, match=r"1 of 2 samples.*\n.*page 2.*note_2.jpg"):
        evaluate_omnidocbench(Scripted({}), omnidocbench)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"page_info": {"image_path": "../secret.jpg", "width": 1, "height": 1}}, "secret"),
        ({"page_info": {"image_path": "note_2.jpg"}}, "not a page of OmniDocBench"),
        ({"layout_dets": None}, "not a page of OmniDocBench"),
        ({"layout_dets": []}, "no block"),
    ],
)
def test_annotations_of_another_form_are_refused_by_page(
    omnidocbench: Path, change: dict[str, Any], message: str
) -> None:
    (omnidocbench / "OmniDocBench.json").write_text(json.dumps([PAGES[0], PAGES[1] | change]))
    (problem,) = read_omnidocbench(omnidocbench).problems
    assert problem.id == "OmniDocBench.json: page 2"
    assert message in problem.message


def test_an_unknown_category_is_named(omnidocbench: Path) -> None:
    pages = [page("note_2.jpg", det("text_block", 1, text="A"), det("stamp", 2, text="B"))]
    path = omnidocbench / "OmniDocBench_demo.json"  # as the demonstration's file is called
    path.write_text(json.dumps(pages))
    assert read_omnidocbench(path).notes == (
        "OmniDocBench_demo.json: 1 blocks of the category 'stamp', which is not compared",
    )


FACTS = {
    "headers_footers.jsonl": [
        {"pdf": "headers_footers/ff_pg2.pdf", "page": 1, "id": "ff_02e", "type": "absent", "text": "PLOS"},
    ],
    "table_tests.jsonl": [
        {"pdf": "earnings.pdf", "page": 1, "id": "t0", "type": "table", "cell": "1", "left": "a"},
        {"pdf": "earnings.pdf", "page": 2, "id": "t1", "type": "present", "text": "Second page"},
        {"pdf": "earnings.pdf", "page": 2, "id": "t2", "type": "present", "checked": "verified",
         "text": "Not there"},
    ],
    "blanks.jsonl": [
        {"pdf": "blank.pdf", "page": 1, "id": "b", "type": "baseline", "max_length": 10},
    ],
}  # fmt: skip


@pytest.fixture
def olmocr_bench(tmp_path: Path) -> Path:
    folder = tmp_path / "olmOCR-bench" / "bench_data"
    sheet = Image.new("RGB", (200, 260), "white")
    for name, pages in (("headers_footers/ff_pg2", 1), ("earnings", 2), ("blank", 1)):
        path = folder / "pdfs" / f"{name}.pdf"
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(path, save_all=True, append_images=[sheet] * (pages - 1))
    for name, facts in FACTS.items():
        (folder / name).write_text("".join(f"{json.dumps(each)}\n\n" for each in facts))
    return folder.parent


OLMOCR_TEXTS = {
    "headers_footers/ff_pg2.pdf#1": "A text.",
    "earnings.pdf#1": f"<|ref|>table<|/ref|><|det|>[[0, 0, 9, 9]]<|/det|>\n{TABLE}",
    "earnings.pdf#2": "Second page",
    "blank.pdf#1": "",
}


def test_facts_are_counted_by_file_and_kind(olmocr_bench: Path) -> None:
    """Each document but the blank one gets a baseline fact; the score is the mean of four files."""
    found = evaluate_olmocr_bench(Scripted(OLMOCR_TEXTS), olmocr_bench)  # type: ignore[arg-type]
    assert found.files == {
        "baseline": (2, 2),
        "blanks.jsonl": (1, 1),
        "headers_footers.jsonl": (1, 1),
        "table_tests.jsonl": (2, 3),
    }
    assert found.kinds == {"absent": (1, 1), "baseline": (3, 3), "present": (1, 2), "table": (1, 1)}
    assert found.score == pytest.approx((3 + 2 / 3) / 4)
    assert found.to_dict()["missed"] == ["t2"]


def test_pages_are_written_as_the_benchmarks_program_reads_them(
    olmocr_bench: Path, tmp_path: Path
) -> None:
    found = evaluate_olmocr_bench(Scripted(OLMOCR_TEXTS), olmocr_bench)  # type: ignore[arg-type]
    found.write(tmp_path / "out")
    pages = tmp_path / "out" / "pages"
    assert (pages / "headers_footers" / "ff_pg2_pg1_repeat1.md").read_text() == "A text."
    assert (pages / "earnings_pg2_repeat1.md").read_text() == "Second page"
    assert json.loads((tmp_path / "out" / "report.json").read_text())["facts"] == 7


def test_facts_that_cannot_be_checked_are_named_by_line(olmocr_bench: Path) -> None:
    """None of them is left out, and nothing is read before they are corrected."""
    bad = [
        {"pdf": "none.pdf", "page": 1, "id": "x1", "type": "present", "text": "x"},
        {"pdf": "../../secret.pdf", "page": 1, "id": "x2", "type": "present", "text": "x"},
        {"pdf": "earnings.pdf", "page": 3, "id": "x3", "type": "present", "text": "x"},
        {"pdf": "earnings.pdf", "page": 1, "id": "t0", "type": "present", "text": "x"},
        {"pdf": "earnings.pdf", "page": 1, "id": "x4", "type": "smell"},
        # Results would be written beside the PDF.
        {"pdf": str(olmocr_bench / "bench_data" / "pdfs" / "earnings.pdf"), "page": 1, "id": "x5",
         "type": "present", "text": "x"},
    ]  # fmt: skip
    path = olmocr_bench / "bench_data" / "more.jsonl"
    path.write_text("".join(f"{json.dumps(each)}\n" for each in bad) + "{")
    _, found = read_facts(olmocr_bench)
    named = sorted(problem.id for problem in found.problems)
    # The id t0 was taken by the file that comes first.
    assert named == [*(f"more.jsonl:{n}" for n in (1, 2, 3, 5, 6, 7)), "table_tests.jsonl:1"]
    with pytest.raises(SourceError, match="cannot be used"):
        evaluate_olmocr_bench(Scripted({}), olmocr_bench)  # type: ignore[arg-type]


@pytest.mark.parametrize("held_out", [(), ("--held-out", "0.1")])
def test_the_command_knows_both_folders(
    omnidocbench: Path,
    olmocr_bench: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    held_out: tuple[str, ...],
) -> None:
    texts = {"book_page_7.jpg": WRITTEN, "note_2.jpg": NOTE, **OLMOCR_TEXTS}
    monkeypatch.setattr(eval_command, "_backend", lambda options: Scripted(texts))
    for folder, key, value in ((omnidocbench, "cer", 0.0), (olmocr_bench, "hold", 6)):
        out = tmp_path / folder.name / "out"
        status = main(["eval", str(folder), "-o", str(out), *held_out])
        printed = capsys.readouterr()
        if held_out:
            assert status != 0
            assert "no held-out pages" in printed.err
            continue
        assert status == 0
        assert json.loads(printed.out)[key] == value
        assert (out / "report.json").is_file()
    if not held_out:
        pages = tmp_path / "OmniDocBench" / "out" / "pages"
        assert sorted(each.name for each in pages.iterdir()) == ["book_page_7.md", "note_2.md"]
        assert "# Results" in (pages / "book_page_7.md").read_text()
