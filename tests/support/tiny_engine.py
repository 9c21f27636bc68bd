"""The sizes of :mod:`tiny_models`' DeepSeek-OCR-2, which the published configuration lacks."""

from __future__ import annotations

import tiny_models

from deepseek_ocr_rag.engine.weights.config import (
    DecoderConfig,
    EngineConfig,
    QwenConfig,
    SamConfig,
)

__all__ = ["SECOND"]

SECOND = EngineConfig(
    sam=SamConfig(
        width=32,
        layers=2,
        heads=2,
        mlp_width=128,
        global_layers=frozenset({1}),
        neck_width=16,
        widths=(24, 32),
    ),
    second=QwenConfig(width=32, layers=1, heads=2, key_heads=2, mlp_width=48, rope_theta=10_000.0),
    decoder=DecoderConfig(
        width=32,
        layers=2,
        heads=2,
        vocabulary=tiny_models.VOCABULARY,
        dense_layers=1,
        dense_width=64,
        experts=4,
        experts_per_token=2,
        expert_width=16,
        shared_experts=2,
        routed_scale=1.0,
        max_positions=1024,
        rope_theta=10_000.0,
        epsilon=1e-6,
        reference_window=None,
    ),
)
