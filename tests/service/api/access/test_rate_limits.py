from __future__ import annotations

from deepseek_ocr_rag.service.api.access.rate_limits import MOST_BUCKETS, RateLimit


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_let_through_and_then_the_rate_counts() -> None:
    clock = Clock()
    limit = RateLimit(2.0, 3.0, clock)
    assert [limit.wait_for("a") for _ in range(3)] == [0.0, 0.0, 0.0]
    assert limit.wait_for("a") == 0.5
    clock.now += 0.5
    assert limit.wait_for("a") == 0.0


def test_a_refused_request_takes_no_token() -> None:
    clock = Clock()
    limit = RateLimit(1.0, 1.0, clock)
    limit.wait_for("a")
    assert [limit.wait_for("a") for _ in range(5)] == [1.0] * 5


def test_each_sender_has_a_bucket_of_its_own() -> None:
    limit = RateLimit(1.0, 1.0, Clock())
    assert limit.wait_for("a") == 0.0
    assert limit.wait_for("b") == 0.0


def test_a_bucket_never_holds_more_than_a_burst() -> None:
    clock = Clock()
    limit = RateLimit(10.0, 2.0, clock)
    limit.wait_for("a")
    clock.now += 3600
    assert [limit.wait_for("a") > 0 for _ in range(3)] == [False, False, True]


def test_looking_takes_no_token() -> None:
    limit = RateLimit(1.0, 1.0, Clock())
    assert not limit.is_empty("a")
    assert limit.wait_for("a") == 0.0
    assert limit.is_empty("a")


def test_no_crowd_of_senders_fills_the_memory() -> None:
    limit = RateLimit(1.0, 1.0, Clock())
    limit.wait_for("first")
    for number in range(MOST_BUCKETS):
        limit.wait_for(str(number))
    assert not limit.is_empty("first")
    assert limit.is_empty("1")
