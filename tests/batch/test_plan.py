"""The simulation behind the plan of docs/decisions/many-machines.md, compared with known results."""

from __future__ import annotations

from dataclasses import replace

import pytest
from benchmark_scripts import load_benchmark

plan = load_benchmark("batch/plan.py")
Plan, simulated = plan.Plan, plan.simulated

SMALL = Plan(pages=1e6, cards=10, rate=20.0, document_pages=20.0, documents=1e6, shards=1e6)
STEADY = replace(SMALL, life=1e12, start=0.0)


def test_machines_that_stay_take_pages_by_rate():
    found = simulated(STEADY)
    assert found.hours == pytest.approx(1e6 / 200 / 3600)
    assert found.card_hours == pytest.approx(10 * found.hours)
    assert found.money == pytest.approx(3 * found.card_hours)
    assert (found.vanished, found.read_again, found.bottleneck) == (0, 0, "the cards")


def test_loading_is_paid_for():
    found = simulated(replace(STEADY, start=100.0))
    assert found.hours == pytest.approx((1e6 / 200 + 100) / 3600)
    assert found.idle == pytest.approx(100 / (5000 + 100))


def test_each_machine_that_vanishes_costs_half_of_its_units_and_its_gap():
    found = simulated(replace(SMALL, pages=3e7, life=3600.0, gap=400.0, start=100.0))
    assert found.read_again == pytest.approx(found.vanished * 8 * 16 / 3e7, rel=0.1)
    # It reads in 3,500 of 4,000 seconds; a life that ends while it loads reads nothing.
    assert found.hours == pytest.approx(3e7 / 200 / 3600 * 4000 / 3500, rel=0.06)
    assert found.vanished == pytest.approx(10 * found.hours * 3600 / 4000, rel=0.12)


@pytest.mark.parametrize(
    ("slow", "name"),
    [
        ({"documents": 5.0}, "the driver, which opens documents"),
        ({"shards": 100.0}, "the writing of shards"),
    ],
)
def test_what_is_slower_than_all_cards_is_the_bottleneck(slow, name):
    found = simulated(replace(STEADY, **slow))
    assert found.bottleneck == name
    assert found.hours == pytest.approx(1e6 / 100 / 3600)
