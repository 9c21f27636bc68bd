"""The boxes of a chunk are found by its text: right, or none with the reason."""

from __future__ import annotations

import zlib
from base64 import b85encode

import pytest

from deepseek_ocr_rag import Block, Box, Page
from deepseek_ocr_rag.document.box_search import find_boxes, pack_text, unpack_text
from deepseek_ocr_rag.document.page_records import Record, page_records

TITLE, FIRST, SECOND, AGAIN = "# Lamps", "The keeper's *lamp*, lit.", "Total: 9 ½ l", "# Lamps"


def record() -> Record:
    blocks, texts, at = [], [], 0
    for number, text in enumerate((TITLE, FIRST, SECOND, AGAIN)):
        box = Box(0.1, 0.1 + number / 10, 0.9, 0.2 + number / 10)
        blocks.append(Block("text", text, (box,), (at, at + len(text))))
        texts.append(text)
        at += len(text) + 2
    page = Page(1, "\n\n".join(texts), tuple(blocks))
    (made,) = page_records(page, source="a.pdf", total_pages=1)
    return made


def tops(text: str, **noted: int) -> list[float]:
    found = find_boxes({**record().metadata, **noted}, text)
    return [entry["bbox"][1] for entry in found.entries]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (FIRST, [0.2]),
        ("eeper's *lam", [0.2]),
        (f"{FIRST} {SECOND}", [0.2, 0.3]),  # spaces changed
        ("the keeper ' s lamp , lit", [0.2]),  # tokens put together again
        ("Total: 9 1⁄2 l", [0.3]),
        ("lit.\n\nTo", [0.2, 0.3]),
        (f"{SECOND}\n\n{AGAIN}", [0.3, 0.4]),
        ("\ufffdotal: 9", [0.3]),  # cut in the middle of a character's bytes
    ],
)
@pytest.mark.parametrize("noted", [{}, {"start_index": -1}, {"start_index": 0}])
def test_a_part_has_the_boxes_of_its_text_wherever_its_splitter_says_it_begins(
    text: str, found: list[float], noted: dict[str, int]
) -> None:
    assert tops(text, **noted) == found


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (TITLE, "2 places"),
        ("l", "places"),
        ("a summary of the page", "does not occur in"),
        ("", "does not occur in"),
    ],
)
def test_what_cannot_be_placed_has_no_boxes_and_a_reason(text: str, reason: str) -> None:
    found = find_boxes(record().metadata, text)
    assert found.entries == ()
    assert found.reason is not None
    assert reason in found.reason


def test_a_noted_place_is_believed_only_where_the_text_is_whole_lines_once() -> None:
    text = "i\n\nThis is it.\n\nEnd."
    box = [{"kind": "text", "bbox": [0, y / 10, 1, 1], "start": a, "end": b} for y, a, b in
           ((1, 0, 1), (2, 3, 14), (3, 16, 20))]  # fmt: skip
    metadata = {"boxes": box, "boxes_text": pack_text(text)}
    assert find_boxes({**metadata, "start_index": 0}, "i").entries == (box[0],)
    for wrong in ({}, {"start_index": 5}, {"start_index": -1}):
        assert find_boxes({**metadata, **wrong}, "i").entries == ()


def test_metadata_without_the_text_gives_nothing_unless_it_is_one_block() -> None:
    metadata = {k: v for k, v in record().metadata.items() if k != "boxes_text"}
    assert "boxes_text" in str(find_boxes(metadata, FIRST).reason)
    one = {"boxes": [{"kind": "text", "bbox": [0, 0, 1, 1], "start": 0, "end": 9}]}
    assert find_boxes(one, "it is").entries == tuple(one["boxes"])
    assert find_boxes(one, "much longer than that").entries == ()


@pytest.mark.parametrize("packed", ["", "no base85: é", "c-", pack_text("x")[:-4], "0" * 40])
def test_damaged_metadata_give_nothing(packed: str) -> None:
    assert unpack_text(packed) is None
    assert find_boxes({**record().metadata, "boxes_text": packed}, FIRST).entries == ()


def test_a_text_that_unfolds_into_gigabytes_is_not_unfolded() -> None:
    bomb = b85encode(zlib.compress(b"a" * 64 * 1024 * 1024, 9)).decode()
    assert unpack_text(bomb) is None


@pytest.mark.parametrize("boxes", [7, "[", "[1]", [None], [{"start": 1}], "{}", {}])
def test_boxes_of_any_form_do_no_harm(boxes: object) -> None:
    assert find_boxes({"boxes": boxes}, "text").entries == ()
