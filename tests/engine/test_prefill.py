"""Prompts packed into one batch: where each token belongs, and what is padding."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from deepseek_ocr_rag.engine.ops import QUERY_TILE
from deepseek_ocr_rag.engine.prefill import PrefillBatch, PrefillRequest, pack
from deepseek_ocr_rag.model.tokenizer import IMAGE

PADDING = 9
LONG = [5] * (QUERY_TILE + 1)


def batch(tokens: int = 100, prompts: int = 4) -> PrefillBatch:
    requests = [
        PrefillRequest(3, [0, IMAGE, IMAGE, 8], torch.empty(2, 4)),
        PrefillRequest(1, [0, IMAGE, *LONG], torch.empty(1, 4)),
    ]
    return PrefillBatch.unpack(pack(requests, tokens, prompts, PADDING), tokens, prompts)


def test_each_token_knows_its_slot_and_position() -> None:
    packed = batch()
    assert packed.token_slots[:6].tolist() == [3, 3, 3, 3, 1, 1]
    assert packed.positions[:6].tolist() == [0, 1, 2, 3, 0, 1]


def test_picture_tokens_get_the_embeddings_in_order() -> None:
    assert batch().pictures[:7].tolist() == [-1, 0, 1, -1, -1, 2, -1]


def test_the_last_token_of_each_prompt_is_known() -> None:
    packed = batch()
    assert packed.slots[:2].tolist() == [3, 1]
    assert packed.last[:2].tolist() == [3, 3 + 2 + len(LONG)]


def test_tiles_cover_every_prompt_and_no_other() -> None:
    tiles = [row for row in batch().tiles.tolist() if row[2]]
    length = 2 + len(LONG)
    assert tiles == [[0, 0, 4], [4, 0, length], [4, QUERY_TILE, length]]


def test_what_is_left_over_is_padding() -> None:
    packed = batch()
    used = 4 + 2 + len(LONG)
    assert set(packed.token_slots[used:].tolist()) == {PADDING}
    assert set(packed.pictures[used:].tolist()) == {-1}
    assert packed.slots[2:].tolist() == [PADDING, PADDING]


@pytest.mark.parametrize("length", [1, QUERY_TILE - 1, QUERY_TILE, QUERY_TILE + 1])
def test_prompts_that_fill_the_batch_fit(length) -> None:
    requests = [PrefillRequest(n, [5] * length, torch.empty(0, 4)) for n in range(7)]
    tokens = 7 * length
    packed = PrefillBatch.unpack(pack(requests, tokens, 7, PADDING), tokens, 7)
    assert PADDING not in packed.token_slots.tolist()
    assert sum(min(QUERY_TILE, row[2] - row[1]) for row in packed.tiles.tolist()) == tokens
