"""Ordinary pages that a fine-tuned model must not forget: judged before, during and after.

What is written is scripted here, since a tiny random model reads nothing; everything else is real.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from training_pages import ANSWERS, PROMPT

from deepseek_ocr_rag.errors import SourceError
from deepseek_ocr_rag.training import FineTuning, TrainingResult, fine_tune
from deepseek_ocr_rag.training.judging import judgements
from deepseek_ocr_rag.training.judging.scores import score_page
from deepseek_ocr_rag.training.judging.writing import WrittenPage
from deepseek_ocr_rag.training.targets import EncodedPage

Train = Callable[..., TrainingResult]


@pytest.fixture
def regression(data: Path, tmp_path: Path) -> Path:
    """Two ordinary pages; both are used for judging, in whichever split they would be."""
    folder = tmp_path / "ordinary"
    folder.mkdir()
    lines = []
    for number in range(2):
        (folder / f"{number}.png").write_bytes((data / f"{number}.png").read_bytes())
        chat = [
            {"role": "user", "content": f"<image>\n{PROMPT}"},
            {"role": "assistant", "content": ANSWERS[0]},
        ]
        line = {"id": f"ordinary {number}", "messages": chat, "images": [f"{number}.png"]}
        lines.append(json.dumps(line))
    (folder / "train.jsonl").write_text("\n".join(lines), "utf-8")
    return folder


@pytest.fixture
def train(
    folders: dict[str, Path],
    data: Path,
    regression: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Train:
    """Trains for six steps with a judgement after each.

    ``held`` and ``ordinary`` are how many characters are wrong at each judgement.
    """

    def run(held: Sequence[int], ordinary: Sequence[int], **more: Any) -> TrainingResult:
        judged = iter(zip(held, ordinary, strict=True))

        def write(model: Any, tokenizer: Any, pages: Sequence[EncodedPage], **_: Any) -> Any:
            wrong = dict(zip((False, True), next(judged), strict=True))
            found = []
            for page in pages:
                answer = page.sample.answer
                text = answer[: len(answer) - wrong["ordinary" in page.sample.id]]
                found.append(WrittenPage(page, text, score_page(page.sample.id, answer, text)))
            return found

        monkeypatch.setattr(judgements, "write_pages", write)
        settings = FineTuning(
            mode="tiny", epochs=2, accumulate=1, judge_every=1, device="cpu", forgetting=0.01
        )
        return fine_tune(
            folders["deepseek-ocr"],
            data,
            tmp_path / "out",
            settings,
            regression=more.pop("regression", regression),
            **more,
        )

    return run


def test_an_adapter_that_forgets_ordinary_pages_is_not_kept(train: Train, tmp_path: Path) -> None:
    """Step 2 writes the held-out page without an error, but one letter in 13 of the others wrong."""
    told: list[str] = []
    result = train([5, 4, 0, 3, 3, 3, 3], [0, 0, 1, 0, 0, 0, 0], told=told.append)
    assert result.best_step == 3
    assert result.regression is not None
    assert (result.regression.cer, result.regression.pages) == (0, 2)
    assert sum("forgotten" in line for line in told) == 1
    log = json.loads((tmp_path / "out" / "training.json").read_text())["judgements"]
    assert [each["regression"]["cer"] > 0 for each in log[:4]] == [False, False, True, False]


def test_training_ends_early_when_every_adapter_forgets(train: Train, tmp_path: Path) -> None:
    """Held-out pages become better and better; patience is three judgements."""
    result = train([5, 4, 3, 2], [0, 1, 1, 1])
    assert (result.steps, result.best_step) == (3, 0)
    kept = load_file(tmp_path / "out" / "adapter_model.safetensors")
    assert not any(bool(weight.any()) for name, weight in kept.items() if "lora_B" in name)


def test_what_was_wrong_before_is_not_held_against_an_adapter(train: Train) -> None:
    result = train([5, 4, 4, 4, 4], [2, 2, 2, 2, 2])
    assert result.best_step == 1
    assert result.regression_before is not None
    assert result.regression_before.cer > 0.1


def test_the_report_shows_pages_before_and_after_side_by_side(train: Train, tmp_path: Path) -> None:
    train([5, 4, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0])
    page = (tmp_path / "out" / "report.html").read_text()
    columns = [row.split("</div>")[0].count("<pre>") for row in page.split("<div class=columns>")]
    assert columns[1:] == [3, 3, 3]
    assert "ordinary 1" in page
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["before"]["cer"] > report["scores"]["cer"] == 0


def test_a_bad_page_of_the_regression_set_is_named_before_training(
    train: Train, regression: Path, tmp_path: Path
) -> None:
    (regression / "1.png").unlink()
    with pytest.raises(SourceError, match=r"1 of 2 samples.*\n.*train.jsonl:2"):
        train([], [])
    assert not (tmp_path / "out" / "adapter_config.json").exists()
