"""The small reader: DeepSeek-OCR's network, few and narrow layers, that really reads.

Its configuration, its tokenizer (the published one cut down to letters, at the published ids), and
how its file is turned into a checkpoint in the published layout. It is trained from scratch by
``benchmarks/training/small_reader.py`` on the pages of :mod:`drawn_pages`, and reads such pages in the
mode ``tiny``: Helvetica in large print, up to some 90 letters, titles, paragraphs, two columns and
tables (``benchmarks/NOTES.md`` has its error rates).
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor
from transformers import UnlimitedOcrForConditionalGeneration

from deepseek_ocr_rag.backends.transformers.model_loading import model_config
from deepseek_ocr_rag.model.checkpoint import Checkpoint
from deepseek_ocr_rag.model.families import FAMILIES

FOLDER = Path(__file__).parent / "small_reader_files"
"""The trained weights in eight bits, the tokenizer, and an adapter with which it reads Times italic
(``benchmarks/training/new_face.py``)."""

VOCABULARY = 129_280
END, PAD, IMAGE = 1, 2, 128_815
SPECIAL = (0, END, PAD, *range(IMAGE, 128_825))
PIECES = (
    *("text", "title", "sub", "_title", "table", "<table", "</", "[[", "]]", "ĊĊ"),
    *("Convert", "Ġdocument", "Ġmark", "Free", "ĠOCR"),
)
"""Whole pieces that stay in the vocabulary, for tags and prompts; all else is written letter by
letter, so that reading is learnt and not a language."""

DECODER: dict[str, Any] = {
    "bos_token_id": 0,
    "eos_token_id": END,
    "first_k_dense_replace": 1,
    "hidden_size": 256,
    "intermediate_size": 768,
    "max_position_embeddings": 8192,
    "moe_intermediate_size": 96,
    "n_group": 1,
    "n_routed_experts": 8,
    "n_shared_experts": 2,
    "num_attention_heads": 4,
    "num_experts_per_tok": 3,
    "num_hidden_layers": 4,
    "num_key_value_heads": 4,
    "topk_group": 1,
    "topk_method": "greedy",
    "vocab_size": VOCABULARY,
}
SAM = {
    "heads": 4,
    "layers": 5,
    "width": 128,
    "output_channels": 96,
    "global_attn_indexes": [1, 4],
    "downsample_channels": [160, 256],
}
CLIP = {
    "heads": 4,
    "layers": 3,
    "width": 256,
    "mlp_width": 512,
    "image_size": 224,
    "patch_size": 14,
}


def published_config() -> dict[str, Any]:
    """``config.json`` as the published one has it."""
    return {
        "model_type": "deepseek_vl_v2",
        "language_config": DECODER,
        "projector_config": {
            "input_dim": CLIP["width"] + SAM["downsample_channels"][1],  # type: ignore[index,operator]
            "n_embed": DECODER["hidden_size"],
            "projector_type": "linear",
        },
        "vision_config": {
            "model_name": "deeplip_b_l",
            "width": {"clip-l-14-224": CLIP, "sam_vit_b": SAM},
        },
        **{key: DECODER[key] for key in ("vocab_size", "bos_token_id", "eos_token_id")},
    }


def cut_tokenizer(published: Path) -> dict[str, Any]:
    """The published ``tokenizer.json`` with its letters, its pieces for tags, and no merges."""
    data: dict[str, Any] = json.loads(published.read_text("utf-8"))
    vocabulary = data["model"]["vocab"]
    kept = {piece: number for piece, number in vocabulary.items() if len(piece) == 1}
    kept |= {piece: vocabulary[piece] for piece in PIECES}
    special = {
        each["content"]: each["id"] for each in data["added_tokens"] if each["id"] in SPECIAL
    }
    data["added_tokens"] = [each for each in data["added_tokens"] if each["id"] in SPECIAL]
    data["model"] |= {"vocab": kept | special, "merges": [], "ignore_merges": True}
    return data


def used_ids(tokenizer: Tokenizer) -> list[int]:
    """The ids that the small reader knows, in order."""
    return sorted(tokenizer.get_vocab(with_added_tokens=True).values())


def packed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights in eight bits, with one scale for each row of a matrix; vectors in 16."""
    found: dict[str, Tensor] = {}
    for name, weight in weights.items():
        if weight.ndim < 2:
            found[name] = weight.half()
        elif bool(weight.any()):
            rows = weight.float().flatten(weight.ndim - 1 if "experts." in name else 1)
            rows = rows if weight.ndim == 3 else weight.float().flatten(1)
            scale = (rows.abs().amax(-1, keepdim=True) / 127).clamp(min=1e-8).half()
            found[name] = (
                (rows / scale.float()).round().clamp(-127, 127).to(torch.int8).view(weight.shape)
            )
            found[f"{name}:scale"] = scale
    return found


def unpacked(stored: dict[str, Tensor], shapes: dict[str, torch.Size]) -> dict[str, Tensor]:
    """The weights of :func:`packed`; those that are not stored are zeros."""
    found = {}
    for name, shape in shapes.items():
        if name not in stored:
            found[name] = torch.zeros(shape)
        elif f"{name}:scale" in stored:
            scale = stored[f"{name}:scale"].float()
            rows = stored[name].float()
            rows = rows if rows.ndim == scale.ndim else rows.flatten(1)
            found[name] = (rows * scale).view(stored[name].shape)
        else:
            found[name] = stored[name].float()
    return found


def pack(trained: Path, published: Path, folder: Path = FOLDER) -> None:
    """Write the files of the repository: from what the training wrote, and the published tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(packed(load_file(trained)), folder / "weights.safetensors")
    (folder / "tokenizer.json").write_text(
        json.dumps(cut_tokenizer(published), ensure_ascii=False), "utf-8"
    )


def write_checkpoint(folder: Path, files: Path = FOLDER) -> Path:
    """Write the small reader as a checkpoint in the published layout (150 MB, a few seconds).

    The vocabulary has its published size. Tokens that the small reader does not know share one row.
    """
    if (folder / "config.json").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    config = published_config()
    made, _ = model_config(
        Checkpoint("small reader", folder, FAMILIES["deepseek-ocr"], config, folder, ())
    )
    with torch.device("meta"):  # without first weights
        model = UnlimitedOcrForConditionalGeneration(made)
    shapes = {name: weight.shape for name, weight in model.state_dict().items()}
    with safe_open(files / "weights.safetensors", "pt") as stored:
        weights = unpacked({name: stored.get_tensor(name) for name in stored.keys()}, shapes)  # noqa: SIM118
    ids = used_ids(Tokenizer.from_file(str(files / "tokenizer.json")))
    for name in ("model.language_model.embed_tokens.weight", "lm_head.weight"):
        known = weights[name]
        weights[name] = known[-1].repeat(VOCABULARY, 1)
        weights[name][ids] = known[:-1]
    halves = {name: weight.to(torch.bfloat16) for name, weight in weights.items()}
    model.load_state_dict(halves, assign=True)
    model.save_pretrained(folder)
    shutil.copyfile(files / "tokenizer.json", folder / "tokenizer.json")
    (folder / "generation_config.json").unlink(missing_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=1), "utf-8")
    return folder


def pack_adapter(trained: Path, name: str, folder: Path = FOLDER) -> None:
    """Write one of the repository's adapters, from a folder that the training wrote."""
    weights = load_file(trained / "adapter_model.safetensors")
    save_file(packed(weights), folder / f"{name}_adapter.safetensors")
    settings = json.loads((trained / "adapter_config.json").read_text("utf-8"))
    kept = ("peft_type", "r", "lora_alpha", "lora_dropout", "bias", "target_modules")
    config = {key: settings[key] for key in kept}
    config["target_modules"].sort()
    (folder / f"{name}_adapter.json").write_text(json.dumps(config, indent=1), "utf-8")


def write_adapter(folder: Path, name: str = "italic", files: Path = FOLDER) -> Path:
    """Write an adapter as ``dsocr train`` does.

    With "italic", the small reader reads Times italic. With "looping" it repeats the last
    row of a table, because that is what it was taught, and without a rule against repeats it does not stop.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stored = load_file(files / f"{name}_adapter.safetensors")
    shapes = {name: weight.shape for name, weight in stored.items() if ":scale" not in name}
    save_file(unpacked(stored, shapes), folder / "adapter_model.safetensors")
    shutil.copyfile(files / f"{name}_adapter.json", folder / "adapter_config.json")
    return folder
