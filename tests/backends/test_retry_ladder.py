"""Chooses how a page is asked for again, when to stop, and which answer to keep."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image, ImageDraw

from deepseek_ocr_rag.backends.attempts import Attempt, AttemptSettings, RepeatPenalty
from deepseek_ocr_rag.backends.page_images import turned
from deepseek_ocr_rag.backends.retry_ladder import (
    RETRY_TEMPERATURE,
    SMALLER_PICTURE,
    STRICTER,
    RetryLadder,
)
from deepseek_ocr_rag.model.families import FAMILIES
from deepseek_ocr_rag.model.prompts import mode_named, task_named

RULE = FAMILIES["deepseek-ocr"].no_repeat
TAG = "<|ref|>text<|/ref|><|det|>[[10, 20, 30, 40]]<|/det|>\n"
START = f"{TAG}The first lines of a page that begins well and then goes astray.\n\n"
LOOP = START + "Once more the very same words. " * 60
PROSE = (
    "The society was founded in the spring of that year by seven clockmakers, two of whom had "
    "learned their trade abroad. Its first rooms were above a bakery. Members paid a shilling a "
    "month and brought their own candles."
)
GOOD = f"{START}{TAG}And so it ends, as it should.\n\n"


def first(task: str = "document", mode: str = "gundam", *, rule: bool = True) -> AttemptSettings:
    return AttemptSettings(task_named(task), mode_named(mode), RULE if rule else None)


@pytest.fixture
def make(page_request: Any) -> Any:
    def ladder(settings: AttemptSettings | None = None, **options: Any) -> RetryLadder:
        request = page_request(7, image=options.pop("image", Image.new("RGB", (60, 80))))
        return RetryLadder(request, settings or first(), **{"attempts": 9, **options})

    return ladder


def tried(ladder: RetryLadder, text: str = LOOP, finish: Any = "length") -> list[AttemptSettings]:
    """Return all settings that a ladder asks for if every answer is the same."""
    asked = [ladder.settings]
    while (following := ladder.add(Attempt(asked[-1], text, finish))) is not None:
        asked.append(following)
    return asked


def page_of_lines() -> Image.Image:
    """A page of text that lies on its side."""
    image = Image.new("L", (800, 1000), 255)
    draw = ImageDraw.Draw(image)
    for y in range(60, 940, 24):
        for x in range(60, 740, 16):
            if (x * 7 + y * 13) % 11 > 1:
                draw.rectangle((x, y, x + 10, y + 9), fill=0)
    return turned(image, 90)


# --- the ways ----------------------------------------------------------------------------


def test_a_good_page_is_asked_for_once(make: Any) -> None:
    ladder = make()
    assert ladder.add(Attempt(ladder.settings, GOOD, "stop", tokens=40)) is None
    reply = ladder.reply()
    assert (reply.text, reply.finish_reason, reply.tokens) == (GOOD, "stop", 40)
    assert (reply.attempts, reply.warnings) == (1, ())


def test_a_server_without_the_rule_gets_its_own_penalty_in_the_rules_place(make: Any) -> None:
    penalty = RepeatPenalty()
    asked = tried(make(first(rule=False), penalty=penalty))
    assert [settings.no_repeat for settings in asked] == [None] * 5
    assert [settings.penalty for settings in asked] == [None, penalty, None, penalty, None]


def test_a_rule_that_changes_nothing_is_recognised_as_ignored_and_reported(make: Any) -> None:
    ladder = make(attempts=2)
    tried(ladder)
    assert ladder.rule_ignored
    (history, _) = ladder.reply().warnings
    assert "that the server ignores" in history
    assert "stricter" not in history


@pytest.mark.parametrize("text", [GOOD, LOOP + "Another end."])
def test_a_rule_that_changes_the_text_is_not_ignored(make: Any, text: str) -> None:
    ladder = make(attempts=2)
    following = ladder.add(Attempt(ladder.settings, LOOP, "length"))
    ladder.add(Attempt(following, text, "stop"))
    assert not ladder.rule_ignored
    assert "stricter against repeats" in ladder.reply().warnings[0]


def test_a_page_that_loops_is_asked_for_in_all_ways_in_turn(make: Any) -> None:
    asked = tried(make())
    assert asked[0] == first()
    assert [settings.no_repeat for settings in asked] == [RULE, STRICTER, RULE, STRICTER, RULE]
    assert [settings.mode.name for settings in asked] == [
        "gundam", "gundam", "base", "gundam", "gundam",
    ]  # fmt: skip
    assert [settings.temperature for settings in asked] == [0, 0, 0, RETRY_TEMPERATURE, 0]
    assert [settings.task.name for settings in asked] == ["document"] * 4 + ["free"]
    assert {settings.turn for settings in asked} == {0}


def test_a_page_that_looks_turned_is_turned_first_and_to_the_other_side_last(make: Any) -> None:
    turns = [settings.turn for settings in tried(make(image=page_of_lines()))]
    assert turns[0] == 0
    assert turns[1] in (90, 270)
    assert set(turns[1:-1]) == {turns[1]}
    assert turns[-1] == 360 - turns[1]


def test_a_backend_without_a_rule_against_repeats_is_asked_for_none(make: Any) -> None:
    asked = tried(make(first(rule=False)))
    assert {settings.no_repeat for settings in asked} == {None}
    assert len(asked) == 4


def test_a_stricter_rule_does_not_help_a_model_that_wrote_nothing(make: Any) -> None:
    asked = tried(make(), "", "stop")
    assert asked[1] == AttemptSettings(task_named("document"), mode_named("base"), RULE)


def test_a_question_for_a_location_is_never_asked_with_another_prompt(make: Any) -> None:
    asked = tried(make(first("locate: the total")))
    assert {settings.task.name for settings in asked} == {"locate: the total"}


def test_where_a_mode_is_the_size_of_the_picture_only_smaller_ones_are_tried(make: Any) -> None:
    asked = tried(make(first(mode="small", rule=False), modes=SMALLER_PICTURE))
    assert {settings.mode.name for settings in asked} == {"small"}


def test_later_attempts_start_from_the_settings_of_the_first_one(make: Any) -> None:
    ladder = make()
    smaller = AttemptSettings(task_named("document"), mode_named("small"))
    following = ladder.add(Attempt(smaller, LOOP, "length"))
    assert following == AttemptSettings(task_named("document"), mode_named("base"))


# --- when it is over ---------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 2, 3])
def test_a_page_is_not_asked_for_more_often_than_allowed(make: Any, most: int) -> None:
    ladder = make(attempts=most)
    assert len(tried(ladder)) == most
    assert ladder.reply().attempts == most


def test_no_attempt_begins_after_the_deadline(make: Any) -> None:
    assert len(tried(make(seconds=0))) == 1


# --- which answer is kept ----------------------------------------------------------------


def answers(ladder: RetryLadder, *texts: tuple[str, str]) -> None:
    for text, finish in texts:
        ladder.add(Attempt(ladder.settings, text, finish))  # type: ignore[arg-type]


def test_a_later_answer_without_a_problem_is_kept_and_the_page_says_so(make: Any) -> None:
    ladder = make()
    answers(ladder, (LOOP, "length"), (GOOD, "stop"))
    reply = ladder.reply()
    assert (reply.text, reply.finish_reason, reply.attempts) == (GOOD, "stop", 2)
    assert reply.warnings == (
        "asked 2 times (at first: the model repeated itself; stricter against repeats: read), "
        "kept answer 2",
    )


def test_of_bad_answers_the_one_with_the_most_sound_text_is_kept_and_trimmed(make: Any) -> None:
    ladder = make(attempts=3)
    answers(ladder, ("", "stop"), (LOOP, "length"), (TAG * 2, "stop"))
    reply = ladder.reply()
    assert reply.text.startswith(START)
    assert reply.text.count("very same") == 1
    assert reply.finish_reason == "repetition"
    assert reply.attempts == 3
    assert any("characters were cut" in warning for warning in reply.warnings)


def test_repeats_do_not_count_as_text(make: Any) -> None:
    ladder = make(attempts=2)
    answers(
        ladder, ("Short. " + "Once more the very same words. " * 200, "length"), (START, "length")
    )
    assert ladder.reply().text == START


def test_an_answer_that_left_out_most_of_the_page_is_asked_for_again(make: Any) -> None:
    ladder = make(attempts=2)
    long = f"{TAG}{PROSE}\n\n"
    answers(ladder, (long, "length"), (f"{TAG}Title\n", "stop"))
    reply = ladder.reply()
    assert reply.text == long
    assert reply.finish_reason == "length"


def test_of_equal_answers_the_first_is_kept(make: Any) -> None:
    ladder = make(attempts=2)
    answers(ladder, (START, "length"), (START, "length"))
    assert any("kept answer 1" in warning for warning in ladder.reply().warnings)


def test_an_answer_that_the_users_limit_cuts_off_is_read_if_none_before_it_was_endless(
    make: Any,
) -> None:
    for before in ([], [("", "stop")]):
        ladder = make()
        answers(ladder, *before)
        asked = Attempt(ladder.settings, GOOD, "length", limited=True)
        assert ladder.add(asked) is None
        assert ladder.reply().finish_reason == "length"


@pytest.mark.parametrize("first_answer", [(LOOP, "length"), (START, "length")])
def test_after_an_endless_answer_one_that_the_users_limit_cuts_off_is_doubted(
    make: Any, first_answer: tuple[str, str]
) -> None:
    """The page need not be so long: what fills the limit may be false rows, so it is asked again."""
    ladder = make(attempts=3)
    answers(ladder, first_answer)
    filled = START + "".join(f"{TAG}Another row of {word}.\n\n" for word in PROSE.split())
    assert ladder.add(Attempt(ladder.settings, filled, "length", limited=True)) is not None
    reply = ladder.reply()
    assert (reply.text, reply.finish_reason) == (filled, "length")
    assert "stricter against repeats: the text breaks off), kept answer 2" in reply.warnings[0]
    assert reply.warnings[1] == "the text breaks off: part of the page may be missing"
    # An answer with an end is better, if it has half of the letters.
    whole = START + PROSE
    assert ladder.add(Attempt(ladder.settings, whole + PROSE, "stop", limited=True)) is None
    reply = ladder.reply()
    assert (reply.text, reply.finish_reason) == (whole + PROSE, "stop")
    assert reply.warnings[0].endswith("read), kept answer 3")


def test_a_page_that_was_read_without_layout_says_so(make: Any) -> None:
    ladder = make()
    for settings in tried(make()):
        following = ladder.add(Attempt(settings, LOOP if settings.task.grounded else PROSE, "stop"))
    assert following is None
    assert "read without layout: its blocks have no boxes" in ladder.reply().warnings


def test_the_warnings_of_the_kept_answer_stay(make: Any) -> None:
    ladder = make(attempts=1)
    ladder.add(Attempt(ladder.settings, GOOD, "stop", warnings=("the picture was small",)))
    assert ladder.reply().warnings == ("the picture was small",)


def test_the_error_of_a_further_attempt_is_reported(make: Any) -> None:
    ladder = make()
    assert not ladder.answered
    ladder.add(Attempt(ladder.settings, LOOP, "length"))
    assert ladder.answered
    assert "a further attempt failed: no memory" in ladder.reply("no memory").warnings
