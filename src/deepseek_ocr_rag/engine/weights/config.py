"""The sizes of the network, read from the published ``config.json``.

Defaults are the values of the published code that the published configuration leaves out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from ...errors import ConfigurationError, EngineUnsupportedError
from ...model.families import FAMILIES, family_of

__all__ = [
    "PUBLISHED",
    "ClipConfig",
    "DecoderConfig",
    "EngineConfig",
    "QwenConfig",
    "SamConfig",
    "engine_config",
]

SAM: Final = "sam_vit_b"
CLIP: Final = "clip-l-14-224"
QWEN: Final = "qwen2-0-5b"
"""Names of the towers in ``vision_config.width``."""

REFERENCE_WINDOW: Final = 128
"""Unlimited-OCR's sliding window in tokens, if its configuration does not give one."""


@dataclass(frozen=True, slots=True)
class SamConfig:
    """The first tower: a vision transformer over patches, and strided convolutions."""

    width: int  # channels of the transformer
    layers: int
    heads: int  # each has ``width / heads`` channels
    mlp_width: int  # channels within its MLPs
    global_layers: frozenset[int]  # layers that attend to the whole picture, others to windows
    neck_width: int  # channels after the transformer
    widths: tuple[int, int]  # channels after each of the two strided convolutions
    window: int = 14  # side of a window in patches
    patch: int = 16  # side of a patch in pixels
    trained_grid: int = 64  # patches along a side of the pictures it was trained on
    epsilon: float = 1e-6  # of the layer norms

    @property
    def head_width(self) -> int:
        """Channels of an attention head."""
        return self.width // self.heads


@dataclass(frozen=True, slots=True)
class ClipConfig:
    """The second tower: a transformer over the first one's output."""

    width: int  # channels
    layers: int
    heads: int
    mlp_width: int  # channels within its MLPs
    trained_grid: int  # patches along a side of the pictures it was trained on
    epsilon: float = 1e-5  # of the layer norms


@dataclass(frozen=True, slots=True)
class QwenConfig:
    """The second model's second tower: Qwen2 over the first one's output and learned queries.

    The published configuration holds its width; the rest is in the published code.
    """

    width: int  # channels
    layers: int = 24
    heads: int = 14
    key_heads: int = 2  # heads of keys and values, each shared by several query heads
    mlp_width: int = 4864  # channels within its MLPs
    few_queries: int = 144  # for views of up to as many patches: 768 pixels
    many_queries: int = 256  # for larger views
    rope_theta: float = 1_000_000.0  # base of the rotary positions
    epsilon: float = 1e-6  # of the root mean square norms

    @property
    def head_width(self) -> int:
        """Channels of an attention head."""
        return self.width // self.heads


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """The language model: a transformer with a mixture of experts."""

    width: int  # channels
    layers: int
    heads: int  # each has its own keys and values
    vocabulary: int  # tokens
    dense_layers: int  # number of first layers with a dense MLP
    dense_width: int  # channels within that MLP
    experts: int  # routed experts of each later layer
    experts_per_token: int  # routed experts of each token
    expert_width: int  # channels within an expert
    shared_experts: int  # experts of every token, published as one MLP of their joint width
    routed_scale: float  # factor of the routed experts' probabilities
    max_positions: int  # longest sequence in tokens
    rope_theta: float  # base of the rotary positions
    epsilon: float  # of the root mean square norms
    reference_window: int | None  # generated tokens seen besides the prompt; None: all

    @property
    def head_width(self) -> int:
        """Channels of an attention head."""
        return self.width // self.heads


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """The whole network."""

    sam: SamConfig
    second: ClipConfig | QwenConfig
    decoder: DecoderConfig


PUBLISHED: Final = EngineConfig(
    sam=SamConfig(
        width=768,
        layers=12,
        heads=12,
        mlp_width=3072,
        global_layers=frozenset({2, 5, 8, 11}),
        neck_width=256,
        widths=(512, 1024),
    ),
    second=ClipConfig(width=1024, layers=24, heads=16, mlp_width=4096, trained_grid=16),
    decoder=DecoderConfig(
        width=1280,
        layers=12,
        heads=10,
        vocabulary=129_280,
        dense_layers=1,
        dense_width=6848,
        experts=64,
        experts_per_token=6,
        expert_width=896,
        shared_experts=2,
        routed_scale=1.0,
        max_positions=8192,
        rope_theta=10_000.0,
        epsilon=1e-6,
        reference_window=None,
    ),
)
"""DeepSeek-OCR's sizes, for measurements and tests that do not have its files."""


def engine_config(config: Mapping[str, Any]) -> EngineConfig:
    """Read the sizes from a checkpoint's ``config.json``.

    Raises:
        ConfigurationError: If it is not of the family, or its sizes cannot be used.
        EngineUnsupportedError: If the engine cannot run such a network.
    """
    try:
        second_model = family_of(config) is FAMILIES["deepseek-ocr-2"]
        towers = config["vision_config"]["width"]
        sam = _sam(towers[SAM])
        decoder = _decoder(config, config["language_config"])
        if second_model:
            qwen = QwenConfig(int(towers[QWEN]["dim"]))
            # The published configuration says 1024, but code and weights have the tower's width.
            sam = replace(sam, widths=(sam.widths[0], qwen.width))
            sizes = EngineConfig(sam, qwen, decoder)
        else:
            sizes = EngineConfig(sam, _clip(towers[CLIP]), decoder)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, ConfigurationError):
            raise
        raise ConfigurationError(
            f"cannot interpret config.json: {error!r}",
            remedy="Use the config.json that is published with the weights.",
        ) from error
    _check(sizes)
    return sizes


def _sam(tower: Mapping[str, Any]) -> SamConfig:
    width = int(tower["width"])
    first, second = tower["downsample_channels"]
    return SamConfig(
        width=width,
        layers=int(tower["layers"]),
        heads=int(tower["heads"]),
        mlp_width=int(tower.get("mlp_width", 4 * width)),
        global_layers=frozenset(int(layer) for layer in tower["global_attn_indexes"]),
        neck_width=int(tower.get("output_channels", 256)),
        widths=(int(first), int(second)),
    )


def _clip(tower: Mapping[str, Any]) -> ClipConfig:
    width = int(tower["width"])
    return ClipConfig(
        width=width,
        layers=int(tower["layers"]),
        heads=int(tower["heads"]),
        mlp_width=int(tower.get("mlp_width", 4 * width)),
        trained_grid=int(tower["image_size"]) // int(tower["patch_size"]),
    )


def _decoder(config: Mapping[str, Any], text: Mapping[str, Any]) -> DecoderConfig:
    heads = int(text["num_attention_heads"])
    if text.get("use_mla") or int(text.get("num_key_value_heads") or heads) != heads:
        raise _unsupported("attention whose heads share keys and values")
    if text.get("topk_method", "greedy") != "greedy" or int(text.get("n_group") or 1) != 1:
        raise _unsupported("experts that are chosen in groups")
    if text.get("norm_topk_prob") or text.get("scoring_func", "softmax") != "softmax":
        raise _unsupported("weights of experts other than the softmax over all of them")
    if text.get("rope_scaling") or text.get("attention_bias") or text.get("tie_word_embeddings"):
        raise _unsupported("scaled positions, attention biases or tied embeddings")
    window = config.get("sliding_window") or text.get("sliding_window") or REFERENCE_WINDOW
    unlimited = family_of(config) is FAMILIES["unlimited-ocr"]
    return DecoderConfig(
        width=int(text["hidden_size"]),
        layers=int(text["num_hidden_layers"]),
        heads=heads,
        vocabulary=int(text["vocab_size"]),
        dense_layers=int(text.get("first_k_dense_replace", 1)),
        dense_width=int(text["intermediate_size"]),
        experts=int(text["n_routed_experts"]),
        experts_per_token=int(text["num_experts_per_tok"]),
        expert_width=int(text["moe_intermediate_size"]),
        shared_experts=int(text["n_shared_experts"]),
        routed_scale=float(text.get("routed_scaling_factor", 1.0)),
        max_positions=int(text["max_position_embeddings"]),
        rope_theta=float(text.get("rope_theta", 10_000.0)),
        epsilon=float(text.get("rms_norm_eps", 1e-6)),
        reference_window=int(window) if unlimited else None,
    )


def _check(sizes: EngineConfig) -> None:
    sam, second, decoder = sizes.sam, sizes.second, sizes.decoder
    counts = {
        name: value
        for part in (sam, second, decoder)
        for name in part.__slots__
        if isinstance(value := getattr(part, name), int) and name != "dense_layers"
    }
    wrong = [name for name, value in counts.items() if value < 1]
    wrong += ["heads" for part in (sam, second, decoder) if part.heads and part.width % part.heads]
    if sam.widths[1] != second.width:
        wrong.append("downsample_channels")
    if decoder.experts_per_token > decoder.experts:
        wrong.append("experts_per_token")
    if wrong:
        raise ConfigurationError(
            f"the sizes in config.json do not fit together: {', '.join(sorted(set(wrong)))}",
            remedy="Use the config.json that is published with the weights.",
        )


def _unsupported(what: str) -> EngineUnsupportedError:
    return EngineUnsupportedError(
        f"the local engine does not support {what}",
        remedy='Use backend="transformers" for this model.',
    )
