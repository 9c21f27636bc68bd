"""Writes a checkpoint of DeepSeek-OCR's full size in the published layout, with random weights.

6.67 GB in bfloat16. Speed and memory do not depend on what the weights say; the
real ones cannot always be had. Usage:

    python benchmarks/engine/random_checkpoint.py FOLDER TOKENIZER.JSON [--deviation 0.02]

Without --deviation a matrix keeps the size of what goes through it; then bfloat16
sends some tokens to other experts than float32 does, and first logits differ by 2
to 3 %. With 0.02, what the published classes start training with, by 1 %.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from pathlib import Path

import torch
from published_config import CONFIG
from safetensors.torch import save_file
from torch import Tensor

from deepseek_ocr_rag.engine.weights.config import PUBLISHED
from deepseek_ocr_rag.engine.weights.mapping import assemble

BESIDE = ("tokenizer_config.json", "special_tokens_map.json", "processor_config.json")
"""Published beside the tokenizer; other engines want them."""

UNUSED = "model.vision_model.embeddings.patch_embedding.weight"
"""Published, and used by no code."""


def write(folder: Path, tokenizer: Path, *, seed: int = 0, deviation: float | None = None) -> Path:
    """Write the checkpoint, unless the folder has one already.

    Args:
        folder: Where.
        tokenizer: ``tokenizer.json``; what was published beside it is copied too.
        seed: Of the weights.
        deviation: Standard deviation of every matrix; None takes one over the
            square root of its inputs.
    """
    if (folder / "config.json").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(seed)
    tensors: dict[str, Tensor] = {}

    def take(name: str, shape: tuple[int, ...]) -> Tensor:
        # Positions and biases are random too, so that nothing hides.
        inputs = torch.Size(shape[1:]).numel() if len(shape) > 1 else 2500
        drawn = torch.empty(shape, dtype=torch.bfloat16, device=device).normal_(
            0, deviation or inputs**-0.5
        )
        is_norm = len(shape) == 1 and name.endswith(".weight")
        tensors[name] = (drawn + 1 if is_norm else drawn).cpu()
        # Only names and shapes are wanted: what is made of this has no memory.
        return torch.empty(shape, dtype=torch.bfloat16, device="meta")

    assemble(PUBLISHED, take)
    tensors[UNUSED] = torch.zeros(1024, 3, 14, 14).to(torch.bfloat16)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    shutil.copyfile(tokenizer, folder / "tokenizer.json")
    for file in map(tokenizer.with_name, BESIDE):
        if file.exists():
            shutil.copyfile(file, folder / file.name)
    # Last: with it, the folder counts as whole.
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=1))
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("--deviation", type=float, help="of every matrix")
    arguments = parser.parse_args()
    start = time.perf_counter()
    write(arguments.folder, arguments.tokenizer, deviation=arguments.deviation)
    size = sum(file.stat().st_size for file in arguments.folder.glob("*.safetensors"))
    print(f"{size / 1e9:.2f} GB in {arguments.folder}, {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
