"""Who is on the device, with which slots and pages, whatever comes in which order."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings
from hypothesis import strategies as st

from deepseek_ocr_rag.engine.block_pool import BLOCK_SIZE
from deepseek_ocr_rag.engine.scheduler import PATIENCE, SLOTS_PER_RESERVED, Scheduler
from deepseek_ocr_rag.engine.sequence import PageTask, WrittenSequence
from deepseek_ocr_rag.model.ngrams import NoRepeat
from deepseek_ocr_rag.model.page_prompt import End


def sequence(
    arrival: int, prompt: int = 10, new: int = 5, priority: int = 0, following: int = 0
) -> WrittenSequence:
    task = PageTask([9] * prompt, None, NoRepeat(0), new, priority=priority, following=following)
    return WrittenSequence(task, arrival)


def prefilled(scheduler: Scheduler, queries: int = 1) -> list[int]:
    """Arrivals of what begins in the next turn."""
    plan = scheduler.plan(queries)
    assert plan is not None
    return [one.arrival for one in plan.prefill]


def write(scheduler: Scheduler, tokens: int = 1) -> None:
    """Every running sequence writes."""
    for one in scheduler.running:
        one.take([7] * tokens, [-0.1] * tokens)
        if one.end is not None:
            scheduler.remove(one)


def test_pages_begin_in_the_order_in_which_they_came() -> None:
    scheduler = Scheduler(slots=2, blocks=20)
    for arrival in (2, 0, 1):
        scheduler.add(sequence(arrival))
    assert prefilled(scheduler) == [0, 1]


def test_better_ranked_pages_begin_first() -> None:
    scheduler = Scheduler(slots=2, blocks=20)
    for arrival, priority in enumerate((1, 1, 0)):
        scheduler.add(sequence(arrival, priority=priority))
    assert prefilled(scheduler) == [2, 0]


def test_a_better_ranked_page_takes_the_slot_of_the_last_one() -> None:
    scheduler = Scheduler(slots=2, blocks=20)
    job = [sequence(n, priority=1) for n in range(2)]
    for one in job:
        scheduler.add(one)
    prefilled(scheduler)
    urgent = sequence(9, priority=0)
    scheduler.add(urgent)
    plan = scheduler.plan(1)
    assert [one for one, _ in plan.swap_out] == [job[1]]
    assert plan.prefill == (urgent,)
    for _ in range(urgent.task.max_new_tokens):
        assert scheduler.plan(1).swap_in == ()
        write(scheduler)
    assert scheduler.plan(1).swap_in == (job[1],)


def test_a_better_ranked_page_finds_a_slot_kept_free_beside_a_long_job() -> None:
    slots = 2 * SLOTS_PER_RESERVED
    scheduler = Scheduler(slots=slots, blocks=4 * slots)
    for arrival in range(slots):
        scheduler.add(sequence(arrival, priority=1))
    while len(prefilled(scheduler)):
        pass
    assert len(scheduler.running) == slots - 2
    urgent = sequence(slots, priority=0)
    scheduler.add(urgent)
    plan = scheduler.plan(1)
    assert (plan.swap_out, plan.prefill) == ((), (urgent,))


def test_prompts_to_come_are_those_that_wait_or_are_known_to_follow() -> None:
    scheduler = Scheduler(slots=3, blocks=20, min_batch=1)
    assert scheduler.coming == 0
    for arrival in range(3):
        scheduler.add(sequence(arrival, following=1 if arrival else 0))
    assert scheduler.coming == 3
    scheduler.add(sequence(3, following=40))
    assert scheduler.coming == 41
    assert prefilled(scheduler) == [0, 1, 2]
    # As long as no slot is free, none of them can begin.
    assert scheduler.coming == 0
    scheduler.remove(scheduler.running[0])
    assert scheduler.coming == 41
    assert prefilled(scheduler) == [3]
    scheduler.remove(scheduler.running[0])
    assert scheduler.coming == 0


class Watched:
    """A task that notes when it is asked what follows it."""

    def __init__(self, task: PageTask, asked: list[str]) -> None:
        self._task = task
        self._asked = asked

    def __getattr__(self, name: str):
        if name == "following":
            self._asked.append(name)
        return getattr(self._task, name)


def test_hundreds_that_wait_are_looked_at_once_not_at_each_step() -> None:
    """That took a quarter of a millisecond of each step in which the first page was written."""
    scheduler = Scheduler(slots=500, blocks=1000)
    asked: list[str] = []
    for arrival in range(300):
        one = sequence(arrival, following=299 - arrival)
        one.task = Watched(one.task, asked)
        scheduler.add(one)
    for _ in range(10):
        assert scheduler.plan(1, prefill=False).prefill == ()
        assert scheduler.coming == 300
    assert len(asked) == 300


def test_equal_pages_do_not_push_each_other_out() -> None:
    scheduler = Scheduler(slots=1, blocks=20)
    scheduler.add(sequence(0))
    prefilled(scheduler)
    scheduler.add(sequence(1))
    plan = scheduler.plan(1)
    assert (plan.swap_out, plan.prefill) == ((), ())


def test_prompts_wait_for_company_while_all_slots_are_used() -> None:
    scheduler = Scheduler(slots=6, blocks=100, min_batch=3)
    sequences = [sequence(n, new=50) for n in range(12)]
    for one in sequences:
        scheduler.add(one)
    assert prefilled(scheduler) == [0, 1, 2, 3, 4, 5]
    scheduler.remove(sequences[0])
    assert prefilled(scheduler) == []
    scheduler.remove(sequences[1])
    scheduler.remove(sequences[2])
    assert prefilled(scheduler) == [6, 7, 8]


def test_prompts_wait_a_little_for_pages_that_arrive() -> None:
    scheduler = Scheduler(slots=9, blocks=100)
    scheduler.add(sequence(0, new=50))
    assert prefilled(scheduler) == [0]
    scheduler.add(sequence(1))
    assert [prefilled(scheduler) for _ in range(PATIENCE + 1)] == [[]] * PATIENCE + [[1]]


def test_the_last_prompts_do_not_wait_for_slots_that_they_do_not_need() -> None:
    """They would run alone in the end."""
    scheduler = Scheduler(slots=6, blocks=100)
    for n in range(5):
        scheduler.add(sequence(n, new=50))
    assert prefilled(scheduler) == [0, 1, 2, 3, 4]
    scheduler.add(sequence(5))
    assert [5] in [prefilled(scheduler) for _ in range(PATIENCE + 1)]


def test_prompts_that_fill_a_batch_do_not_wait() -> None:
    scheduler = Scheduler(slots=9, blocks=100, max_prefill_tokens=100)
    scheduler.add(sequence(0, new=50))
    assert prefilled(scheduler) == [0]
    scheduler.add(sequence(1, prompt=100))
    assert prefilled(scheduler) == [1]


def test_an_urgent_page_waits_for_nothing_and_shares_with_no_other() -> None:
    scheduler = Scheduler(slots=9, blocks=100)
    scheduler.add(sequence(0, new=50, priority=1))
    assert prefilled(scheduler) == [0]
    for arrival, priority in ((1, 1), (2, 0), (3, 1)):
        scheduler.add(sequence(arrival, priority=priority))
    plan = scheduler.plan(1, prefill=False)
    assert [one.arrival for one in plan.prefill] == [2]


def test_prompts_together_stay_within_their_tokens() -> None:
    scheduler = Scheduler(slots=9, blocks=100, min_batch=1, max_prefill_tokens=100)
    for n in range(3):
        scheduler.add(sequence(n, prompt=60))
    assert [prefilled(scheduler) for _ in range(3)] == [[0], [1], [2]]


def test_a_prompt_that_is_longer_than_that_begins_alone() -> None:
    scheduler = Scheduler(slots=9, blocks=100, max_prefill_tokens=100)
    scheduler.add(sequence(0, prompt=500))
    assert prefilled(scheduler) == [0]


def test_fewer_prompts_go_together_after_memory_ran_out() -> None:
    scheduler = Scheduler(slots=9, blocks=100, max_prefill_tokens=200)
    scheduler.prefill_less()
    for n in range(3):
        scheduler.add(sequence(n, prompt=60))
    assert prefilled(scheduler) == [0]


def test_the_worst_ranked_is_swapped_out_when_blocks_run_out() -> None:
    scheduler = Scheduler(slots=2, blocks=1 + 5)
    first, second = sequence(0, BLOCK_SIZE, 3 * BLOCK_SIZE), sequence(1, BLOCK_SIZE, 3 * BLOCK_SIZE)
    for one in (first, second):
        scheduler.add(one)
    aside: tuple = ()
    for _ in range(3 * BLOCK_SIZE):
        aside = scheduler.plan(1).swap_out
        if aside:
            break
        write(scheduler)
    [(left, blocks)] = aside
    assert left is second
    assert len(blocks) == 2
    assert left.blocks == []
    assert left.slot is None


def test_nothing_is_swapped_out_before_its_tokens_are_known() -> None:
    scheduler = Scheduler(slots=2, blocks=1 + 5)
    for n in range(2):
        scheduler.add(sequence(n, BLOCK_SIZE, 3 * BLOCK_SIZE))
    scheduler.plan(1)
    for one in scheduler.running:
        one.in_flight = BLOCK_SIZE
    assert scheduler.plan(1) is None


def test_a_page_that_is_removed_frees_what_it_had() -> None:
    scheduler = Scheduler(slots=1, blocks=20)
    one = sequence(0)
    scheduler.add(one)
    prefilled(scheduler)
    scheduler.remove(one)
    scheduler.add(sequence(1))
    assert prefilled(scheduler) == [1]


TASKS = st.lists(
    st.tuples(
        st.integers(1, 200),  # prompt
        st.integers(1, 150),  # new tokens
        st.integers(0, 2),  # priority
        st.integers(0, 40),  # turn at which it comes
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(
    tasks=TASKS,
    slots=st.integers(1, 5),
    spare=st.integers(0, 10),
    queries=st.sampled_from([1, 16]),
    cancelled=st.sets(st.integers(0, 11)),
)
def test_every_page_ends_and_nothing_is_owned_twice(
    tasks, slots, spare, queries, cancelled
) -> None:
    longest = -(-(200 + 150 + 16) // BLOCK_SIZE)
    blocks = 1 + longest + spare
    scheduler = Scheduler(slots=slots, blocks=blocks, min_batch=2, max_prefill_tokens=150)
    coming = [
        (turn, sequence(n, prompt, new, priority))
        for n, (prompt, new, priority, turn) in enumerate(tasks)
    ]
    sequences = [one for _, one in coming]
    for turn in range(5000):
        for when, one in coming:
            if when == turn:
                scheduler.add(one)
            if when + 30 == turn and one.arrival in cancelled and one.end is None:
                one.end = End(len(one.tokens), "cancelled")
                scheduler.remove(one)
        plan = scheduler.plan(queries)
        assert plan is not None
        owned = [page for one in scheduler.running for page in one.blocks]
        assert len(set(owned)) == len(owned)
        assert not {0} & set(owned)
        assert len({one.slot for one in scheduler.running}) == len(scheduler.running) <= slots
        for one in scheduler.running:
            assert one.length + queries <= len(one.blocks) * BLOCK_SIZE
        write(scheduler, min(queries, 3))
        if turn > 40 and all(one.end is not None for one in sequences):
            break
    assert all(one.end is not None for one in sequences)
