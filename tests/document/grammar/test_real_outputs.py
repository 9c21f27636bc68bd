"""The grammar over every stored real output: nothing lost, nothing invented, in order."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmark_scripts import load_benchmark
from tagged_text import check_layout, grids, seen

from deepseek_ocr_rag.document.grammar.parser import (
    ParsedPage,
    clean,
    format_page,
    parse_document,
    parse_page,
)

ORACLE = load_benchmark("safety/grammar.py")


@pytest.fixture(scope="module")
def real_outputs(shared: Path) -> dict[str, str]:
    folder = shared / "model-outputs"
    entries = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert entries
    return {entry["file"]: (folder / entry["file"]).read_text("utf-8") for entry in entries}


def test_real_outputs_lose_no_character(real_outputs):
    lost = {}
    for name, raw in real_outputs.items():
        page = parse_page(raw)
        check_layout(page)
        missing = ORACLE.lost_characters(raw, page)
        if missing:
            lost[name] = missing
    assert lost == {}


def test_real_outputs_keep_the_order_and_get_nothing_invented(real_outputs):
    different = []
    for name, raw in real_outputs.items():
        page = parse_page(raw)
        found = "".join(map(ORACLE.block_text, page.blocks))
        # Headings get "#" that the model left out.
        if found.replace("#", "") != ORACLE.expected_text(raw, page).replace("#", ""):
            different.append(name)
    assert different == []


def test_the_check_for_lost_characters_notices_a_loss(real_outputs):
    raw = next(raw for raw in real_outputs.values() if "<table" in raw)
    page = parse_page(raw)
    for number, block in enumerate(page.blocks):
        others = page.blocks[:number] + page.blocks[number + 1 :]
        lost = ORACLE.lost_characters(raw, ParsedPage(page.markdown, others))
        assert bool(lost) == bool(block.text)


def test_real_outputs_survive_being_written_and_read_again(real_outputs):
    for name, raw in real_outputs.items():
        page = parse_page(raw)
        again = parse_page(format_page(page.blocks))
        assert seen(again) == seen(page), name
        assert grids(again) == grids(page), name
        assert again.warnings == (), name


def test_a_real_table_under_its_caption_gets_the_table_tags_box(real_outputs):
    page = parse_page(real_outputs["10_docling_tests/deepseek_example.md"])
    caption, table = next(
        (a, b) for a, b in zip(page.blocks, page.blocks[1:], strict=False) if b.kind == "table"
    )
    assert caption.kind == "table_caption"
    assert caption.text.startswith("Table 1. HPO performed")
    assert [box.to_grid() for box in caption.boxes] == [(217, 342, 785, 413)]
    assert [box.to_grid() for box in table.boxes] == [(225, 421, 777, 595)]
    assert table.table is not None
    assert table.table.to_rows()[0][:2] == ("# enc-layers", "# dec-layers")
    assert table.text == table.table.to_html()


def test_real_text_before_the_first_tag_is_a_block_without_kind(real_outputs):
    first = parse_page(real_outputs["10_docling_tests/deepseek_simple.md"]).blocks[0]
    assert first.kind == ""
    assert first.boxes == ()
    assert first.text.startswith("order to compute the TED score.")


def test_real_lines_of_the_ocr_prompt_are_text(real_outputs):
    page = parse_page(real_outputs["05_simonw_research/log_grounding_OCR_this_image.txt"])
    assert {block.kind for block in page.blocks} == {"text"}
    lines = {block.text: [box.to_grid() for box in block.boxes] for block in page.blocks}
    assert lines["TECHNOLOGY"] == [(33, 199, 127, 230)]


def test_a_real_document_of_22_pages_is_cut_into_its_pages(real_outputs):
    document = parse_document(
        real_outputs["11_deepseek_OCR_paper_PR/DeepSeek_OCR_paper_det.mmd"], source="paper"
    )
    assert [page.number for page in document] == list(range(1, 23))
    assert document.page(1).blocks[0].text == "# DeepSeek-OCR: Contexts Optical Compression"
    assert "Page Split" not in document.to_markdown()
    # Page 2 begins in the middle of a section that page 1 opened.
    assert document.page(2).blocks[-1].section


def test_real_free_ocr_becomes_headings_and_paragraphs(real_outputs):
    page = parse_page(real_outputs["05_simonw_research/log_free_ocr.txt"])
    assert seen(page)[:2] == [("title", "# The perils of vibe coding"), ("text", "Elaine Moore")]
    assert page.blocks[1].section == ("The perils of vibe coding",)
    assert "save results" not in page.markdown


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_real_blocks_stand_where_their_origins_say(real_outputs, line_end):
    checked = 0
    for name, text in real_outputs.items():
        raw = text.replace("\n", line_end)
        page = parse_page(raw)
        if page.warnings:
            continue  # the markers of a broken tag stand between the parts of its text
        end = 0
        for block, origin in zip(page.blocks, page.origins, strict=True):
            assert end <= origin[0] < origin[1], name
            end = origin[1]
            written = raw[slice(*origin)].replace(line_end, "\n")
            if block.html is not None:
                assert written.strip() == block.html, name
            elif block.text:
                assert block.text.lstrip("# ") == clean(written).lstrip("# "), name
            else:
                assert written.startswith("<|ref|>"), name
                assert written.endswith("<|/det|>"), name
            checked += 1
    assert checked > 1000
