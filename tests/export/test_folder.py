"""Writing a folder: its files, their names, and what happens when it fails."""

from __future__ import annotations

import json
import os
import tracemalloc
from pathlib import Path

import pypdfium2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from deepseek_ocr_rag.document.types import Block, Box, OcrDocument, Page
from deepseek_ocr_rag.errors import OutputError, PageRenderError
from deepseek_ocr_rag.export.filenames import file_stem
from deepseek_ocr_rag.export.folder import MAX_FIGURES, FolderWriter, write_folder
from deepseek_ocr_rag.samples import sample_path

pytestmark = pytest.mark.minimum

FIGURE = Box(0.1, 0.5, 0.9, 0.8)
CAPTION = "Figure 1. Electricity used by the six lights."


def page_of(number: int, *pieces: tuple[str, str, tuple[Box, ...]]) -> Page:
    """A page whose Markdown is its pieces with an empty line between them."""
    markdown, blocks = "", []
    for kind, text, boxes in pieces:
        if text and markdown:
            markdown += "\n\n"
        start = len(markdown)
        markdown += text
        blocks.append(Block(kind, text, boxes, (start, len(markdown))))
    return Page(number, markdown, tuple(blocks), width=595, height=842, backend="lite")


TEXT_PAGE = page_of(1, ("title", "# Six Lights", (Box(0.3, 0.1, 0.7, 0.2),)))
FIGURE_PAGE = page_of(
    3,
    ("text", "The fall began in 2022.", (Box(0.1, 0.1, 0.9, 0.2),)),
    ("image", "", (FIGURE,)),
    ("image_caption", CAPTION, (Box(0.1, 0.82, 0.9, 0.85),)),
)
FAILED_PAGE = Page(2, finish_reason="error", error="no reply --> try again")
DOCUMENT = OcrDocument("report.pdf", (TEXT_PAGE, FAILED_PAGE, FIGURE_PAGE), 3, "ab" * 32)


def picture(number: int) -> Image.Image:
    document = pypdfium2.PdfDocument(sample_path())
    rendered = document[number - 1].render(scale=0.5).to_pil().convert("RGB")
    document.close()
    return rendered


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_holds_texts_pages_and_figures(tmp_path: Path) -> None:
    written = write_folder(DOCUMENT, tmp_path / "new" / "out", picture=picture)
    expected = {
        "report.md",
        "report.json",
        "pages/page-0001.png",
        "pages/page-0003.png",
        "figures/page-0003-1.png",
    }
    assert names(tmp_path / "new" / "out") == expected
    assert {path.relative_to(tmp_path / "new" / "out").as_posix() for path in written} == expected


def test_the_json_is_the_document(tmp_path: Path) -> None:
    write_folder(DOCUMENT, tmp_path)
    data = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert data == DOCUMENT.to_dict()
    assert OcrDocument.from_dict(data) == DOCUMENT


def test_no_text_file_has_control_characters_and_the_json_is_the_document_still(
    tmp_path: Path,
) -> None:
    text = "a\x1b]0;owned\x07\x7f\x9b2J\u202eb"
    page = page_of(1, ("text", text, ()))
    document = OcrDocument(f"{text}.pdf", (page, Page(2, finish_reason="error", error=text)), 2)
    write_folder(document, tmp_path)
    (markdown,), (record,) = tmp_path.glob("*.md"), tmp_path.glob("*.json")
    written = markdown.read_text("utf-8") + record.read_text("utf-8") + record.name
    assert not any(c in written for c in "\x07\x1b\x7f\x9b\u202e")
    assert json.loads(record.read_text("utf-8")) == document.to_dict()


def test_a_document_without_pages_is_valid_too(tmp_path: Path) -> None:
    document = OcrDocument("empty.pdf")
    write_folder(document, tmp_path)
    assert json.loads((tmp_path / "empty.json").read_text()) == document.to_dict()
    assert (tmp_path / "empty.md").read_text() == ""


def test_the_markdown_numbers_its_pages_and_names_failed_ones(tmp_path: Path) -> None:
    write_folder(DOCUMENT, tmp_path)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert text == (
        "<!-- page 1 -->\n\n# Six Lights\n\n"
        "<!-- page 2 -->\n\n<!-- not read: no reply - -> try again -->\n\n"
        f"<!-- page 3 -->\n\nThe fall began in 2022.\n\n{CAPTION}\n\n"
    )


def test_a_figure_stands_at_its_place_under_its_caption(tmp_path: Path) -> None:
    write_folder(DOCUMENT, tmp_path, picture=picture)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert (
        "The fall began in 2022.\n\n"
        "![Figure 1. Electricity used by the six lights.](figures/page-0003-1.png)\n\n"
        f"{CAPTION}\n\n"
    ) in text


def test_a_figure_is_cut_from_the_page_without_outlines(tmp_path: Path) -> None:
    write_folder(DOCUMENT, tmp_path, picture=picture)
    page = picture(3)
    with Image.open(tmp_path / "figures" / "page-0003-1.png") as figure:
        x0, y0, _, _ = FIGURE.to_pixels(*page.size)
        place = (x0, y0, x0 + figure.width, y0 + figure.height)
        assert figure.tobytes() == page.crop(place).tobytes()
        assert figure.width == pytest.approx(0.8 * page.width, abs=2)


def test_page_pictures_show_the_boxes(tmp_path: Path) -> None:
    write_folder(DOCUMENT, tmp_path, picture=picture)
    with Image.open(tmp_path / "pages" / "page-0003.png") as drawn:
        assert drawn.size == picture(3).size
        assert drawn.tobytes() != picture(3).tobytes()


def test_several_figures_keep_their_order(tmp_path: Path) -> None:
    page = page_of(
        1,
        ("image", "", (FIGURE,)),
        ("image_caption", "One", ()),
        ("image", "", (FIGURE, FIGURE)),
        ("text", "between", ()),
        ("image", "", (FIGURE,)),
        ("figure_title", "Four", ()),
    )
    write_folder(OcrDocument("x.pdf", (page,), 1), tmp_path, picture=picture)
    assert (tmp_path / "x.md").read_text() == (
        "<!-- page 1 -->\n\n"
        "![One](figures/page-0001-1.png)\n\nOne\n\n"
        "![Figure on page 1](figures/page-0001-2.png)\n\n"
        "![Figure on page 1](figures/page-0001-3.png)\n\nbetween\n\n"
        "![Four](figures/page-0001-4.png)\n\nFour\n\n"
    )


def test_a_caption_cannot_break_out_of_the_alternative_text(tmp_path: Path) -> None:
    caption = "see](javascript:alert(1)) <img src=x>\n\n# no heading `code` \\"
    page = page_of(1, ("image", "", (FIGURE,)), ("image_caption", caption, ()))
    write_folder(OcrDocument("x.pdf", (page,), 1), tmp_path, picture=picture)
    line = (tmp_path / "x.md").read_text().splitlines()[2]
    assert line == (
        r"![see\]\(javascript:alert\(1\)\) \<img src=x\> \# no heading \`code\` \\]"
        "(figures/page-0001-1.png)"
    )


def test_figures_of_a_model_in_a_loop_are_bounded_and_the_rest_is_named(tmp_path: Path) -> None:
    page = page_of(1, *[("image", "", (Box(0.1, 0.1, 0.12, 0.12),))] * (MAX_FIGURES + 7))
    write_folder(OcrDocument("x.pdf", (page,), 1), tmp_path, picture=picture)
    assert len(list((tmp_path / "figures").iterdir())) == MAX_FIGURES
    assert "<!-- not written: 7 more pictures on this page -->" in (tmp_path / "x.md").read_text(
        encoding="utf-8"
    )


def test_pages_are_asked_for_once_and_only_where_they_were_read(tmp_path: Path) -> None:
    asked: list[int] = []

    def counting(number: int) -> Image.Image:
        asked.append(number)
        return picture(number)

    write_folder(DOCUMENT, tmp_path, picture=counting)
    assert asked == [1, 3]


def test_old_files_of_the_same_names_are_replaced_and_others_stay(tmp_path: Path) -> None:
    (tmp_path / "report.md").write_text("old")
    (tmp_path / "notes.txt").write_text("mine")
    write_folder(DOCUMENT, tmp_path)
    assert "Six Lights" in (tmp_path / "report.md").read_text()
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_pictures_of_an_earlier_document_of_the_same_name_go_and_other_files_stay(
    tmp_path: Path,
) -> None:
    write_folder(DOCUMENT, tmp_path, picture=picture)
    for name in ("pages/notes.txt", "figures/page-0003-1.jpg", "page-0001.png", "other.json"):
        (tmp_path / name).write_text("mine")
    other = OcrDocument("elsewhere/report.pdf", (TEXT_PAGE,), 1, "cd" * 32)
    written = write_folder(other, tmp_path, picture=picture)
    assert names(tmp_path) == {path.relative_to(tmp_path).as_posix() for path in written} | {
        "pages/notes.txt",
        "figures/page-0003-1.jpg",
        "page-0001.png",
        "other.json",
    }


def test_pictures_in_a_folder_that_holds_no_document_yet_stay(tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "page-0009.png").write_text("mine")
    write_folder(DOCUMENT, tmp_path, picture=picture)
    assert "pages/page-0009.png" in names(tmp_path)


def test_pictures_behind_a_link_stay(tmp_path: Path) -> None:
    write_folder(DOCUMENT, tmp_path / "out")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "page-0009.png").write_text("mine")
    (tmp_path / "out" / "pages").symlink_to(elsewhere)
    write_folder(DOCUMENT, tmp_path / "out")
    assert names(elsewhere) == {"page-0009.png"}


def test_nothing_has_its_name_before_the_last_page_is_in(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("old")
    with FolderWriter(tmp_path, source="report.pdf") as writer:
        writer.add_page(TEXT_PAGE)
        assert (tmp_path / "report.json").read_text() == "old"
    assert (tmp_path / "report.json").read_text() != "old"
    assert not list(tmp_path.glob(".writing-*"))


def break_off(folder: Path, error: Exception) -> None:
    """One of three pages, then an error."""
    with FolderWriter(folder, source="report.pdf", total_pages=3) as writer:
        writer.add_page(TEXT_PAGE)
        raise error


def test_after_an_error_the_old_files_stay_and_the_pages_read_are_kept(tmp_path: Path) -> None:
    (tmp_path / "report.md").write_text("old")
    with pytest.raises(PageRenderError, match="damaged"):
        break_off(tmp_path, PageRenderError("damaged", source="report.pdf", page=2))
    assert names(tmp_path) == {"report.md", "report.partial.md", "report.partial.json"}
    assert (tmp_path / "report.md").read_text() == "old"
    kept = OcrDocument.from_dict(json.loads((tmp_path / "report.partial.json").read_text()))
    assert (kept.pages, kept.total_pages) == ((TEXT_PAGE,), 3)


def test_an_error_before_the_first_page_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), FolderWriter(tmp_path, source="report.pdf"):
        raise KeyboardInterrupt
    assert names(tmp_path) == set()


def test_success_removes_what_an_earlier_failure_kept(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        break_off(tmp_path, KeyError())
    write_folder(DOCUMENT, tmp_path)
    assert names(tmp_path) == {"report.md", "report.json"}


def test_closing_twice_is_harmless_and_adding_afterwards_is_refused(tmp_path: Path) -> None:
    writer = FolderWriter(tmp_path, source="report.pdf")
    assert writer.close() == writer.close() == writer.paths
    with pytest.raises(OutputError, match="closed"):
        writer.add_page(TEXT_PAGE)


def test_lone_surrogates_from_a_pdf_do_not_stop_it(tmp_path: Path) -> None:
    write_folder(OcrDocument("x.pdf", (page_of(1, ("text", "a\ud800b", ())),), 1), tmp_path)
    data = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    assert data["pages"][0]["markdown"] == "a\ufffdb"


@pytest.mark.parametrize(
    ("source", "stem"),
    [
        ("report.pdf", "report"),
        ("../../x", "x"),
        ("a/b", "b"),
        ("/etc/passwd", "passwd"),
        ("C:\\Users\\me\\scan.TIFF", "scan"),
        ("https://example.org/papers/one.pdf?x=../..#p2", "one"),
        ("https://example.org/", "example.org"),
        ("version 1.2 of 3", "version 1.2 of 3"),
        ("über ‘alles’.pdf", "über ‘alles’"),
        ("a\0b\n.pdf", "a_b"),
        ("a\u2028b\u2029c.pdf", "a_b_c"),
        (".bashrc", "bashrc"),
        ("CON.pdf", "_CON"),
        ("nul", "_nul"),
        ("a:b*c?.png", "a_b_c"),
        ("..", "document"),
        ("", "document"),
        ("\ud800", "document"),
        ("///", "document"),
        ("é" * 5000 + ".pdf", "é" * 60),
    ],
)
def test_names_are_made_harmless(source: str, stem: str) -> None:
    assert file_stem(source) == stem


@settings(deadline=None, max_examples=200)
@given(st.text() | st.text(alphabet="./\\:~\0a\ud800 "))
def test_no_name_leads_out_of_the_folder(source: str) -> None:
    stem = file_stem(source)
    assert stem
    assert stem not in {".", ".."}
    assert not set(stem) & set('/\\\0<>:"|?*')
    assert not stem.startswith(".")
    assert len(stem.encode()) <= 121
    assert (Path("out") / f"{stem}.md").parent == Path("out")


@pytest.mark.parametrize("source", ["../../x", "a/b", "\0", "", "x" * 3000, "\ud800\udfff"])
def test_strange_sources_are_written_inside_the_folder_only(source: str, tmp_path: Path) -> None:
    write_folder(OcrDocument(source, (TEXT_PAGE,), 1), tmp_path / "out")
    assert {path.parent for path in tmp_path.rglob("*") if path.is_file()} == {tmp_path / "out"}
    assert len(names(tmp_path)) == 2


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no symbolic links here")
def test_links_do_not_lead_pictures_or_texts_out_of_the_folder(tmp_path: Path) -> None:
    outside, out = tmp_path / "outside", tmp_path / "out"
    outside.mkdir()
    out.mkdir()
    (outside / "target.md").write_text("precious")
    (out / "report.md").symlink_to(outside / "target.md")
    write_folder(DOCUMENT, out)
    assert (outside / "target.md").read_text() == "precious"
    (out / "pages").symlink_to(outside)
    with pytest.raises(OutputError, match="is a link to another folder"):
        write_folder(DOCUMENT, out, picture=picture)
    assert names(outside) == {"target.md"}


def test_a_folder_that_is_a_file_is_refused_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="cannot write to this folder") as caught:
        write_folder(DOCUMENT, tmp_path / "out")
    assert caught.value.remedy
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize("folder", ["a\0b", "a\ud800b"])
def test_a_folder_with_an_impossible_name_is_refused(folder: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        write_folder(DOCUMENT, tmp_path / folder)


def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "report.json").mkdir()
    with pytest.raises(OutputError):
        write_folder(DOCUMENT, tmp_path)
    assert not list(tmp_path.glob(".writing-*"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_reported_and_leaves_no_half_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Image.Image, file: object, *_: object, **__: object) -> None:
        with Path("/dev/full").open("wb", buffering=0) as device:
            device.write(b"x")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OutputError, match="No space left"):
        write_folder(DOCUMENT, tmp_path, picture=picture)
    assert names(tmp_path) == set()


def test_memory_does_not_grow_with_the_pages(tmp_path: Path) -> None:
    page = page_of(1, *[("text", "word " * 400, (FIGURE,))] * 5)
    with FolderWriter(tmp_path, source="long.pdf") as writer:
        for _ in range(50):
            writer.add_page(page)
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(400):
            writer.add_page(page)
        grown = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
    assert grown < 100_000, "400 pages of 10,000 characters were written"
    assert len(json.loads((tmp_path / "long.json").read_text())["pages"]) == 450
