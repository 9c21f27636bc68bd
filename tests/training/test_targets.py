"""What the model sees of a sample, and which tokens it learns."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from training_pages import ANSWERS, PROMPT

from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.model.families import FAMILIES
from deepseek_ocr_rag.model.prompts import TASKS, task_named
from deepseek_ocr_rag.model.tokenizer import BOS, EOS, IMAGE, ModelTokenizer
from deepseek_ocr_rag.training import FineTuning, TrainingSample, check_samples, fine_tune
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


@pytest.mark.parametrize("prompt", [PROMPT, "document parsing.", "Free OCR.", "Read the stamp."])
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_model_learns_under_the_prompt_under_which_it_reads(
    sample: TrainingSample, tokenizer: ModelTokenizer, family: str, prompt: str
) -> None:
    """Unlimited-OCR has a prompt of its own, and data for the first model serve it, too."""
    known = FAMILIES[family]
    boxes = prompt == PROMPT or prompt == known.document_prompt
    asked = replace(sample, prompt=prompt, answer=ANSWERS[0] if boxes else "Revenue rose.")
    page = encode(asked, tokenizer, known, mode="base", max_positions=8192)
    task = next((each for each in TASKS.values() if each.prompt == prompt), None)
    read = known.prompt(task or task_named(f"prompt: {prompt}"))
    assert tokenizer.decode(page.ids[: page.prompt]) == read


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


def test_an_answer_that_repeats_itself_is_named(
    folders: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    """As labels of a model that looped do; a form may be right, so it is not refused."""
    line = json.loads((data / "train.jsonl").read_text().splitlines()[0])
    line["messages"][1]["content"] += "\nThe board met again in the spring of that year." * 12
    (tmp_path / "loop.jsonl").write_text(json.dumps(line))
    (tmp_path / "0.png").write_bytes((data / "0.png").read_bytes())
    found = check_samples(folders["deepseek-ocr"], tmp_path / "loop.jsonl", mode="tiny")
    assert (found.usable, found.problems) == (1, ())
    (note,) = found.notes
    assert note.startswith("page 0 repeats itself")
    assert "'The board met again in the spring" in note
    told: list[str] = []
    settings = FineTuning(
        mode="tiny", epochs=1, accumulate=1, judge_every=1, learning_rate=1e-3, device="cpu"
    )
    fine_tune(
        *(folders["deepseek-ocr"], tmp_path / "loop.jsonl", tmp_path / "out", settings),
        told=told.append,
    )
    assert note in told
    assert any("no page is held out" in each for each in told)


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
