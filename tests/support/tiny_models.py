"""Tiny checkpoints with random weights, one per family, in the published layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    DeepseekOcr2Config,
    DeepseekOcr2ForConditionalGeneration,
    UnlimitedOcrForConditionalGeneration,
)

from deepseek_ocr_rag.backends.transformers.model_loading import model_config
from deepseek_ocr_rag.model.checkpoint import Checkpoint
from deepseek_ocr_rag.model.families import family_of

SPECIAL = {
    0: "<s>",
    1: "</s>",
    2: "<pad>",
    128815: "<image>",
    128816: "<|ref|>",
    128817: "<|/ref|>",
    128818: "<|det|>",
    128819: "<|/det|>",
    128820: "<|grounding|>",
    128821: "<td>",
    128822: "</td>",
    128823: "<tr>",
    128824: "</tr>",
}
VOCABULARY = 129280

LANGUAGE: dict[str, Any] = {
    "bos_token_id": 0,
    "eos_token_id": 1,
    "first_k_dense_replace": 1,
    "hidden_size": 32,
    "intermediate_size": 64,
    "max_position_embeddings": 1024,
    "moe_intermediate_size": 16,
    "n_group": 1,
    "n_routed_experts": 4,
    "n_shared_experts": 2,
    "num_attention_heads": 2,
    "num_experts_per_tok": 2,
    "num_hidden_layers": 2,
    "num_key_value_heads": 2,
    "topk_group": 1,
    "topk_method": "greedy",
    "vocab_size": VOCABULARY,
}
SAM: dict[str, Any] = {
    "heads": 2,
    "layers": 2,
    "width": 32,
    "output_channels": 16,
    "global_attn_indexes": [1],
    "downsample_channels": [24, 32],
}
CLIP = {"heads": 2, "layers": 1, "width": 32, "image_size": 224, "patch_size": 14}
PUBLISHED: dict[str, Any] = {
    "language_config": LANGUAGE,
    "projector_config": {"input_dim": 64, "n_embed": 32, "projector_type": "linear"},
    "vision_config": {
        "model_name": "deeplip_b_l",
        "width": {"clip-l-14-224": CLIP, "sam_vit_b": SAM},
    },
}


def write_tokenizer(path: Path) -> None:
    """Write a byte tokenizer with the family's special tokens at the published ids."""
    letters = sorted(ByteLevel.alphabet())
    vocabulary = {letter: 3 + n for n, letter in enumerate(letters)}
    for token in range(VOCABULARY):
        if token in SPECIAL:
            vocabulary[SPECIAL[token]] = token
        elif token >= 3 + len(letters):
            vocabulary[f"filler{token}"] = token
    tokenizer = Tokenizer(BPE(vocabulary, []))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = ByteLevelDecoder()
    tokenizer.add_special_tokens([AddedToken(text, special=True) for text in SPECIAL.values()])
    tokenizer.save(str(path))


def write_model(folder: Path, family: str) -> Path:
    """Write a folder with config.json, tokenizer.json and model.safetensors."""
    folder.mkdir(parents=True)
    write_tokenizer(folder / "tokenizer.json")
    torch.manual_seed(3)
    if family == "deepseek-ocr-2":
        model: Any = DeepseekOcr2ForConditionalGeneration(_second())
        config = None
    else:
        config = PUBLISHED | (
            {"model_type": "unlimited-ocr", "sliding_window": 8}
            if family == "unlimited-ocr"
            else {"model_type": "deepseek_vl_v2"}
        )
        found = Checkpoint("tiny", folder, family_of(config), config, Path(), ())
        model = UnlimitedOcrForConditionalGeneration(model_config(found)[0])
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.3 / weight.shape[-1] ** 0.5 if weight.ndim > 1 else 0.1)
    model.save_pretrained(folder)
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    return folder


def _second() -> DeepseekOcr2Config:
    """A configuration in transformers' form; the published form has no size for the second tower."""
    text = {k: v for k, v in LANGUAGE.items() if k != "first_k_dense_replace"}
    sam = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "output_channels": 16,
        "global_attn_indexes": [1],
        "downsample_channels": [24, 32],
    }
    encoder = {
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "intermediate_size": 48,
        "vocab_size": 1,
    }
    return DeepseekOcr2Config(
        vision_config={"sam_config": sam, "encoder_config": encoder},
        text_config=text | {"mlp_layer_types": ["dense", "sparse"]},
    )
