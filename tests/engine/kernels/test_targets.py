"""Every kernel of the engine compiles for each kind of card, and fits into it. None of them is needed."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("triton")

from benchmark_scripts import load_benchmark

targets = load_benchmark("engine/kernel_targets.py")


@pytest.mark.long
@pytest.mark.parametrize("card", targets.CARDS, ids=lambda card: card.name)
def test_every_kernel_fits_into_the_card(card) -> None:
    found = targets.in_a_process(card)
    assert len({need.kernel for need in found}) >= 17
    assert [need for need in found if need.shared > card.shared * 1024] == []
    threads = [need for need in found if need.registers * need.warps * 32 > targets.REGISTERS]
    assert threads == []
    # No size of page has a kernel of its own, which its first page would wait for.
    assert sum(need.kernel == "_resample" for need in found) <= 2
