"""A plan on paper: 100 million pages on cards that vanish every hour, simulated.

    python benchmarks/batch/plan.py [--pages 1e8] [--cards 64] [--rate 17.5] [--price 3.0] ...

Each card reads units as an actor of Ray does: some of them at the same time, each of some pages. Now
and then its machine vanishes; what it had not stored is read again, and another machine comes and
loads the model. The driver opens documents and the cluster writes shards; if either is slower than
all cards together, the cards wait for it. Rates are those of docs/figures.md, or given. The rest are
assumptions, which the options name.
"""

from __future__ import annotations

import argparse
import heapq
import random
import statistics
from dataclasses import dataclass

__all__ = ["Outcome", "Plan", "main", "simulated"]

HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is read, with what.

    Attributes:
        pages: Pages to read.
        cards: Cards, each a machine of its own.
        rate: Pages a second of one card.
        life: Mean seconds until a machine vanishes; any second is as likely as another.
        gap: Seconds until another machine is there.
        start: Seconds until the model is loaded on it.
        unit_pages: Pages of a unit.
        units: Units that a card reads at the same time.
        document_pages: Mean pages of a document.
        documents: Documents a second that the driver can plan.
        shards: Pages a second that can be written into shards.
        page_bytes: Bytes of a page in the results.
        price: Of an hour of a card; an hour without one costs nothing.
        seed: Of the machines' lives.
    """

    pages: float = 1e8
    cards: int = 64
    rate: float = 17.5
    life: float = HOUR
    gap: float = 300.0
    start: float = 26.0
    unit_pages: int = 32
    units: int = 8
    document_pages: float = 15.6
    documents: float = 290.0
    shards: float = 8000.0
    page_bytes: float = 3020.0
    price: float = 3.0
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    Attributes:
        hours: Until every page is stored.
        card_hours: Of all machines that were there.
        money: What those cost.
        vanished: Machines.
        read_again: Pages read and lost, as a share of all pages.
        idle: Share of the card hours in which a model was being loaded.
        bottleneck: What everything else waits for, most of the time.
        storage: Bytes of the results.
    """

    hours: float
    card_hours: float
    money: float
    vanished: int
    read_again: float
    idle: float
    bottleneck: str
    storage: float


@dataclass(slots=True)
class _Run:
    """How far a run is: what changes with each event."""

    left: float  # pages
    limit: float  # pages a second of all that is not a card
    rate: float
    now: float = 0.0
    present: int = 0
    reading: int = 0
    present_seconds: float = 0.0
    loading_seconds: float = 0.0
    waiting_seconds: float = 0.0  # in which cards had more to give than the rest could take

    def go_on(self, until: float) -> bool:
        """Let time pass; False if the last page was read before."""
        speed = min(self.reading * self.rate, self.limit)
        span = until - self.now
        over = bool(speed) and self.left <= speed * span
        if over:
            span = self.left / speed
        self.now += span
        self.left -= speed * span
        self.present_seconds += self.present * span
        self.loading_seconds += (self.present - self.reading) * span
        self.waiting_seconds += span if self.reading * self.rate > self.limit else 0.0
        return not over


def simulated(plan: Plan) -> Outcome:
    """Go from event to event, until every page is stored."""
    chance = random.Random(plan.seed)
    run = _Run(plan.pages, min(plan.documents * plan.document_pages, plan.shards), plan.rate)
    events: list[tuple[float, int, str]] = [(0.0, card, "comes") for card in range(plan.cards)]
    ready: set[int] = set()
    vanished, again = 0, 0.0
    while True:
        at, card, what = heapq.heappop(events)
        if not run.go_on(at):
            break
        if what == "comes":
            run.present += 1
            life = chance.expovariate(1 / plan.life)
            if life > plan.start:
                heapq.heappush(events, (at + plan.start, card, "reads"))
            heapq.heappush(events, (at + life, card, "vanishes"))
        elif what == "reads":
            run.reading += 1
            ready.add(card)
        elif what == "vanishes":
            vanished += 1
            run.present -= 1
            if card in ready:
                ready.discard(card)
                run.reading -= 1
                lost = _unfinished(plan, chance)
                run.left += lost
                again += lost
            heapq.heappush(events, (at + plan.gap, card, "comes"))
    return Outcome(
        hours=run.now / HOUR,
        card_hours=run.present_seconds / HOUR,
        money=run.present_seconds / HOUR * plan.price,
        vanished=vanished,
        read_again=again / plan.pages,
        idle=run.loading_seconds / run.present_seconds,
        bottleneck=_bottleneck(plan, run),
        storage=plan.pages * plan.page_bytes,
    )


def _bottleneck(plan: Plan, run: _Run) -> str:
    if run.waiting_seconds < run.now / 2:
        return "the cards"
    slower = plan.documents * plan.document_pages <= plan.shards
    return "the driver, which opens documents" if slower else "the writing of shards"


def _unfinished(plan: Plan, chance: random.Random) -> float:
    """Pages that were read of units that were not stored: each unit is somewhere between."""
    return sum(plan.unit_pages * chance.random() for _ in range(plan.units))


def main() -> None:
    """Print the plan; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in Plan.__slots__:
        value = getattr(Plan(), name)
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    given = vars(parser.parse_args())
    outcomes = [simulated(Plan(**{**given, "seed": given["seed"] + run})) for run in range(5)]
    for name in ("hours", "card_hours", "money", "vanished", "read_again", "idle", "storage"):
        values = [float(getattr(each, name)) for each in outcomes]
        low, high = min(values), max(values)
        print(f"{name:12} {statistics.fmean(values):,.4f} ({low:,.4f} to {high:,.4f})")
    print(f"bottleneck   {outcomes[0].bottleneck}")


if __name__ == "__main__":
    main()
