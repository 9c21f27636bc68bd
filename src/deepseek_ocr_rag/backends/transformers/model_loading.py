"""Loads a checkpoint into transformers' own classes, and checks that every weight is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import torch
from safetensors import SafetensorError
from transformers import (
    DeepseekOcr2Config,
    DeepseekOcr2ForConditionalGeneration,
    PreTrainedModel,
    UnlimitedOcrConfig,
    UnlimitedOcrForConditionalGeneration,
)

from ...errors import BackendUnavailableError, ConfigurationError
from ...model.checkpoint import Checkpoint

__all__ = ["load_model", "model_config"]

CLIP: Final = "clip-l-14-224"
SAM: Final = "sam_vit_b"
QWEN: Final = "qwen2-0-5b"
"""Names of the towers in a published ``vision_config.width``."""

QWEN_DEFAULTS: Final = {
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "intermediate_size": 4864,
    "rms_norm_eps": 1e-6,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1_000_000.0},
    "vocab_size": 1,
}
"""DeepSeek-OCR-2's second tower, Qwen2 0.5B without its vocabulary. The published
configuration gives only its width; the rest is in the published code."""

REFERENCE_WINDOW: Final = 128
"""Unlimited-OCR's sliding window in tokens; DeepSeek-OCR has none, but the class
requires a number."""


def load_model(
    checkpoint: Checkpoint, *, dtype: torch.dtype, device_map: str | Mapping[str, Any]
) -> PreTrainedModel:
    """Load the weights of a checkpoint, in evaluation mode.

    Raises:
        BackendUnavailableError: If the files cannot be read, if they are quantized, or if a weight
            is missing, unexpected or of another shape, where transformers would only warn.
        ConfigurationError: If config.json does not describe a model of the family.
    """
    if method := (checkpoint.config.get("quantization_config") or {}).get("quant_method"):
        raise BackendUnavailableError(
            f"the weights are quantized ({method}), which this backend does not read",
            source=checkpoint.name,
            remedy='Use the published weights in 16 bits, or the backend "local" on an NVIDIA GPU, '
            "without an adapter, for compressed-tensors in eight bits.",
        )
    config, model_class = model_config(checkpoint)
    try:
        model, report = model_class.from_pretrained(
            checkpoint.folder,
            config=config,
            dtype=dtype,
            device_map=device_map,
            use_safetensors=True,
            local_files_only=True,
            ignore_mismatched_sizes=True,  # the report names them
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise BackendUnavailableError(
            f"the weights cannot be loaded: {error}",
            source=checkpoint.name,
            remedy="Download the model's folder again.",
        ) from error
    _check(checkpoint, report)
    return cast("PreTrainedModel", model.eval())


def _check(checkpoint: Checkpoint, report: Mapping[str, Any]) -> None:
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs"):
        found = sorted(map(str, report.get(what) or ()))
        if found:
            shown = ", ".join(found[:3]) + (f" and {len(found) - 3} more" * (len(found) > 3))
            raise BackendUnavailableError(
                f"the weights do not fit the model, {what.replace('_', ' ')}: {shown}",
                source=checkpoint.name,
                remedy="Use the published files, all of one revision.",
            )


def model_config(checkpoint: Checkpoint) -> tuple[Any, Any]:
    """Return the configuration in transformers' form, and the model class that takes it."""
    try:
        if checkpoint.family.name == "deepseek-ocr-2":
            return _second(checkpoint.config), DeepseekOcr2ForConditionalGeneration
        return _first(checkpoint), UnlimitedOcrForConditionalGeneration
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"config.json does not describe a model of this family: {error!r}",
            source=checkpoint.name,
            remedy="Use the config.json that is published with the weights.",
        ) from error


def _first(checkpoint: Checkpoint) -> UnlimitedOcrConfig:
    """Convert the configuration of DeepSeek-OCR or Unlimited-OCR, which differ in the window."""
    config = checkpoint.config
    if "text_config" in config:
        return UnlimitedOcrConfig.from_dict(dict(config))
    text = _text(config)
    window = config.get("sliding_window") or config["language_config"].get("sliding_window")
    text["sliding_window"] = window or REFERENCE_WINDOW
    if checkpoint.family.name == "deepseek-ocr":
        text["layer_types"] = ["full_attention"] * text["num_hidden_layers"]
    towers = config["vision_config"]["width"]
    clip = towers[CLIP]
    encoder = {
        "hidden_size": clip["width"],
        "num_hidden_layers": clip["layers"],
        "num_attention_heads": clip["heads"],
        "image_size": clip["image_size"],
        "patch_size": clip["patch_size"],
        "intermediate_size": clip.get("mlp_width", 4 * clip["width"]),
    }
    vision = {"sam_config": _sam(towers[SAM]), "encoder_config": encoder}
    return UnlimitedOcrConfig(vision_config=vision, text_config=text)


def _second(config: Mapping[str, Any]) -> DeepseekOcr2Config:
    """Convert the configuration of DeepSeek-OCR-2."""
    if "text_config" in config:
        return DeepseekOcr2Config.from_dict(dict(config))
    text = _text(config)
    dense = config["language_config"].get("first_k_dense_replace", 1)
    text["mlp_layer_types"] = [
        "dense" if layer < dense else "sparse" for layer in range(text["num_hidden_layers"])
    ]
    towers = config["vision_config"]["width"]
    encoder = {**QWEN_DEFAULTS, "hidden_size": towers[QWEN]["dim"]}
    sam = _sam(towers[SAM])
    # The published configuration says 1024, but the code and the weights use the tower's width.
    sam["downsample_channels"] = [sam["downsample_channels"][0], encoder["hidden_size"]]
    vision = {"sam_config": sam, "encoder_config": encoder}
    return DeepseekOcr2Config(vision_config=vision, text_config=text)


TEXT_KEYS: Final = (
    "bos_token_id",
    "eos_token_id",
    "first_k_dense_replace",
    "hidden_size",
    "intermediate_size",
    "max_position_embeddings",
    "moe_intermediate_size",
    "n_group",
    "n_routed_experts",
    "n_shared_experts",
    "num_attention_heads",
    "num_experts_per_tok",
    "num_hidden_layers",
    "num_key_value_heads",
    "topk_group",
    "topk_method",
    "vocab_size",
)
"""Keys of the decoder's configuration that are kept; the others describe latent
attention, which these models do not use."""


def _text(config: Mapping[str, Any]) -> dict[str, Any]:
    published = config["language_config"]
    return {key: published[key] for key in TEXT_KEYS if key in published}


def _sam(tower: Mapping[str, Any]) -> dict[str, Any]:
    sam = {
        "hidden_size": tower["width"],
        "num_hidden_layers": tower["layers"],
        "num_attention_heads": tower["heads"],
        "global_attn_indexes": tower["global_attn_indexes"],
        "downsample_channels": list(tower["downsample_channels"]),
        "mlp_dim": 4 * tower["width"],
    }
    if "output_channels" in tower:
        sam["output_channels"] = tower["output_channels"]
    return sam
