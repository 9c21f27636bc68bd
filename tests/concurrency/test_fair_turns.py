"""Places that all readings share: taken in turn, given back whatever happens."""

from __future__ import annotations

import asyncio
import pickle
import threading
import time

import pytest
from waiting import LONG, until

from deepseek_ocr_rag.concurrency.cancellation import (
    Cancellation,
    current_cancellation,
    run_cancellable,
    run_releasing,
)
from deepseek_ocr_rag.concurrency.fair_turns import FairSemaphore
from deepseek_ocr_rag.errors import TurnCancelledError

WANTED = Cancellation()


def waiting(slots):
    return sum(len(pages) for pages in slots._waiting.values())


def test_readings_take_turns_however_many_pages_they_wait_with():
    slots = FairSemaphore(1)
    order = []

    def page(reading):
        with slots.slot(reading, WANTED):
            order.append(reading)

    with slots.slot("held", WANTED):
        threads = []
        for reading in ["long"] * 5 + ["short"] + ["other"] * 2:
            threads.append(threading.Thread(target=page, args=(reading,)))
            threads[-1].start()
            until(lambda: waiting(slots) == len(threads))
    for thread in threads:
        thread.join()
    assert order == ["long", "short", "other", "long", "other", "long", "long", "long"]


def test_never_more_than_there_are_slots():
    slots = FairSemaphore(3)
    held = most = 0
    lock = threading.Lock()
    all_held = threading.Event()

    def work(reading):
        nonlocal held, most
        for _ in range(30):
            with slots.slot(reading, WANTED):
                with lock:
                    held += 1
                    most = max(most, held)
                    if held == 3:
                        all_held.set()
                assert all_held.wait(LONG)
                time.sleep(0.0005)  # for a fourth that must not come
                with lock:
                    held -= 1

    threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (held, most) == (0, 3)


def test_in_another_process_all_slots_are_free():
    slots = FairSemaphore(3)
    with slots.slot("a", WANTED):
        copy = pickle.loads(pickle.dumps(slots))
    assert (copy._count, copy._free) == (3, 3)
    assert not copy.contested


def test_one_who_is_cancelled_while_waiting_leaves_the_line():
    slots = FairSemaphore(1)
    unwanted = Cancellation()

    def wait():
        with pytest.raises(TurnCancelledError), slots.slot("a", unwanted):
            pass

    with slots.slot("held", WANTED):
        thread = threading.Thread(target=wait)
        thread.start()
        until(lambda: slots.contested)
        unwanted.cancel()
        thread.join(LONG)
        assert not thread.is_alive(), "it waits for the place that is held"
    with slots.slot("b", WANTED):
        assert not slots.contested


def test_one_who_was_cancelled_before_gets_no_place_even_where_one_is_free():
    slots = FairSemaphore(1)
    unwanted = Cancellation()
    unwanted.cancel()
    with pytest.raises(TurnCancelledError), slots.slot("a", unwanted):
        pass
    assert slots._free == 1


async def test_coroutines_of_several_loops_and_threads_share_the_slots():
    slots = FairSemaphore(2)
    done = []

    async def page(name):
        async with slots.aslot(name):
            await asyncio.sleep(0.002)
            done.append(name)

    def other_loop(name):
        async def pages():
            await asyncio.gather(*(page(name) for _ in range(10)))

        asyncio.run(pages())

    await asyncio.gather(
        *(asyncio.to_thread(other_loop, n) for n in range(3)), *(page(9) for _ in range(10))
    )
    assert len(done) == 40
    assert slots._free == 2


async def test_a_cancelled_coroutine_gives_its_place_back_or_leaves_the_line():
    slots = FairSemaphore(1)

    async def hold():
        async with slots.aslot("x"):
            await asyncio.sleep(10 * LONG)

    tasks = [asyncio.create_task(hold()) for _ in range(3)]
    await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    async with asyncio.timeout(LONG), slots.aslot("y"):
        pass
    assert slots._free == 1


# Cancellation


def test_a_cancellation_tells_once_and_late_comers_at_once():
    cancellation = Cancellation()
    told = []
    with cancellation.on_cancel(lambda: told.append("outside")):
        pass
    with cancellation.on_cancel(lambda: told.append("inside")):
        cancellation.cancel()
        cancellation.cancel()
    with cancellation.on_cancel(lambda: told.append("late")):
        pass
    assert told == ["inside", "late"]


async def test_cancelling_a_task_tells_the_thread_that_works_for_it():
    told = threading.Event()
    started = threading.Event()

    def work():
        with current_cancellation().on_cancel(told.set):
            started.set()
            told.wait(LONG)

    task = asyncio.create_task(run_cancellable(work))
    assert await asyncio.to_thread(started.wait, LONG)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert told.wait(LONG)


async def test_a_thread_that_nobody_cancels_gives_its_result():
    assert await run_cancellable(lambda: current_cancellation().cancelled) is False


async def test_what_is_opened_for_a_cancelled_task_is_released():
    released = threading.Event()
    begun = threading.Event()
    go_on = threading.Event()

    def work():
        begun.set()
        go_on.wait(LONG)
        return released

    task = asyncio.create_task(run_releasing(work, threading.Event.set))
    assert await asyncio.to_thread(begun.wait, LONG)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    assert await asyncio.to_thread(released.wait, LONG)
