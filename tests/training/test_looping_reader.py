"""A network that repeats itself: how its loop is ended, cut, counted and judged.

The small reader with an adapter that was taught by labels in which the last row of a table is repeated,
as those of a teacher that looped (``benchmarks/training/looping.py``). It repeats rows of tables, and
reads pages without one. Without a rule against repeats it writes the same row until the watch ends it;
under a rule the rows differ here and there.
"""

from __future__ import annotations

import io
import json
import random
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
import torch
from drawn_pages import DrawnPage, drawn_page, image_of, page_with
from small_reader import write_adapter

from deepseek_ocr_rag import LocalBackend, TransformersBackend
from deepseek_ocr_rag.backends import PageRequest, Reply
from deepseek_ocr_rag.backends.transformers.adapter import merge_adapter
from deepseek_ocr_rag.backends.transformers.model_loading import load_model
from deepseek_ocr_rag.cli.main import main
from deepseek_ocr_rag.cli.training import eval_command
from deepseek_ocr_rag.document.grammar.parser import parse_page
from deepseek_ocr_rag.model.checkpoint import find_checkpoint
from deepseek_ocr_rag.model.ngrams import NoRepeat
from deepseek_ocr_rag.model.prompts import TASKS, mode_named
from deepseek_ocr_rag.model.tokenizer import ModelTokenizer
from deepseek_ocr_rag.training import TrainingSample, write_samples
from deepseek_ocr_rag.training.judging.judgements import Judge, Judgement
from deepseek_ocr_rag.training.processes import Processes
from deepseek_ocr_rag.training.samples import DOCUMENT_PROMPT
from deepseek_ocr_rag.training.targets import encode_all

FEW_TOKENS = 40
"""All that a page of two words needs."""

MANY_TOKENS = {"transformers": 330, "local": 600}
"""More than a loop has before the watch ends it; that of ``local`` gets 128 tokens at a time."""

TABLE = page_with("", "", cells=(("Clip", "Quote", "Tells"), ("type", "6.5%", "1-4/9")))
SMALL_TABLE = page_with("", "", cells=(("Clip", "Quote"), ("type", "6.5%")))
WORDS = drawn_page(random.Random("unseen loop 1"), 0.25)
"""Pages that were in no training."""

Made = TransformersBackend | LocalBackend
KINDS: dict[str, Callable[..., Made]] = {
    "transformers": lambda model, **options: TransformersBackend(model, batch_size=2, **options),
    "local": lambda model, **options: LocalBackend(model, most_pages=2, **options),
}


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_adapter(tmp_path_factory.mktemp("adapter") / "looping", "looping")


def replies(backend: Made, pages: list[DrawnPage]) -> list[Reply]:
    asked = [
        PageRequest(
            key=key,
            page=key + 1,
            source="drawn",
            sha256="",
            image=image_of(each).convert("RGB"),
            text_layer=None,
            task=TASKS["document"],
            resolution=mode_named("tiny"),
        )
        for key, each in enumerate(pages)
    ]
    return sorted(backend.read(asked), key=lambda reply: reply.key)


class Recorded:
    """A backend that has read its pages."""

    name = "recorded"
    needs_image = True

    def __init__(self, written: list[Reply]) -> None:
        self.written = written

    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        assert len(list(requests)) == len(self.written)
        yield from self.written

    def close(self) -> None:
        """Nothing to close."""


def sample(page: DrawnPage) -> tuple[TrainingSample, bytes]:
    png = io.BytesIO()
    image_of(page).save(png, "PNG")
    name = page.blocks[0].label
    return TrainingSample(name, Path(), DOCUMENT_PROMPT, page.answer(), mode="tiny"), png.getvalue()


def markdown(text: str) -> str:
    return parse_page(text, recorded=False).markdown


def test_the_neighbour_of_a_loop_is_read_as_if_it_were_alone(
    checkpoint: Path, adapter: Path
) -> None:
    """In one batch, and the page that loops goes on when the other one has ended."""
    backend = TransformersBackend(
        checkpoint, adapter=adapter, device="cpu", batch_size=2, max_new_tokens=FEW_TOKENS
    )
    looping, other = replies(backend, [TABLE, WORDS])
    (alone,) = replies(backend, [WORDS])
    backend.close()
    assert (looping.finish_reason, looping.tokens) == ("length", FEW_TOKENS)
    assert (other.finish_reason, other.text) == ("stop", alone.text)
    assert markdown(other.text) == WORDS.free_text()


def test_a_judge_prefers_the_network_itself_to_an_adapter_that_loops(
    checkpoint: Path, adapter: Path, tmp_path: Path
) -> None:
    image_of(SMALL_TABLE).save(tmp_path / "table.png")
    sample = TrainingSample(
        *("table", tmp_path / "table.png", DOCUMENT_PROMPT, SMALL_TABLE.answer()), mode="tiny"
    )
    found = find_checkpoint(checkpoint)
    tokenizer, family = ModelTokenizer.from_file(found.tokenizer), found.family
    held, _ = encode_all([sample], tokenizer, family, mode="tiny", max_positions=8192)
    judge, alone = Judge(held, (), 0.01), Processes(torch.device("cpu"))
    model = load_model(found, dtype=torch.float32, device_map={"": "cpu"})
    judged: list[Judgement] = []
    for _ in range(2):
        written = judge.judge(model, tokenizer, rule=family.no_repeat, batch=1, processes=alone)
        judged.append(judge.judgement(written, 0, 0.0))
        merge_adapter(model, adapter)
    before, after = judged
    assert before.held is not None
    assert after.held is not None
    assert before.held.scores.cer < 0.02
    assert before.held.scores.without_end == 0
    assert after.held.scores.cer > 0.3
    assert after.held.scores.without_end == 1
    assert judge.cost(after, before) > judge.cost(before, before)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_a_loop_is_ended_cut_and_counted(
    kind: str,
    checkpoint: Path,
    adapter: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is cut at the end of the row that it repeats, so what is left is what the page has."""
    backend = KINDS[kind](
        checkpoint,
        adapter=adapter,
        device="cpu",
        attempts=1,
        no_repeat=NoRepeat(0),
        max_new_tokens=MANY_TOKENS[kind],
    )
    looping, other = replies(backend, [TABLE, WORDS])
    (alone,) = replies(backend, [WORDS])
    backend.close()
    assert looping.finish_reason == "repetition"
    assert looping.tokens is not None
    assert looping.tokens < MANY_TOKENS[kind]  # the watch ended it, not the limit
    assert markdown(looping.text) == markdown(TABLE.answer())
    assert len(looping.warnings) == 1
    assert re.fullmatch(
        r"the model repeated itself, [3-9]\d\d characters were cut: part of the page may be missing",
        looping.warnings[0],
    )
    # What is left of the text has its tokens' probabilities, and no others.
    assert looping.logprobs[-1].end <= len(looping.text)
    assert (other.finish_reason, other.text, other.warnings) == ("stop", alone.text, ())
    write_samples(tmp_path / "data", (sample(each) for each in (TABLE, WORDS)))
    # Read once, because that takes long.
    monkeypatch.setattr(eval_command, "_backend", lambda options: Recorded([looping, other]))
    assert main(["eval", str(tmp_path / "data"), "--mode", "tiny"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert (scores["pages"], scores["loops"]) == (2, 1)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_after_a_loop_an_answer_up_to_the_users_limit_is_not_called_read(
    kind: str, checkpoint: Path, adapter: Path
) -> None:
    """Under the stricter rule this network writes other rows, none of them true, up to the limit."""
    backend = KINDS[kind](
        checkpoint,
        adapter=adapter,
        device="cpu",
        attempts=2,
        no_repeat=NoRepeat(0),
        max_new_tokens=MANY_TOKENS["transformers"],
    )
    looping, other = replies(backend, [TABLE, WORDS])
    backend.close()
    assert (looping.attempts, looping.finish_reason) == (2, "length")
    assert looping.warnings == (
        "asked 2 times (at first: the model repeated itself; stricter against repeats: the text "
        "breaks off), kept answer 2",
        "the text breaks off: part of the page may be missing",
    )
    assert (other.attempts, markdown(other.text)) == (1, WORDS.free_text())
