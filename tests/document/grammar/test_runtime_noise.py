"""The output of runtimes around the text is left out, and nothing else."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag.document.grammar.parser import ParsedPage, parse_page
from deepseek_ocr_rag.document.grammar.runtime_noise import split_pages

BANNER = (
    "=====================\nBASE:  torch.Size([1, 256, 1280])\n"
    "PATCHES:  torch.Size([6, 100, 1280])\n=====================\n"
)
STATISTICS = (
    f"\n{'=' * 50}\nimage size:  (1448, 1834)\nvalid image tokens:  802\n"
    f"output texts tokens (valid):  926\ncompression ratio:  1.15\n{'=' * 50}\n"
)
SAVED = "===============save results:===============\n"


def tag(label: str, *boxes: tuple[int, ...]) -> str:
    places = ", ".join(str(list(box)) for box in boxes or [(1, 2, 3, 4)])
    return f"<|ref|>{label}<|/ref|><|det|>[{places}]<|/det|>"


def seen(page: ParsedPage) -> list[tuple[str, str]]:
    return [(block.kind, block.text) for block in page.blocks]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (BANNER, ""),
        (BANNER.replace("PATCHES:  torch.Size([6, 100, 1280])", "NO PATCHES"), ""),
        ("", STATISTICS + SAVED),
        ("", STATISTICS + SAVED + "image: 0it [00:00, ?it/s]\n"),
        ("", "\n" + SAVED + "other: 100%|███| 7/7 [00:00<00:00, 6995.50it/s]\n"),
        ("", "<｜end▁of▁sentence｜>"),
        ("", "\n[Unsupported content type: UsageContent]"),
        ("", "INFO 10-25 03:12:45 [async_llm.py:312] Added request\nINFO 10-25 03:12:46 [a.py:1] x"),
        ("", "(EngineCore_0 pid=7) INFO 10-25 03:12:45 [core.py:3] Shutting down"),
        ("The attention mask and the pad token id were not set. As a\n" + BANNER, ""),
        (BANNER + "The attention layers in this model are transitioning from computing the RoPE "
         "embeddings internally\n", ""),
        ("<PAGE>\n", "\n<--- Page Split --->\n"),
    ],
)  # fmt: skip
def test_output_of_runtimes_is_left_out(before, after):
    page = parse_page(f"{before}{tag('text')}\nreal text.{after}")
    assert seen(page) == [("text", "real text.")]


@pytest.mark.parametrize(
    "text",
    [
        "=====================",
        "BASE:  torch.Size([1, 256, 1280])",
        "The attention mask and the pad token id were not set.",
        "image size:  (1, 2)",
        "compression ratio:  1.15",
        "see <PAGE> in the text",
        "twice: <PAGE><PAGE>",
        "INFO 10-25 03:12:45 [a.py:1] started\nINFO 10-25 03:12:46 [a.py:2] ready",
        "an image: 0it of it",
        "save results:",
        "[Unsupported content type: UsageContent] is what it says",
    ],
)
def test_text_that_only_resembles_noise_is_kept(text):
    assert parse_page(f"{tag('text')}\n{text}").markdown == text


def test_markers_inside_of_noise_are_not_tags():
    warning = f"You are using a model of type {tag('title')}\n"
    page = parse_page(f"{warning}{BANNER}{tag('text')}\nA")
    assert seen(page) == [("text", "A")]
    assert page.warnings == ()


def test_text_behind_noise_stands_outside_of_the_tag_before():
    page = parse_page(f"{tag('text')}\na{STATISTICS}something else")
    assert seen(page) == [("text", "a"), ("", "something else")]


def test_pages_are_split_at_marks_and_banners():
    assert split_pages(
        "a\n<--- Page Split --->\n\n<--- Page Split --->\nc\n<--- Page Split --->\n"
    ) == [
        "a\n",
        "\n\n",
        "\nc\n",
    ]
    assert [page.strip() for page in split_pages("<PAGE>\na\n<PAGE>\nb")] == ["a", "b"]
    assert [page.strip() for page in split_pages(f"{BANNER}a.{BANNER}b")] == ["a.", "b"]
    assert split_pages("no mark") == ["no mark"]


def test_a_page_mark_may_stand_right_behind_text_if_a_tag_follows():
    assert split_pages("<PAGE><|det|>a<PAGE><|det|>b") == ["<|det|>a", "<|det|>b"]


def test_page_marks_in_a_row_are_empty_pages():
    assert split_pages("<PAGE>a\n<PAGE><PAGE>\nb") == ["<PAGE>a\n", "", "\nb"]
