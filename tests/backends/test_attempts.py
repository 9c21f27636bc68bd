"""Judges attempts and trims their repeats."""

from __future__ import annotations

from typing import Any

import pytest

from deepseek_ocr_rag.backends.attempts import Attempt, AttemptSettings, judged
from deepseek_ocr_rag.backends.base import TokenLogprob
from deepseek_ocr_rag.model.prompts import mode_named, task_named

TAG = "<|ref|>text<|/ref|><|det|>[[10, 20, 30, 40]]<|/det|>\n"
GOOD = f"{TAG}The members met at noon.\n\n{TAG}They left at dusk.\n\n"


def attempt(text: str, finish: Any = "stop", task: str = "document", **fields: Any) -> Attempt:
    turn = fields.pop("turn", 0)
    settings = AttemptSettings(task_named(task), mode_named("gundam"), turn=turn)
    return Attempt(settings, text, finish, **fields)


def test_a_page_that_ended_by_itself_has_no_problem_and_stays_unchanged() -> None:
    found = judged(attempt(GOOD))
    assert found.problem is None
    assert found.text == GOOD
    assert found.letters == len("ThemembersmetatnoonTheyleftatdusk")
    assert found.score == found.letters


@pytest.mark.parametrize(
    ("text", "finish", "problem"),
    [
        (GOOD + "Once more the same. " * 60, "stop", "the model repeated itself"),
        (GOOD + "Once more the same. " * 60, "length", "the model repeated itself"),
        (GOOD, "repetition", "the model repeated itself"),
        (GOOD, "length", "the model did not finish"),
        ("", "stop", "the model wrote nothing"),
        (" \n \n", "stop", "the model wrote nothing"),
        (TAG * 3, "stop", "the model wrote tags without any text"),
        ("<|ref|>table<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|>\n", "stop",
         "the model wrote tags without any text"),
    ],
)  # fmt: skip
def test_the_problem_of_an_attempt_is_named(text: str, finish: str, problem: str) -> None:
    found = judged(attempt(text, finish))
    assert found.problem == problem
    assert found.score == found.letters / 2


def test_a_limit_that_the_user_set_is_no_problem_but_a_loop_is() -> None:
    assert judged(attempt(GOOD, "length", limited=True)).problem is None
    looped = GOOD + "Once more the same. " * 60
    assert judged(attempt(looped, "length", limited=True)).problem == "the model repeated itself"


def test_a_page_of_pictures_is_no_problem() -> None:
    page = "<|ref|>image<|/ref|><|det|>[[0, 0, 999, 999]]<|/det|>\n"
    assert judged(attempt(page)).problem is None


def test_boxes_without_text_answer_a_question_for_a_location() -> None:
    page = "<|ref|>the total<|/ref|><|det|>[[10, 20, 30, 40]]<|/det|>"
    assert judged(attempt(page, task="locate: the total")).problem is None


def test_repeats_are_trimmed_and_counted() -> None:
    found = judged(attempt(GOOD + f"{TAG}Once more the same.\n\n" * 60, "length"))
    assert found.text == GOOD + f"{TAG}Once more the same.\n\n"
    assert found.cut > 59 * len(TAG)


def test_log_probabilities_follow_the_text() -> None:
    text = "The start. " + "Once more the very same words. " * 40
    ends = [place + 1 for place, character in enumerate(text) if character in " ."]
    tokens = tuple(TokenLogprob(end, -end / 1000) for end in ends)
    found = judged(attempt(text, logprobs=tokens))
    assert len(found.text) < 60
    assert found.logprobs == tuple(token for token in tokens if token.end <= len(found.text))


def test_boxes_of_a_turned_page_are_turned_back_and_tokens_keep_their_ends() -> None:
    text = "<|ref|>text<|/ref|><|det|>[[0, 0, 100, 999]]<|/det|>\nHello"
    tokens = (TokenLogprob(text.index("Hello"), -0.1), TokenLogprob(len(text), -0.2))
    found = judged(attempt(text, turn=90, logprobs=tokens))
    assert "[[0, 899, 999, 999]]" in found.text
    assert [token.end for token in found.logprobs] == [found.text.index("Hello"), len(found.text)]
