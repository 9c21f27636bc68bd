"""The decoder equals the published code: logits and greedy tokens of the golden cases."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from importlib.util import find_spec

import numpy as np
import pytest

torch = pytest.importorskip("torch")
CUDA = torch.cuda.is_available()

from deepseek_ocr_rag.engine.decoder import Decoder
from deepseek_ocr_rag.engine.kv_cache import KVCache
from deepseek_ocr_rag.engine.ops import StepRows
from deepseek_ocr_rag.engine.prefill import PrefillRequest
from deepseek_ocr_rag.engine.reference_ops import ReferenceOps
from deepseek_ocr_rag.engine.slots import Assignment, Slots, SlotSettings
from deepseek_ocr_rag.model.ngrams import NoRepeat
from deepseek_ocr_rag.model.tokenizer import IMAGE

TOKENS = 64
TIE = 1e-3
"""Where the best two logits are closer, either token is right."""


@dataclass(frozen=True)
class Setup:
    """The golden model on a device."""

    decoder_config: object
    weights: object
    picture: object
    ops: object
    device: str


def moved(value, device):
    """Weights on another device."""
    if isinstance(value, torch.Tensor):
        return value.to(device)
    if isinstance(value, tuple):
        return tuple(moved(part, device) for part in value)
    if is_dataclass(value):
        return type(value)(*(moved(getattr(value, f.name), device) for f in fields(value)))
    return value


@pytest.fixture(scope="module")
def plain(golden_config, golden_weights, golden_picture) -> Setup:
    return Setup(
        golden_config.decoder, golden_weights.decoder, golden_picture, ReferenceOps(), "cpu"
    )


@pytest.fixture(scope="module")
def kernels(golden_config, golden_weights, golden_picture) -> Setup:
    from deepseek_ocr_rag.engine.kernels.kernel_ops import KernelOps

    device = "cuda" if CUDA else "cpu"
    weights = moved(golden_weights.decoder, device)
    return Setup(golden_config.decoder, weights, golden_picture, KernelOps(), device)


@pytest.fixture(
    params=[
        "plain",
        pytest.param(
            "kernels",
            marks=[pytest.mark.gpu, pytest.mark.skipif(not CUDA, reason="no CUDA device")],
        ),
    ]
)
def setup(request) -> Setup:
    return request.getfixturevalue(request.param)


class Bench:
    """A decoder with room for some sequences, whose pages lie scattered."""

    def __init__(self, setup: Setup, slots: int = 1, kind: str = "model") -> None:
        self.setup = setup
        self.slots = Slots.empty(slots, positions=1500, device=setup.device)
        most = self.slots.block_table.shape[1]
        cache = KVCache.empty(
            setup.decoder_config,
            1 + slots * most,
            device=setup.device,
            dtype=torch.float32,
            kind=kind,
        )
        order = 1 + torch.randperm(slots * most)
        self.slots.block_table[:slots] = order.view(slots, most).to(setup.device)
        self.logits: list[torch.Tensor] = []
        self.ops = setup.ops
        self.decoder = Decoder(setup.decoder_config, setup.weights, self, cache, self.slots)

    def __getattr__(self, name):
        return getattr(self.ops, name)

    def sample(self, logits, rows, state, end):
        """Keeps the scores that tokens were chosen from."""
        self.logits.append(logits.cpu())
        return self.ops.sample(logits, rows, state, end)

    def prompt(self, slot, case) -> PrefillRequest:
        ids = case.arrays("expected")["input_ids"].tolist()
        rule = NoRepeat(case.facts["no_repeat_ngram_size"])
        # The golden tokens were written with the end token forbidden.
        settings = SlotSettings(rule, min_new_tokens=TOKENS)
        self.slots.assign([Assignment(slot, ids, len(ids), settings)])
        return PrefillRequest(slot, ids, self.setup.picture(case).to(self.setup.device))

    def rows(self, slots, drafts=None, queries=1) -> StepRows:
        numbers = [
            torch.tensor(n, dtype=torch.int32, device=self.setup.device)
            for n in (slots, drafts or [0] * len(slots))
        ]
        return StepRows(*numbers, queries)

    def write(self, cases, tokens=TOKENS) -> list[list[int]]:
        """Some tokens for each case, all of them in one batch."""
        outputs = self.decoder.prefill([self.prompt(slot, case) for slot, case in enumerate(cases)])
        written = [[int(output[1])] for output in outputs]
        while len(written[0]) < tokens:
            outputs = self.decoder.step(self.rows(range(len(cases))))
            for row, output in zip(written, outputs.tolist(), strict=True):
                row.append(output[1])
        return written


def comparable(case) -> int:
    """Steps before the first one that rounding may decide."""
    top = case.arrays("expected")["logits_top"]
    close = np.flatnonzero(top[:, 0] - top[:, 1] < TIE)
    return int(close[0]) if len(close) else TOKENS


def expected_tokens(case) -> list[int]:
    return case.arrays("expected")["greedy"].tolist()


def test_first_logits_equal_the_published_ones(golden_case, setup) -> None:
    bench = Bench(setup)
    bench.decoder.prefill([bench.prompt(0, golden_case)])
    expected = torch.from_numpy(golden_case.arrays("expected")["logits_first"])
    assert (bench.logits[0][0] - expected).abs().max() < 1e-4


def test_greedy_tokens_equal_the_published_ones(golden_case, setup) -> None:
    steps = comparable(golden_case)
    [written] = Bench(setup).write([golden_case])
    assert written[:steps] == expected_tokens(golden_case)[:steps]


def test_a_batch_writes_what_single_pages_write(golden_cases, setup) -> None:
    written = Bench(setup, slots=len(golden_cases)).write(golden_cases)
    for case, tokens in zip(golden_cases, written, strict=True):
        steps = comparable(case)
        assert tokens[:steps] == expected_tokens(case)[:steps]


def test_right_drafts_are_kept_and_wrong_ones_change_nothing(golden_cases, setup) -> None:
    case = next(case for case in golden_cases if comparable(case) > 40)
    greedy = expected_tokens(case)[:40]
    bench = Bench(setup)
    bench.decoder.prefill([bench.prompt(0, case)])
    written = greedy[:1]
    while len(written) < 40:
        drafts = greedy[len(written) : len(written) + 5]
        if len(written) % 3 == 0:
            drafts[2:3] = [7]
        known = int(bench.slots.lengths[0]) + 1
        bench.slots.history[0, known : known + len(drafts)] = torch.tensor(drafts)
        [output] = bench.decoder.step(bench.rows([0], [len(drafts)], queries=6)).tolist()
        kept = output[1 : 1 + output[0]]
        agreed = [
            mine == right for mine, right in zip(drafts, greedy[len(written) :], strict=False)
        ]
        assert len(kept) == 1 + (agreed.index(False) if False in agreed else len(agreed))
        written += kept
    assert written[:40] == greedy


def test_eight_bits_of_cache_move_the_logits_a_little(golden_cases, setup) -> None:
    case = golden_cases[0]
    logits = {}
    for kind in ("model", "fp8"):
        bench = Bench(setup, kind=kind)
        bench.write([case], tokens=2)
        logits[kind] = bench.logits[1]
    difference = (logits["fp8"] - logits["model"]).norm() / logits["model"].norm()
    assert 0 < difference < 0.05


INTERPRETED = pytest.mark.skipif(
    CUDA or find_spec("triton") is None, reason="no triton, or a GPU runs it all"
)


@INTERPRETED
def test_the_kernels_agree_in_the_interpreter(plain, kernels) -> None:
    """With a prompt of a few words: the interpreter takes milliseconds for each block of numbers."""
    ids = [0, IMAGE, 4, 1000, 77, 9]
    logits = []
    for setup in (plain, kernels):
        bench = Bench(setup)
        bench.slots.assign([Assignment(0, ids, len(ids), SlotSettings(NoRepeat(3)))])
        picture = setup.weights.embeddings[7:8]
        bench.decoder.prefill([PrefillRequest(0, ids, picture)])
        bench.decoder.step(bench.rows([0]))
        logits.append(torch.stack(bench.logits))
    assert logits[0].std() > 0.01
    assert (logits[0] - logits[1]).abs().max() < 1e-4


@INTERPRETED
@pytest.mark.long
def test_the_kernels_write_the_published_tokens_in_the_interpreter(golden_cases, kernels) -> None:
    case = next(case for case in golden_cases if case.facts["name"] == "tiny")
    [written] = Bench(kernels).write([case], tokens=2)
    assert written == expected_tokens(case)[:2]
