"""Chooses the card for a page, and handles cards that fail; no process is started."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from thread_leaks import new_threads
from waiting import LONG, soon

from deepseek_ocr_rag.backends.local import card_engines
from deepseek_ocr_rag.backends.local.card_engines import MOST_FAILURES, CardEngines
from deepseek_ocr_rag.backends.local.page_request import PageHandle
from deepseek_ocr_rag.concurrency.cancellation import Cancellation
from deepseek_ocr_rag.errors import BackendUnavailableError, EngineLostError


class Process:
    """Stands in for :class:`EngineProcess`; the test plays the process."""

    max_positions = 100
    gpu_memory = None

    def __init__(
        self,
        startup: dict[str, Any],
        on_room: Callable[[], object],
        on_begun: Callable[[], object],
        cancellation: Cancellation,
    ) -> None:
        startup["starts"] += 1
        if startup["begins"]:
            on_begun()
        if startup["held"] is not None:
            startup["held"].wait(LONG)
        time.sleep(startup["slow"])
        if startup["broken"]:
            raise BackendUnavailableError("the card has fallen off")
        startup["process"] = self
        self.slots = startup["slots"]
        self.alive = not startup["stillborn"]
        self.has_room = True
        self.on_room = on_room
        self.closed = False
        self.handles: list[PageHandle] = []

    def submit(self, request: object, notify: Callable[[PageHandle], object]) -> PageHandle:
        handle = PageHandle(lambda: None, notify)
        if self.alive:
            self.handles.append(handle)
        else:  # as EngineProcess: it may end between the choice and here
            handle.end(EngineLostError("gone"))
        return handle

    def die(self) -> None:
        self.alive = False
        handles, self.handles = self.handles, []
        for handle in handles:
            handle.end(EngineLostError("gone"))

    def close(self) -> None:
        self.alive, self.closed = False, True


@pytest.fixture
def startups(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    monkeypatch.setattr(card_engines, "EngineProcess", Process)
    common = {"slots": 8, "broken": False, "held": None, "starts": 0, "slow": 0, "stillborn": False}
    common["begins"] = True  # says so before it is ready
    return [{"device": name, **common} for name in ("cuda:0", "cuda:1")]


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Any:
    before = set(threading.enumerate())
    yield
    assert new_threads(before, ours=True) == []


@pytest.fixture
def engines(startups: list[dict[str, Any]]) -> Any:
    made = CardEngines(startups)
    yield made
    made.close()


def submit(engines: CardEngines) -> PageHandle:
    return engines.submit(object())  # type: ignore[arg-type] - it is not looked at


def given(startups: list[dict[str, Any]]) -> list[int]:
    return [len(startup["process"].handles) for startup in startups]


def test_pages_are_spread_evenly(engines, startups) -> None:
    for _ in range(10):
        submit(engines)
    assert given(startups) == [5, 5]


def test_the_card_where_fewer_pictures_wait_gets_the_next_page(engines, startups) -> None:
    for _ in range(4):
        submit(engines)
    for handle in startups[1]["process"].handles:
        handle.begin()
    submit(engines)
    assert given(startups) == [2, 3]


def test_if_no_pictures_wait_the_card_with_more_free_slots_gets_the_page(startups) -> None:
    startups[0]["slots"] = 2
    engines = CardEngines(startups)
    for _ in range(10):
        submit(engines).begin()
    engines.close()
    assert given(startups) == [2, 8]


def test_pages_that_have_ended_no_longer_count(engines, startups) -> None:
    for _ in range(6):
        submit(engines)
    first = startups[0]["process"]
    for handle in first.handles:
        handle.end(EngineLostError("any end"))
    for _ in range(3):
        submit(engines)
    assert given(startups) == [6, 3]


def test_a_card_that_stops_receiving_does_not_hold_up_the_others(engines, startups) -> None:
    startups[0]["process"].has_room = False
    for _ in range(5):
        submit(engines)
    assert given(startups) == [0, 5]


def test_a_page_waits_for_the_first_card_that_receives_again(engines, startups) -> None:
    for startup in startups:
        startup["process"].has_room = False
    waiting = threading.Thread(target=submit, args=(engines,), name="dsocr-waits")
    waiting.start()
    assert given(startups) == [0, 0]
    startups[1]["process"].has_room = True
    startups[1]["process"].on_room()
    waiting.join(LONG)
    assert given(startups) == [0, 1]


def test_a_process_that_ends_is_started_again_while_the_other_card_reads(engines, startups) -> None:
    held = startups[0]["held"] = threading.Event()
    old = startups[0]["process"]
    old.die()
    for _ in range(3):
        submit(engines)
    assert given(startups)[1] == 3
    held.set()
    assert soon(lambda: startups[0]["process"] is not old)
    assert soon(lambda: old.closed)
    submit(engines)
    assert given(startups) == [1, 3]


def test_if_all_processes_have_ended_the_page_waits_for_the_first_that_is_back(
    engines, startups
) -> None:
    startups[0]["broken"] = True
    for startup in startups:
        startup["process"].die()
    submit(engines)
    assert len(startups[1]["process"].handles) == 1


def test_a_card_that_does_not_start_is_left_out(startups, caplog) -> None:
    startups[0]["broken"] = True
    engines = CardEngines(startups)
    for _ in range(3):
        submit(engines)
    engines.close()
    assert caplog.text.count("cuda:0 is left out: the card has fallen off") == 1
    assert startups[0]["starts"] == 1


def test_a_card_that_fails_three_times_in_a_row_is_left_out(engines, startups, caplog) -> None:
    for round_ in range(MOST_FAILURES):
        process = startups[0]["process"]
        process.die()
        submit(engines)
        if round_ < MOST_FAILURES - 1:
            assert soon(lambda old=process: startups[0]["process"] is not old)
            assert soon(lambda: len(engines.processes) == 2)
    submit(engines)
    assert startups[0]["starts"] == MOST_FAILURES
    assert caplog.text.count("cuda:0 is left out: its engine process has ended 3 times") == 1
    assert len(engines.processes) == 1


def test_a_page_that_was_read_in_between_resets_the_count_of_failures(engines, startups) -> None:
    for _ in range(2 * MOST_FAILURES):
        process = startups[0]["process"]
        startups[1]["process"].has_room = False
        handle = submit(engines)
        handle.begin()
        handle.future.set_result(None)  # type: ignore[arg-type] - it is not looked at
        handle._changed()
        process.handles.clear()
        startups[1]["process"].has_room = True
        process.die()
        submit(engines)
        assert soon(lambda old=process: startups[0]["process"] is not old)
        assert soon(lambda: len(engines.processes) == 2)


def test_if_no_card_works_the_first_error_is_raised_and_the_next_page_tries_again(
    startups, caplog
) -> None:
    for startup in startups:
        startup["broken"] = True
    with pytest.raises(BackendUnavailableError, match="fallen off"):
        CardEngines(startups)
    startups[0]["broken"] = False
    engines = CardEngines(startups)
    startups[0]["broken"] = True
    startups[0]["process"].die()
    for _ in range(MOST_FAILURES + 2):
        with pytest.raises(BackendUnavailableError, match="fallen off"):
            submit(engines)
    startups[0]["broken"] = False
    submit(engines)
    assert len(startups[0]["process"].handles) == 1
    engines.close()


def test_two_cards_whose_restarts_fail_at_different_moments_are_not_started_for_ever(
    engines, startups
) -> None:
    """The second fails only while the first is being started once more, and so on."""
    for startup in startups:
        startup["broken"] = True
    startups[1]["slow"] = 0.05
    for startup in startups:
        startup["process"].die()
    errors: list[BaseException] = []

    def asks() -> None:
        try:
            submit(engines)
        except BackendUnavailableError as error:
            errors.append(error)

    asking = threading.Thread(target=asks, name="dsocr-asks")
    startups[0]["slow"] = 0.03
    asking.start()
    asking.join(3)
    ended = not asking.is_alive()
    engines._closed = True  # so that the test ends if the page would wait for ever
    asking.join(10)
    engines._closed = False
    assert ended
    assert "fallen off" in str(errors[0])
    assert sum(startup["starts"] for startup in startups) <= 2 + 2 * MOST_FAILURES


def test_cards_whose_processes_end_right_after_they_have_started_are_given_up(
    engines, startups
) -> None:
    for startup in startups:
        startup["stillborn"] = True
        startup["process"].die()
    with pytest.raises(BackendUnavailableError, match="3 times right after it had started"):
        submit(engines)
    assert all(startup["starts"] <= 2 + MOST_FAILURES for startup in startups)


def test_a_process_that_starts_only_after_closing_is_closed(startups) -> None:
    engines = CardEngines(startups)
    held = startups[0]["held"] = threading.Event()
    startups[0]["process"].die()
    submit(engines)
    assert soon(lambda: startups[0]["starts"] == 2)
    closing = threading.Thread(target=engines.close, name="dsocr-closes")
    closing.start()
    assert soon(lambda: engines._closed)
    held.set()
    closing.join(LONG)
    assert all(startup["process"].closed for startup in startups)
    with pytest.raises(BackendUnavailableError, match="closed"):
        submit(engines)


def test_positions_and_memory_are_counted_over_all_cards(engines, startups) -> None:
    startups[1]["process"].max_positions = 50
    assert (engines.count, engines.max_positions, engines.gpu_memory) == (2, 100, None)
    startups[0]["process"].gpu_memory = 3
    startups[1]["process"].gpu_memory = 4
    assert engines.gpu_memory == 7
    assert Counter(each.slots for each in engines.processes) == {8: 2}


def test_the_callback_is_called_when_all_processes_start_by_themselves(startups) -> None:
    held = startups[0]["held"] = startups[1]["held"] = threading.Event()
    begun = threading.Event()
    ready: list[bool] = []

    def told() -> None:
        ready.append(any("process" in startup for startup in startups))
        begun.set()
        held.set()

    engines = CardEngines(startups, told)
    assert begun.is_set()
    assert ready == [False]
    engines.close()


def test_a_process_that_does_not_begin_holds_up_nobody(startups) -> None:
    startups[0]["begins"] = startups[1]["begins"] = False
    startups[0]["broken"] = True
    begun = threading.Event()
    engines = CardEngines(startups, begun.set)
    assert begun.is_set()
    engines.close()
