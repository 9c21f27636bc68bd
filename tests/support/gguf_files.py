"""Writes the two GGUF files that llama.cpp wants of a checkpoint in the published layout.

Keys and tensors are those of the architecture ``deepseek2-ocr`` and of the projector
``deepseekocr``, as llama.cpp's own converter writes them; names come from the tables of the
``gguf`` package. Everything that is not a matrix stays in 32 bits, as there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

__all__ = ["LAYOUT_TOKENS", "token_types", "write_language_model", "write_projector"]

Array = NDArray[Any]

LAYOUT_TOKENS = (
    "<|ref|>",
    "<|/ref|>",
    "<|det|>",
    "<|/det|>",
    "<td>",
    "</td>",
    "<tr>",
    "</tr>",
)
"""What llama.cpp withholds if their type is CONTROL, as in the published tokenizer."""

TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
"""The model knows no roles."""

VISION = ("model.sam_model.", "model.vision_model.", "model.projector.")
VISION_ALONE = ("model.image_newline", "model.view_seperator")
POSITIONS = re.compile(r"embedding|pos_embed|rel_pos|neck|net_")
"""Stored in 32 bits whatever their shape."""


def write_language_model(
    checkpoint: Path,
    file: Path,
    *,
    layout_tokens_shown: bool = False,
    context: int | None = None,
    exact: bool = False,
) -> Path:
    """Write the language model.

    Args:
        checkpoint: A folder with ``config.json``, ``tokenizer.json`` and ``model.safetensors``.
        file: What to write.
        layout_tokens_shown: Whether :data:`LAYOUT_TOKENS` are of the type USER_DEFINED, so that
            llama.cpp writes them out.
        context: Longest sequence in tokens, beyond which llama.cpp gives no slot; None takes the
            checkpoint's.
        exact: Whether matrices have 32 bits: with 16, llama.cpp rounds their inputs too.
    """
    config = _json(checkpoint / "config.json")["language_config"]
    writer = gguf.GGUFWriter(file, gguf.MODEL_ARCH_NAMES[gguf.MODEL_ARCH.DEEPSEEK2OCR])
    writer.add_name("scripted deepseek-ocr")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(context or config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_rope_dimension_count(config["hidden_size"] // config["num_attention_heads"])
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(config["vocab_size"])
    writer.add_leading_dense_block_count(config["first_k_dense_replace"])
    writer.add_expert_feed_forward_length(config["moe_intermediate_size"])
    writer.add_expert_count(config["n_routed_experts"])
    writer.add_expert_used_count(config["num_experts_per_tok"])
    writer.add_expert_shared_count(config["n_shared_experts"])
    writer.add_chat_template(TEMPLATE)
    _add_tokenizer(writer, _json(checkpoint / "tokenizer.json"), config, shown=layout_tokens_shown)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.DEEPSEEK2OCR, config["num_hidden_layers"])
    for name, value in _language_tensors(load_file(checkpoint / "model.safetensors")):
        _add_tensor(writer, names, name, value, exact=exact or name.endswith("mlp.gate.weight"))
    return _written(writer, file)


def write_projector(checkpoint: Path, file: Path, *, exact: bool = False) -> Path:
    """Write the picture encoder, which llama.cpp calls mmproj; arguments as above."""
    config = _json(checkpoint / "config.json")
    clip = config["vision_config"]["width"]["clip-l-14-224"]
    sam = config["vision_config"]["width"]["sam_vit_b"]
    writer = gguf.GGUFWriter(file, gguf.MODEL_ARCH_NAMES[gguf.MODEL_ARCH.MMPROJ])
    writer.add_type(gguf.GGUFType.MMPROJ)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_clip_has_vision_encoder(True)
    writer.add_clip_projector_type(gguf.VisionProjectorType.DEEPSEEKOCR)
    writer.add_vision_projection_dim(config["language_config"]["hidden_size"])
    writer.add_vision_image_size(clip["image_size"])
    writer.add_vision_patch_size(clip["patch_size"])
    writer.add_vision_embedding_length(clip["width"])
    writer.add_vision_feed_forward_length(clip.get("mlp_width", 4 * clip["width"]))
    writer.add_vision_block_count(clip["layers"])
    writer.add_vision_head_count(clip["heads"])
    writer.add_vision_attention_layernorm_eps(1e-6)
    writer.add_vision_image_mean([0.5, 0.5, 0.5])
    writer.add_vision_image_std([0.5, 0.5, 0.5])
    writer.add_vision_use_gelu(True)
    writer.add_vision_window_size(14)
    writer.add_vision_sam_layers_count(sam["layers"])
    writer.add_vision_sam_embedding_length(sam["width"])
    writer.add_vision_sam_head_count(sam["heads"])
    # The neck counts its layers like blocks: four.
    blocks = max(4, clip["layers"], sam["layers"])
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.MMPROJ, blocks)
    for name, value in load_file(checkpoint / "model.safetensors").items():
        if name.startswith(VISION) or name in VISION_ALONE:
            # Tables without a module of their own have no ".weight" behind their names.
            bare = name.endswith(("pos_embed", "rel_pos_h", "rel_pos_w"))
            _add_tensor(
                writer,
                names,
                f"{name}.weight" if bare else name,
                value,
                exact=exact or POSITIONS.search(name) is not None,
            )
    return _written(writer, file)


def token_types(tokenizer: dict[str, Any], vocabulary: int, *, shown: bool) -> list[int]:
    """``tokenizer.ggml.token_type`` of every token.

    Args:
        tokenizer: The published ``tokenizer.json``.
        vocabulary: Number of token ids.
        shown: Whether :data:`LAYOUT_TOKENS` are USER_DEFINED instead of CONTROL.
    """
    types = [int(gguf.TokenType.UNUSED)] * vocabulary
    for token in tokenizer["model"]["vocab"].values():
        types[token] = int(gguf.TokenType.NORMAL)
    for added in tokenizer["added_tokens"]:
        control = added["special"] and not (shown and added["content"] in LAYOUT_TOKENS)
        kind = gguf.TokenType.CONTROL if control else gguf.TokenType.USER_DEFINED
        types[added["id"]] = int(kind)
    return types


def _add_tokenizer(
    writer: gguf.GGUFWriter, tokenizer: dict[str, Any], config: dict[str, Any], *, shown: bool
) -> None:
    vocabulary = config["vocab_size"]
    tokens = [f"[PAD{number}]" for number in range(vocabulary)]
    for text, token in tokenizer["model"]["vocab"].items():
        tokens[token] = text
    for added in tokenizer["added_tokens"]:
        tokens[added["id"]] = added["content"]
    writer.add_tokenizer_model("gpt2")
    # The published splitting rules are those of DeepSeek-V3.
    writer.add_tokenizer_pre("deepseek-v3")
    writer.add_token_list(tokens)
    writer.add_token_types(token_types(tokenizer, vocabulary, shown=shown))
    writer.add_token_merges([" ".join(pair) for pair in tokenizer["model"]["merges"]])
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_pad_token_id(2)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)


def _language_tensors(tensors: dict[str, Array]) -> Iterator[tuple[str, Array]]:
    """Without the picture encoder, and all experts of a layer in one tensor."""
    experts: dict[str, dict[int, Array]] = {}
    for name, value in tensors.items():
        if name.startswith(VISION) or name in VISION_ALONE:
            continue
        expert = re.fullmatch(r"(.+\.experts)\.(\d+)\.(.+)", name)
        if expert is None:
            yield name, value
        else:
            experts.setdefault(f"{expert[1]}.{expert[3]}", {})[int(expert[2])] = value
    for name, of_layer in experts.items():
        yield name, np.stack([of_layer[number] for number in range(len(of_layer))])


def _add_tensor(
    writer: gguf.GGUFWriter, names: gguf.TensorNameMap, name: str, value: Array, *, exact: bool
) -> None:
    new = names.get_name(name, try_suffixes=(".weight", ".bias"))
    if new is None:
        raise ValueError(f"llama.cpp has no name for {name}")
    matrix = value.ndim >= 2 and not exact
    # Convolutions are not matrices.
    matrix &= value.ndim != 4
    writer.add_tensor(new, value.astype(np.float16 if matrix else np.float32))


def _written(writer: gguf.GGUFWriter, file: Path) -> Path:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _json(file: Path) -> dict[str, Any]:
    data = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(data, dict):
        raise TypeError(f"{file} holds no object")
    return data
