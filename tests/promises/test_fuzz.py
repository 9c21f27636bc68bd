"""Twenty thousand generated texts: no exception, and every block where it says it is.

They are the same in every run; ``make fuzz`` finds new ones, guided by code coverage.
"""

from __future__ import annotations

import pytest
from fuzzed import CHECKS, FRAGMENTS
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

EXAMPLES = {"grammar": 8_000, "tables": 6_000, "noise": 3_000, "markdown": 3_000}

texts = st.lists(
    st.sampled_from(FRAGMENTS)
    | st.text(max_size=6)
    | st.text("<>|/[]&#;0129,. \nabtrd=\"'", max_size=8),
    max_size=25,
).map("".join)


def test_there_are_twenty_thousand_examples() -> None:
    assert sum(EXAMPLES.values()) >= 20_000
    assert EXAMPLES.keys() == CHECKS.keys()


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_any_text_is_parsed(name: str) -> None:
    ran = 0

    @seed(20_000)
    @settings(
        max_examples=EXAMPLES[name],
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(texts)
    def fuzz(text: str) -> None:
        nonlocal ran
        ran += 1
        CHECKS[name](text)

    fuzz()
    print(f"{name}: {ran:,} examples")
    assert ran >= EXAMPLES[name]
