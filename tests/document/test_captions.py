"""Captions are matched to figures and tables by reading order and position."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepseek_ocr_rag.document.captions import companions
from deepseek_ocr_rag.document.grammar.parser import parse_document
from deepseek_ocr_rag.document.types import Block, Box

BOX = Box(0.1, 0.1, 0.9, 0.9)


def blocks_of(*kinds: str) -> list[Block]:
    """Blocks of these kinds, texts as if the kind were one, all without boxes."""
    return [Block(kind, "" if kind == "image" else f"a {kind}") for kind in kinds]


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (("image", "image_caption"), {0: (1,)}),
        (("image_caption", "image"), {1: (0,)}),
        (("table_caption", "table"), {1: (0,)}),
        (("table", "table_footnote"), {0: (1,)}),
        (("image", "image_caption", "image_caption"), {0: (1, 2)}),
        (("image", "figure_title", "text"), {0: (1,)}),
        (("table", "figure_title"), {0: (1,)}),
        (("image", "text", "image_caption"), {0: ()}),
    ],
)
def test_a_caption_belongs_to_what_it_stands_beside(
    kinds: tuple[str, ...], expected: dict[int, tuple[int, ...]]
) -> None:
    assert companions(blocks_of(*kinds)) == expected


def test_between_two_figures_without_boxes_a_caption_belongs_to_the_upper() -> None:
    assert companions(blocks_of("image", "image_caption", "image")) == {0: (1,), 2: ()}


def test_between_two_tables_without_boxes_a_caption_belongs_to_the_lower() -> None:
    assert companions(blocks_of("table", "table_caption", "table")) == {0: (), 2: (1,)}


def test_a_caption_prefers_its_own_kind() -> None:
    assert companions(blocks_of("table", "image_caption", "image")) == {0: (), 2: (1,)}


def test_the_nearer_of_two_figures_gets_the_caption() -> None:
    upper = Block("image", "", (Box(0.1, 0.1, 0.9, 0.3),))
    caption = Block("image_caption", "Figure 2", (Box(0.1, 0.55, 0.9, 0.6),))
    lower = Block("image", "", (Box(0.1, 0.6, 0.9, 0.9),))
    assert companions([upper, caption, lower]) == {0: (), 2: (1,)}


@pytest.mark.parametrize(
    ("text", "is_caption"),
    [
        ("Table 2 | Results on the test set", True),
        ("Table 2. Results on the test set", True),
        ("Tabelle A1: Preise", True),
        ("Table 2 Results on the test set", True),
        ("表1 系统结构", True),
        ("Table 2 shows that the second is faster.", False),
        ("Tables are shown below.", False),
        ("Figure 2: The lamp", False),
    ],
)
def test_plain_text_above_a_table_can_be_its_caption(text: str, is_caption: bool) -> None:
    blocks = [Block("text", text, (BOX,)), Block("table", "| a |", (BOX,))]
    assert companions(blocks) == {1: (0,) if is_caption else ()}


def test_text_in_the_box_of_a_picture_belongs_to_it() -> None:
    blocks = [
        Block("image", "", (BOX,)),
        Block("text", "Sales 2021", (BOX,)),
        Block("text", "Sales 2022", (BOX,)),
        Block("image_caption", "Figure 1"),
    ]
    assert companions(blocks) == {0: (1, 2, 3)}


def test_every_figure_and_table_of_a_real_paper_has_its_own_caption(shared: Path) -> None:
    file = shared / "model-outputs" / "11_deepseek_OCR_paper_PR" / "DeepSeek_OCR_paper_det.mmd"
    found = []
    for page in parse_document(file.read_text("utf-8")).pages:
        for owner, members in companions(page.blocks).items():
            captions = [page.blocks[i].text for i in members]
            found += [(page.blocks[owner].kind, caption.split(" | ")[0]) for caption in captions]
    assert sorted(c for c in found if c[1].startswith(("Figure", "Table"))) == sorted(
        [("image", f"Figure {n}") for n in range(1, 14)]
        + [("table", f"Table {n}") for n in range(1, 5)]
    )


def test_thousands_of_captions_are_matched_fast() -> None:
    blocks = blocks_of("image", *["image_caption"] * 20_000)
    assert len(companions(blocks)[0]) == 20_000
