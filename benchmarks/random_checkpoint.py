"""Writes a checkpoint of DeepSeek-OCR's full size in the published layout, with random weights.

6.67 GB in bfloat16. Speed and memory do not depend on what the weights say; the
real ones cannot always be had. Usage:

    python benchmarks/random_checkpoint.py FOLDER TOKENIZER.JSON
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from pathlib import Path

import torch
from published_config import CONFIG
from safetensors.torch import load_file, save_file
from transformers import UnlimitedOcrForConditionalGeneration

from deepseek_ocr_rag.backends.transformers_model import model_config
from deepseek_ocr_rag.model.checkpoint import Checkpoint
from deepseek_ocr_rag.model.families import FAMILIES


def write(folder: Path, tokenizer: Path, *, seed: int = 0) -> Path:
    """Write the checkpoint, unless the folder has one already."""
    if (folder / "config.json").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    blank = Checkpoint("random", folder, FAMILIES["deepseek-ocr"], CONFIG, tokenizer, ())
    config, _ = model_config(blank)
    torch.manual_seed(seed)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = UnlimitedOcrForConditionalGeneration(config).to(torch.bfloat16)
    for name, weight in model.named_parameters():
        # Positions start at zero and biases too: random, so that nothing hides.
        if not weight.any() and "norm" not in name:
            torch.nn.init.normal_(weight, std=0.02)
    # In the published names; a small last file is soon written again.
    model.save_pretrained(folder, max_shard_size="2GB")
    _add_unused(folder)
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=1))
    shutil.copyfile(tokenizer, folder / "tokenizer.json")
    return folder


def _add_unused(folder: Path) -> None:
    """Two tensors that are published and that no code uses."""
    file = sorted(folder.glob("*.safetensors"))[-1]
    weights = load_file(file)
    prefix = "model.vision_model.embeddings."
    weights[f"{prefix}patch_embedding.weight"] = torch.zeros(1024, 3, 14, 14).to(torch.bfloat16)
    weights[f"{prefix}position_ids"] = torch.arange(257)[None]
    save_file(weights, file, {"format": "pt"})
    index = folder / "model.safetensors.index.json"
    if index.exists():
        listed = json.loads(index.read_text())
        listed["weight_map"] |= {
            f"{prefix}{name}": file.name for name in ("patch_embedding.weight", "position_ids")
        }
        index.write_text(json.dumps(listed))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("tokenizer", type=Path)
    arguments = parser.parse_args()
    start = time.perf_counter()
    write(arguments.folder, arguments.tokenizer)
    size = sum(file.stat().st_size for file in arguments.folder.glob("*.safetensors"))
    print(f"{size / 1e9:.2f} GB in {arguments.folder}, {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
