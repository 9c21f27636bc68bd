"""Where a text ends."""

from __future__ import annotations

from deepseek_ocr_rag.engine.sequence import PageTask, WrittenSequence
from deepseek_ocr_rag.model.ngrams import NoRepeat
from deepseek_ocr_rag.model.tokenizer import EOS


def written(*steps: list[int], **task) -> WrittenSequence:
    sequence = WrittenSequence(
        PageTask([9, 9], None, NoRepeat(0), **{"max_new_tokens": 8} | task), 0
    )
    for step in steps:
        sequence.take(step, [-0.5] * len(step))
    return sequence


def test_the_end_token_ends_it_and_is_no_part_of_it() -> None:
    result = written([5], [6, EOS, 7]).result()
    assert result.tokens == (5, 6)
    assert result.logprobs == (-0.5, -0.5)
    assert (result.end.tokens, result.end.reason) == (2, "stop")


def test_the_limit_ends_it() -> None:
    result = written([5, 6], [7, 8], max_new_tokens=3).result()
    assert result.tokens == (5, 6, 7)
    assert result.end.reason == "length"


def test_an_end_token_at_the_limit_is_an_end() -> None:
    assert written([5, 6, EOS], max_new_tokens=3).result().end.reason == "stop"


def test_what_the_device_wrote_behind_the_end_is_dropped() -> None:
    assert written([5, EOS], [6, 7]).result().tokens == (5,)


def test_a_loop_is_asked_for_every_so_many_tokens_with_those_that_are_new() -> None:
    asked: list[list[int]] = []

    def should_stop(tokens: list[int]) -> bool:
        asked.append(list(tokens))
        return len(asked) == 2

    sequence = written(*([n] for n in range(2, 9)), should_stop=should_stop, interval=2)
    assert asked == [[2, 3], [4, 5]]
    assert sequence.result().end.reason == "repetition"
    assert sequence.result().tokens == (2, 3, 4, 5)


def test_a_text_nobody_ended_was_cancelled() -> None:
    assert written([5]).result().end.reason == "cancelled"


def test_drafts_leave_room_for_the_token_that_follows_them() -> None:
    sequence = written([5, 6], max_new_tokens=4, source=[5, 6, 7, 8, 9, 10])
    assert sequence.drafts() == [7]


def test_a_text_with_a_temperature_is_not_drafted() -> None:
    assert written([5, 6], temperature=0.5, source=[5, 6, 7, 8]).drafts() == []
