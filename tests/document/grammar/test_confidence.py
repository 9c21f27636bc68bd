"""The confidence of blocks, from the log-probabilities of a reply's tokens."""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepseek_ocr_rag import Page, Reader, ReplayBackend, parse_page
from deepseek_ocr_rag.backends.replay_format import RecordedReply
from deepseek_ocr_rag.document.grammar.confidence import block_confidences, page_confidence
from deepseek_ocr_rag.grammar import TokenLogprob, format_page
from deepseek_ocr_rag.model.tokenizer import ModelTokenizer

WHOLE_TAG = re.compile(r"<\|ref\|>[^<\n]*<\|/ref\|><\|det\|>\[\[[0-9, \[\]]*\]\]<\|/det\|>")
TITLE = "<|ref|>title<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|>\n"
TEXT = "<|ref|>text<|/ref|><|det|>[[5, 6, 7, 8]]<|/det|>\n"
IMAGE = "<|ref|>image<|/ref|><|det|>[[5, 6, 7, 8]]<|/det|>\n"


@pytest.fixture(scope="module")
def tokenizer(shared: Path) -> ModelTokenizer:
    return ModelTokenizer.from_file(shared / "deepseek-ocr-files" / "tokenizer.json")


def pieces(*parts: tuple[str, float]) -> tuple[str, list[TokenLogprob]]:
    """A reply made of tokens, each with its probability."""
    text, tokens = "", []
    for part, probability in parts:
        text += part
        tokens.append(TokenLogprob(len(text), math.log(probability)))
    return text, tokens


def confidences(text: str, tokens: Sequence[TokenLogprob]) -> list[float | None]:
    return [block.confidence for block in block_confidences(parse_page(text), text, tokens)]


def geometric_mean(probabilities: Sequence[float]) -> float:
    return math.prod(probabilities) ** (1 / len(probabilities))


# --- real replies ------------------------------------------------------------------------


def test_blocks_of_real_replies_have_the_geometric_mean_of_their_own_tokens(
    shared: Path, tokenizer: ModelTokenizer
) -> None:
    """Computed a second way, token by token, over pages of whole tags and texts."""
    folder = shared / "model-outputs"
    entries = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    chance = random.Random(7)
    checked = 0
    for entry in chance.sample(entries, 60):
        raw = (folder / entry["file"]).read_text(encoding="utf-8")
        parsed = parse_page(raw)
        tags = [match.span() for match in WHOLE_TAG.finditer(raw)]
        if len(parsed.blocks) != len(tags) or parsed.warnings or "=====" in raw:
            continue
        text, ends = tokenizer.decode_with_ends(tokenizer.encode(raw))
        assert text == raw
        tokens = [TokenLogprob(end, -chance.random()) for end in ends]
        following = [start for start, _ in tags[1:]] + [len(raw)]
        for block, tag, end in zip(
            block_confidences(parsed, raw, tokens), tags, following, strict=True
        ):
            if "<table" in raw[tag[0] : end]:
                continue  # a caption may hold it
            expected = own_confidence(raw, (tag[1], end) if block.text else tag, tokens)
            assert block.confidence == pytest.approx(expected, abs=1e-6)
            checked += 1
    assert checked > 100


def own_confidence(raw: str, stretch: tuple[int, int], tokens: Sequence[TokenLogprob]) -> float:
    body = raw[slice(*stretch)]
    start, end = stretch[1] - len(body.lstrip()), stretch[0] + len(body.rstrip())
    own = [
        token.logprob
        for before, token in zip([0, *(token.end for token in tokens)], tokens, strict=False)
        if before < end and (token.end > start or before >= start)
    ]
    return math.exp(sum(own) / len(own))


def test_characters_of_several_tokens_count_with_all_of_them(tokenizer: ModelTokenizer) -> None:
    text, ends = tokenizer.decode_with_ends(tokenizer.encode(f"{TEXT}𒀀"))
    inside = [end for end in ends if end >= len(TEXT)]
    assert len(inside) > 2  # the line end before it, and more than one for the character
    logprobs = [TokenLogprob(end, -1.0) for end in ends]
    logprobs[-2] = TokenLogprob(ends[-2], -5.0)
    (confidence,) = confidences(text, logprobs)
    parts = len(inside) - 1
    assert confidence == pytest.approx(math.exp((-5 - (parts - 1)) / parts), abs=1e-6)


def test_lines_of_the_ocr_prompt_have_the_confidence_of_their_text(shared: Path) -> None:
    raw = (shared / "model-outputs/05_simonw_research/log_grounding_OCR_this_image.txt").read_text(
        encoding="utf-8"
    )
    start = raw.index("TECHNOLOGY")
    logprobs = [
        TokenLogprob(at + 1, math.log(0.5) if start <= at < start + 10 else 0.0)
        for at in range(len(raw))
    ]
    blocks = block_confidences(parse_page(raw), raw, logprobs)
    assert next(b for b in blocks if b.text == "TECHNOLOGY").confidence == 0.5
    assert {b.confidence for b in blocks if b.text != "TECHNOLOGY"} == {1.0}


def test_a_line_that_is_a_part_of_its_own_marker_has_its_own_confidence() -> None:
    text, tokens = pieces(
        ("<|ref|>", 0.1), ("e", 0.9), ("<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|>", 0.1)
    )
    assert confidences(text, tokens) == [0.9]


def test_paragraphs_without_tags_have_their_own_confidence(shared: Path) -> None:
    raw = (shared / "model-outputs/05_simonw_research/log_free_ocr.txt").read_text("utf-8")
    start = raw.index("Elaine Moore")
    logprobs = [
        TokenLogprob(at + 1, math.log(0.5) if start <= at < start + 12 else 0.0)
        for at in range(len(raw))
    ]
    blocks = block_confidences(parse_page(raw), raw, logprobs)
    assert [b.text for b in blocks if b.confidence != 1.0] == ["Elaine Moore"]


# --- what counts -------------------------------------------------------------------------


def test_the_confidence_is_the_geometric_mean_of_the_probabilities() -> None:
    text, tokens = pieces(("a ", 0.9), ("b", 0.4))
    assert page_confidence(tokens) == pytest.approx(0.6)
    assert confidences(text, tokens) == [pytest.approx(0.6)]


def test_without_tokens_nothing_is_known() -> None:
    parsed = parse_page(f"{TEXT}a")
    assert block_confidences(parsed, f"{TEXT}a", ()) == parsed.blocks
    assert parsed.blocks[0].confidence is None
    assert page_confidence(()) is None


def test_neither_tags_nor_white_space_count_for_a_text_but_they_do_for_a_page() -> None:
    text, tokens = pieces(
        (TITLE[:-1], 0.5), ("\n", 0.1), ("Re", 0.9), ("port", 0.9), ("  \n\n", 0.1)
    )
    assert confidences(text, tokens) == [pytest.approx(0.9)]
    assert page_confidence(tokens) == pytest.approx(geometric_mean([0.5, 0.1, 0.9, 0.9, 0.1]))


def test_the_marks_that_a_heading_gets_from_us_change_nothing() -> None:
    text, tokens = pieces((TITLE, 0.5), ("Report", 0.8))
    (block,) = block_confidences(parse_page(text), text, tokens)
    assert (block.text, block.confidence) == ("# Report", 0.8)


def test_a_picture_has_the_confidence_of_its_tag() -> None:
    text, tokens = pieces((IMAGE[:20], 0.9), (IMAGE[20:-1], 0.4), ("\n\n", 0.1), (f"{TEXT}a", 0.7))
    assert confidences(text, tokens) == [pytest.approx(0.6), pytest.approx(0.7)]


def test_unlimited_ocrs_tags_do_not_count_either() -> None:
    text, tokens = pieces(("<|det|>text [1, 2, 3, 4]<|/det|>", 0.1), ("a", 0.9), ("\n", 0.1))
    assert confidences(text, tokens) == [0.9]


def test_a_token_that_reaches_over_the_edge_counts() -> None:
    text, tokens = pieces((TEXT, 0.5), ("a", 0.9), (".\n\n", 0.4))
    assert confidences(text, tokens) == [pytest.approx(0.6)]


def test_a_table_and_the_text_around_it_are_told_apart() -> None:
    table = "<table><tr><td>1</td></tr></table>"
    text, tokens = pieces((TEXT, 0.1), ("before", 0.9), (table, 0.8), ("behind", 0.7))
    assert confidences(text, tokens) == [0.9, 0.8, 0.7]


def test_a_caption_that_holds_the_table_is_told_apart_from_it() -> None:
    tags = (
        "<|ref|>table<|/ref|><|det|>[[1, 200, 3, 400]]<|/det|>\n"
        "<|ref|>table_caption<|/ref|><|det|>[[1, 100, 3, 150]]<|/det|>\n"
    )
    table = "<table><tr><td>1</td></tr></table>"
    text, tokens = pieces((tags, 0.1), ("Table 1", 0.9), ("\n\n", 0.1), (table, 0.8))
    blocks = block_confidences(parse_page(text), text, tokens)
    assert [(b.kind, b.confidence) for b in blocks] == [("table_caption", 0.9), ("table", 0.8)]


def test_blocks_of_a_body_with_a_stray_marker_share_their_confidence() -> None:
    table = "<table><tr><td>1</td></tr></table>"
    text, tokens = pieces((TEXT, 0.1), ("a<|/ref|>b", 0.9), (table, 0.4))
    assert confidences(text, tokens) == [pytest.approx(0.6)] * 2


def test_line_ends_of_windows_do_not_move_the_tokens() -> None:
    text, tokens = pieces(
        (TEXT.replace("\n", "\r\n"), 0.1),
        ("a\r\nb", 0.9),
        ("\r\n\r\n", 0.1),
        (f"{TEXT}", 0.1),
        ("c", 0.7),
    )
    assert confidences(text, tokens) == [0.9, 0.7]


def test_the_end_token_belongs_to_no_block() -> None:
    text, tokens = pieces((TEXT, 0.5), ("a", 0.9), ("", 0.1))
    assert confidences(text, tokens) == [0.9]


@pytest.mark.parametrize("impossible", [-math.inf, math.nan, -9999.0])
def test_an_impossible_token_does_not_outweigh_a_page(impossible: float) -> None:
    tokens = [TokenLogprob(n + 1, 0.0) for n in range(999)]
    assert page_confidence([*tokens, TokenLogprob(1000, impossible)]) == pytest.approx(
        math.exp(-0.1), abs=1e-6
    )


PARTS = "<|ref|> text <|/ref|> <|det|> [[1,2,3,4]] <|/det|> a <table> </table> <td> <PAGE> &amp;"


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([*PARTS.split(), "# b", " ", "\n", "\r\n", ""]), st.floats(-50, 0)
        ),
        max_size=40,
    )
)
def test_any_reply_gives_confidences_between_its_tokens(made: list[tuple[str, float]]) -> None:
    text, tokens = "", []
    for part, logprob in made:
        text += part
        tokens.append(TokenLogprob(len(text), logprob))
    known = [c for c in [*confidences(text, tokens), page_confidence(tokens)] if c is not None]
    for confidence in known:
        least, most = min(logprob for _, logprob in made), max(logprob for _, logprob in made)
        assert math.exp(least) - 1e-6 <= confidence <= math.exp(most) + 1e-6


# --- through the reader ------------------------------------------------------------------


def read(sample_pdf: Path, reply: RecordedReply) -> Page:
    with Reader(ReplayBackend([reply])) as reader:
        (page,) = reader.read(sample_pdf, pages=[1])
    return page


def test_a_page_that_the_reader_returns_has_confidences(sample_pdf: Path) -> None:
    text, tokens = pieces((TITLE, 0.5), ("Report", 0.8), ("\n\n", 1.0), (TEXT, 0.5), ("a", 0.7))
    page = read(sample_pdf, RecordedReply(1, text, logprobs=tuple(tokens)))
    assert [block.confidence for block in page.blocks] == [0.8, 0.7]
    assert page.confidence == page_confidence(tokens)
    assert page.blocks[1].section == ("Report",)


def test_a_page_of_a_backend_without_probabilities_has_no_confidence(sample_pdf: Path) -> None:
    page = read(sample_pdf, RecordedReply(1, format_page(parse_page(f"{TEXT}a").blocks)))
    assert [block.confidence for block in page.blocks] == [None]
    assert page.confidence is None
