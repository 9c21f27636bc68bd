"""The output of runtimes around the text is left out, and nothing else."""

from __future__ import annotations

import pytest
from PIL import Image
from tagged_text import BANNER, SAVED, STATISTICS, seen, tag

from deepseek_ocr_rag import Reader
from deepseek_ocr_rag.backends import ReplayBackend
from deepseek_ocr_rag.document.grammar.parser import parse_page
from deepseek_ocr_rag.document.grammar.runtime_noise import split_pages


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
        # A log line that begins in the middle of a line once took the rest of it along.
        "You owe 100 EURINFO 11-24 12:00:00 [pay.py:1] and 900 EUR more",
        "A totalERROR 11-24 12:00:00 [a.py:1] x\nINFO 11-24 12:00:01 [b.py:2] 900 EUR",
        "100 EUR(EngineCore_0 pid=7) INFO 10-25 03:12:45 [core.py:3] and 900 EUR",
        "He wrote <--- Page Split ---> between them",
        "before ===============save results:=============== after",
        "100 EUR [Unsupported content type: UsageContent]",
        "a total image: 100%|███| 7/7 [00:00<00:00, 6995.50it/s]",
        "100 EUR <PAGE> 900 EUR",
        "<｜end▁of▁sentence｜> is a token",
    ],
)
def test_text_that_only_resembles_noise_is_kept(text):
    assert parse_page(f"{tag('text')}\n{text}").markdown == text


def test_statistics_right_behind_text_take_only_their_own_lines():
    """As in a real recording: "... provide a====" and the figures of the run."""
    page = parse_page(f"{tag('text')}\nprovide a = b{STATISTICS.lstrip()}")
    assert seen(page) == [("text", "provide a = b")]


WRITTEN = [
    BANNER.strip(), STATISTICS.strip(), SAVED.strip(), "<--- Page Split --->", "<PAGE>", "a <PAGE>",
    "The attention mask and the pad token id were not set.", "image: 0it [00:00, ?it/s]",
    "[Unsupported content type: UsageContent]", "INFO 10-25 03:12:45 [a.py:1] started",
    "x.py:3: UserWarning: y",
]  # fmt: skip


@pytest.mark.parametrize("line", WRITTEN)
@pytest.mark.parametrize("form", ["{}", "words\n{}", "{}\nwords", "words\n\n{}\n\nwords"])
def test_nothing_is_noise_in_what_a_backend_just_wrote(line, form):
    text = form.format(line)
    assert parse_page(f"{tag('text')}\n{text}", recorded=False).markdown == text


@pytest.mark.parametrize(
    "written",
    [
        f"<PAGE>\n{tag('text')}\nwords",
        f"<PAGE>{tag('text')}\nwords",
        f"<PAGE><PAGE>\n{tag('text')}\nwords",
        f"{tag('text')}\nwords<｜end▁of▁sentence｜>\n",
        f"{tag('text')}\nwords\n<PAGE>{tag('image')}",
        "<PAGE>\nwords",
    ],
)
def test_the_models_own_marks_are_left_out_everywhere(written):
    for recorded in (True, False):
        assert parse_page(written, recorded=recorded).markdown == "words"


def test_a_reader_loses_no_line_of_a_reply_that_looks_like_noise(tmp_path):
    reply = f"{tag('text')}\n100 EUR{STATISTICS}900 EUR\n{SAVED}"
    picture = tmp_path / "a.png"
    Image.new("RGB", (60, 80), "white").save(picture)
    with Reader(ReplayBackend([reply]), cache=False) as reader:
        (page,) = reader.read(picture).pages
    assert page.markdown == f"100 EUR{STATISTICS}900 EUR\n{SAVED}".rstrip()


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
