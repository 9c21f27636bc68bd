"""What the model sees of a sample, and which tokens it learns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from training_pages import ANSWERS, PROMPT

from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.model.families import FAMILIES
from deepseek_ocr_rag.model.tokenizer import BOS, EOS, IMAGE, ModelTokenizer
from deepseek_ocr_rag.training import TrainingSample, check_samples
from deepseek_ocr_rag.training.targets import EncodedPage, encode

FAMILY = FAMILIES["deepseek-ocr"]


@pytest.fixture
def tokenizer(folders: dict[str, Path]) -> ModelTokenizer:
    return ModelTokenizer.from_file(folders["deepseek-ocr"] / "tokenizer.json")


@pytest.fixture
def sample(data: Path) -> TrainingSample:
    return TrainingSample("one", data / "0.png", PROMPT, ANSWERS[0])


def encoded(sample: TrainingSample, tokenizer: ModelTokenizer, most: int = 8192) -> EncodedPage:
    return encode(sample, tokenizer, FAMILY, mode="tiny", max_positions=most)


def test_the_answer_and_exactly_one_end_token_are_learnt(
    sample: TrainingSample, tokenizer: ModelTokenizer
) -> None:
    page = encoded(replace(sample, answer=f"\n{ANSWERS[0]}\n\n"), tokenizer)
    learnt = page.ids[page.prompt :]
    assert tokenizer.decode(learnt) == ANSWERS[0]
    assert learnt.count(EOS) == 1
    assert learnt[-1] == EOS


def test_the_prompt_is_that_of_reading(sample: TrainingSample, tokenizer: ModelTokenizer) -> None:
    page = encoded(sample, tokenizer)
    assert page.ids[0] == BOS
    assert page.ids.count(IMAGE) == 73
    assert tokenizer.decode(page.ids[: page.prompt]) == f"\n{PROMPT}"
    assert page.views.side == 512


@pytest.mark.parametrize(
    ("prompt", "answer", "message"),
    [
        ("Free OCR.", ANSWERS[0], "does not ask for any"),
        (PROMPT, "only text", "has none"),
        (PROMPT, "  ", "empty"),
        (PROMPT, ANSWERS[0].replace("<|/det|>", ""), "tags"),
        ("Free OCR.", "a <image> b", "model's own"),
        ("Free OCR.", "the end</s>", "model's own"),
    ],
)
def test_an_answer_that_cannot_be_learnt_is_refused(
    sample: TrainingSample, tokenizer: ModelTokenizer, prompt: str, answer: str, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        encoded(replace(sample, prompt=prompt, answer=answer), tokenizer)


def test_tokens_that_do_not_fit_are_counted(
    sample: TrainingSample, tokenizer: ModelTokenizer
) -> None:
    whole = len(encoded(sample, tokenizer).ids)
    with pytest.raises(ConfigurationError, match="7 would be lost"):
        encoded(sample, tokenizer, whole - 7)


def test_a_check_shows_pictures_and_names_what_cannot_be_learnt(
    folders: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    found = check_samples(folders["deepseek-ocr"], data, mode="gundam", folder=tmp_path)
    assert (found.usable, found.problems) == (4, ())
    assert (tmp_path / "001-page.png").is_file()
    assert PROMPT in (tmp_path / "001.txt").read_text()
    wrong = tmp_path / "wrong.jsonl"
    line = (data / "train.jsonl").read_text().splitlines()[0].replace("Revenue", "</s>")
    wrong.write_text(line)
    (tmp_path / "0.png").write_bytes((data / "0.png").read_bytes())
    checked = check_samples(folders["deepseek-ocr"], wrong, mode="tiny")
    assert [(each.id, checked.usable) for each in checked.problems] == [("page 0", 0)]
