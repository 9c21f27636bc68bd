"""Text to ids and back, with every tag kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.model.tokenizer import BOS, EOS, IMAGE, PAD, ModelTokenizer, prompt_ids

PAGE = "<|ref|>title<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|>\n# Hällo 你好 😀 \\(x\\)\n\n<table><tr><td>1</td></tr></table>"


@pytest.fixture(scope="session")
def tokenizer(shared: Path) -> ModelTokenizer:
    return ModelTokenizer.from_file(shared / "deepseek-ocr-files" / "tokenizer.json")


def test_prompts_are_those_of_the_published_code(tokenizer, golden_case) -> None:
    ids = prompt_ids(tokenizer, golden_case.prompt, golden_case.facts["image_tokens"])
    assert ids == golden_case.arrays("expected")["input_ids"].tolist()


def test_tags_and_table_cells_survive(tokenizer: ModelTokenizer) -> None:
    assert tokenizer.decode(tokenizer.encode(PAGE)) == PAGE


def test_the_ids_of_the_design_are_those_of_the_tokenizer(tokenizer: ModelTokenizer) -> None:
    assert tokenizer.encode("<|ref|><|/ref|><|det|><|/det|><|grounding|><td></td><tr></tr>") == [
        *range(128816, 128825)
    ]


def test_end_and_padding_are_no_text(tokenizer: ModelTokenizer) -> None:
    ids = tokenizer.encode("a")
    assert tokenizer.decode([BOS, *ids, EOS, PAD, PAD, IMAGE]) == "a"


def test_a_prompt_with_a_picture_of_its_own_is_refused(tokenizer: ModelTokenizer) -> None:
    with pytest.raises(ConfigurationError, match="<image>"):
        prompt_ids(tokenizer, "compare <image> with it", 10)


def test_ends_say_which_token_wrote_which_characters(tokenizer: ModelTokenizer) -> None:
    ids = tokenizer.encode(PAGE)
    text, ends = tokenizer.decode_with_ends(ids)
    assert text == PAGE
    assert len(ends) == len(ids)
    assert ends[0] == len("<|ref|>")
    assert ends[-1] == len(PAGE)


def test_no_tokens_have_no_ends_and_an_end_token_has_an_empty_one(
    tokenizer: ModelTokenizer,
) -> None:
    assert tokenizer.decode_with_ends([]) == ("", ())
    assert tokenizer.decode_with_ends([EOS]) == ("", (0,))


@settings(max_examples=60, deadline=None)
@given(ids=st.lists(st.integers(3, 129_279), max_size=60))
def test_any_tokens_stream_to_the_text_that_they_decode_to(tokenizer, ids: list[int]) -> None:
    """A model without training writes halves of characters in any order."""
    text, ends = tokenizer.decode_with_ends(ids)
    assert list(ends) == sorted(ends)
    stream = tokenizer.stream()
    streamed = "".join(stream.push(token) for token in ids)
    assert text.startswith(streamed)
    assert text == tokenizer.decode(ids)


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=80))
def test_text_survives(tokenizer: ModelTokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == text.encode("utf-8", "replace").decode()


@pytest.mark.parametrize("content", ["", "{}", "nonsense"])
def test_what_is_no_tokenizer_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=r"tokenizer\.json"):
        ModelTokenizer.from_file(path)


def test_the_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel

    Tokenizer(WordLevel({"a": 0}, unk_token="a")).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ConfigurationError, match="DeepSeek-OCR"):
        ModelTokenizer.from_file(tmp_path / "tokenizer.json")
