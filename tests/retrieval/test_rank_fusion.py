"""Fusion of rankings: ranks count, not scores, and what is in no ranking gets nothing."""

from __future__ import annotations

import numpy as np
import pytest

from deepseek_ocr_rag.retrieval.rank_fusion import RANK_CONSTANT, reciprocal_rank_fusion


def test_each_ranking_gives_the_reciprocal_of_a_rank() -> None:
    fused = reciprocal_rank_fusion([(np.array([3.0, 9.0]), 1.0), (np.array([0.1, 0.2]), 0.5)])
    assert fused == pytest.approx(
        [1.5 / (RANK_CONSTANT + 2), 1 / (RANK_CONSTANT + 1) + 0.5 / (RANK_CONSTANT + 1)]
    )


def test_the_size_of_a_lead_does_not_count() -> None:
    narrow = reciprocal_rank_fusion([(np.array([2.0, 1.0]), 1.0)])
    wide = reciprocal_rank_fusion([(np.array([2000.0, 1.0]), 1.0)])
    assert narrow == pytest.approx(wide)


def test_equal_scores_share_the_best_of_their_ranks() -> None:
    fused = reciprocal_rank_fusion([(np.array([5.0, 7.0, 5.0]), 1.0)])
    assert fused[0] == fused[2] == pytest.approx(1 / (RANK_CONSTANT + 2))


def test_what_a_ranking_does_not_have_gets_nothing_from_it() -> None:
    assert reciprocal_rank_fusion([(np.array([-np.inf, -5.0]), 1.0)])[0] == 0


def test_two_good_ranks_beat_one_best_rank() -> None:
    """Cormack, Clarke and Buettcher: what several rankings agree on comes first."""
    by_words = np.array([9.0, 8.0, -np.inf])
    by_meaning = np.array([-np.inf, 0.8, 0.9])
    fused = reciprocal_rank_fusion([(by_words, 1.0), (by_meaning, 1.0)])
    assert fused.argmax() == 1


def test_nothing_cannot_be_fused() -> None:
    with pytest.raises(ValueError, match="no ranking"):
        reciprocal_rank_fusion([])
