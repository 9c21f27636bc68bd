"""What follows: the best token that the rules allow, and what is kept of drafts."""

from __future__ import annotations

import json
import math
from importlib.util import find_spec

import pytest

torch = pytest.importorskip("torch")

from deepseek_ocr_rag.engine.ops import StepRows
from deepseek_ocr_rag.engine.reference_ops import ReferenceOps
from deepseek_ocr_rag.engine.slots import Assignment, Slots, SlotSettings
from deepseek_ocr_rag.model.ngrams import NoRepeat

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
END = 1
FREE = NoRepeat(0)


@pytest.fixture(
    params=[
        "plain",
        pytest.param(
            "kernels",
            marks=pytest.mark.skipif(find_spec("triton") is None, reason="no triton"),
        ),
    ]
)
def ops(request):
    if request.param == "plain":
        return ReferenceOps()
    from deepseek_ocr_rag.engine.kernels.kernel_ops import KernelOps

    return KernelOps()


def integers(values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.int32, device=DEVICE)


def slots_with(*sequences, settings=None, rules=None, prompts=None) -> Slots:
    """A slot for every sequence of tokens."""
    slots = Slots.empty(len(sequences), positions=1000, device=DEVICE)
    for slot, tokens in enumerate(sequences):
        how = (settings or SlotSettings(FREE)) if rules is None else SlotSettings(rules[slot])
        prompt = prompts[slot] if prompts else len(tokens)
        slots.assign([Assignment(slot, tokens, prompt, how)])
    return slots


def favour(*tokens, vocabulary=10) -> torch.Tensor:
    """A row of scores for every token, in which it is best and the one before it second."""
    scores = torch.randn(len(tokens), vocabulary, device=DEVICE).clamp(-3, 3)
    for row, token in enumerate(tokens):
        scores[row, token] = 9
        scores[row, token - 1] = 8
    return scores


def sample(ops, scores, slots, *, queries=1, drafts=None):
    """New tokens of every row, and their log-probabilities."""
    count = len(scores) // queries
    rows = StepRows(integers(range(count)), integers(drafts or [0] * count), queries)
    outputs = ops.sample(scores, rows, slots, END).cpu()
    found = []
    for output in outputs:
        kept = int(output[0])
        logprobs = output[1 + queries :].view(torch.float32)
        found.append((output[1 : 1 + kept].tolist(), logprobs[:kept].tolist()))
    return found


def test_forbidden_tokens_equal_the_published_rule(ops, shared) -> None:
    text = (shared / "golden" / "no-repeat-ngram" / "cases.json").read_text()
    cases = [case for case in json.loads(text) if case["tokens"]]
    if DEVICE == "cpu" and not isinstance(ops, ReferenceOps):
        cases = cases[::5]  # the interpreter takes 0.1 s for each
    slots = slots_with(
        *(case["tokens"] for case in cases),
        rules=[
            NoRepeat(case["ngram_size"], case["window_size"], frozenset(case["whitelist"]))
            for case in cases
        ],
    )
    vocabulary = 1 + max(case["vocab"] for case in cases)
    scores = torch.randn(len(cases), vocabulary, device=DEVICE)
    for row, case in zip(scores, cases, strict=True):
        # What is forbidden would be chosen otherwise.
        row[case["banned"]] += 20
    expected = []
    for row, case in zip(scores, cases, strict=True):
        allowed = row.clone()
        allowed[case["banned"]] = -math.inf
        expected.append([int(allowed.argmax())])
    assert [tokens for tokens, _ in sample(ops, scores, slots)] == expected


def test_the_whole_sequence_counts_without_a_window(ops) -> None:
    filler = list(range(100, 900))
    slots = slots_with([5, 6, 7, *filler, 5, 6], rules=[NoRepeat(3)])
    [(tokens, _)] = sample(ops, favour(7, vocabulary=1000), slots)
    assert tokens == [6]


def test_an_exempt_token_may_be_repeated(ops) -> None:
    rules = [NoRepeat(3, exempt=frozenset(kept)) for kept in ([4, 7], [4, 8])]
    slots = slots_with([5, 6, 7, 5, 6], [5, 6, 7, 5, 6], rules=rules)
    assert [tokens for tokens, _ in sample(ops, favour(7, 7), slots)] == [[7], [6]]


def test_what_stands_before_the_window_may_be_repeated(ops) -> None:
    sequence = [5, 6, 7, 8, 9, 5, 6]
    slots = slots_with(sequence, sequence, rules=[NoRepeat(3, 6), NoRepeat(3, 7)])
    assert [tokens for tokens, _ in sample(ops, favour(7, 7), slots)] == [[7], [6]]


def test_the_last_tokens_may_not_be_repeated_at_once(ops) -> None:
    slots = slots_with([5, 7, 7], rules=[NoRepeat(2)])
    [(tokens, _)] = sample(ops, favour(7), slots)
    assert tokens == [6]


def test_the_prompt_may_not_be_repeated_either(ops) -> None:
    slots = slots_with([5, 6, 7, 8, 5, 6], rules=[NoRepeat(3)], prompts=[4])
    [(tokens, _)] = sample(ops, favour(7), slots)
    assert tokens == [6]


def test_log_probabilities_are_those_of_the_scores_before_any_rule(ops) -> None:
    slots = slots_with([5, 6, 7, 5, 6], rules=[NoRepeat(3)])
    scores = favour(7, vocabulary=9000)
    [([token], [logprob])] = sample(ops, scores, slots)
    assert token == 6
    assert logprob == pytest.approx(float(scores[0].log_softmax(-1)[6]), abs=1e-5)


def test_of_equal_scores_the_first_token_is_taken(ops) -> None:
    scores = torch.zeros(1, 9000, device=DEVICE)
    scores[0, [17, 4095, 4096, 8999]] = 1
    [(tokens, _)] = sample(ops, scores, slots_with([5]))
    assert tokens == [17]


def test_the_end_token_waits_until_enough_is_written(ops) -> None:
    slots = slots_with([5, 6], settings=SlotSettings(FREE, min_new_tokens=2))
    written = [sample(ops, favour(END), slots)[0][0] for _ in range(3)]
    assert written == [[0], [0], [END]]


def test_the_sequence_moves_on(ops) -> None:
    slots = slots_with([5, 6])
    sample(ops, favour(4), slots)
    sample(ops, favour(3), slots)
    assert slots.lengths[0] == 3
    assert slots.history[0, :4].tolist() == [5, 6, 4, 3]


@pytest.mark.parametrize(
    ("drafts", "best", "kept"),
    [
        ([4, 3, 2], [4, 3, 2, 8], [4, 3, 2, 8]),
        ([4, 3, 2], [4, 3, 7, 8], [4, 3, 7]),
        ([4, 3, 2], [5, 3, 2, 8], [5]),
        ([4], [4, 3, 2, 8], [4, 3]),
        ([], [4, 3, 2, 8], [4]),
    ],
)
def test_drafts_are_kept_up_to_the_first_difference(ops, drafts, best, kept) -> None:
    slots = slots_with([9, 6])
    slots.history[0, 2 : 2 + len(drafts)] = integers(drafts)
    [(tokens, logprobs)] = sample(ops, favour(*best), slots, queries=4, drafts=[len(drafts)])
    assert tokens == kept
    assert len(logprobs) == len(kept)
    assert slots.lengths[0] == 1 + len(kept)
    assert slots.history[0, : 2 + len(kept)].tolist() == [9, 6, *kept]


def test_a_rule_sees_the_drafts_before_it(ops) -> None:
    slots = slots_with([5, 6, 7, 9], rules=[NoRepeat(3)])
    slots.history[0, 4:6] = integers([5, 6])
    [(tokens, _)] = sample(ops, favour(5, 6, 7), slots, queries=3, drafts=[2])
    assert tokens == [5, 6, 6]


def test_rows_that_belong_to_nobody_leave_no_trace(ops) -> None:
    slots = slots_with([5, 6])
    rows = StepRows(integers([0, slots.padding_slot, slots.padding_slot]), integers([0, 0, 0]), 1)
    ops.sample(favour(4, 4, 4), rows, slots, END)
    assert slots.lengths.tolist() == [2, 0]


def test_a_temperature_draws_tokens_as_often_as_they_are_probable(ops) -> None:
    # The interpreter takes 0.05 s for each.
    few = DEVICE == "cpu" and not isinstance(ops, ReferenceOps)
    draws = 60 if few else 400
    sequences = [[5]] * draws
    slots = slots_with(*sequences)
    for slot in range(draws):
        settings = SlotSettings(FREE, temperature=2.0, seed=slot)
        slots.assign([Assignment(slot, [5], 1, settings)])
    odds = torch.tensor([0.5, 0.3, 0.15, 0.05], device=DEVICE)
    scores = (2 * odds.log()).expand(draws, -1).contiguous()
    drawn = [tokens[0] for tokens, _ in sample(ops, scores, slots)]
    shares = torch.bincount(torch.tensor(drawn), minlength=4) / draws
    # Four standard deviations of a share of a half.
    assert (shares - odds.cpu()).abs().max() < 4 * (0.25 / draws) ** 0.5


def test_a_seed_draws_the_same_again(ops) -> None:
    def draw(seed: int) -> list[int]:
        slots = slots_with([5], settings=SlotSettings(FREE, temperature=1.0, seed=seed))
        scores = torch.zeros(1, 5000, device=DEVICE)
        return [sample(ops, scores, slots)[0][0][0] for _ in range(4)]

    assert draw(1) == draw(1) != draw(2)
