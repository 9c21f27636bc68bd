"""Tokens and pages a second of the backends that run DeepSeek-OCR in this process, in one run.

    python benchmarks/engine/backends.py CHECKPOINT [--official FOLDER] [--tokens 96]

A page is mode gundam with 2 x 3 tiles (912 prompt tokens). Every batch writes
the same number of tokens; pages a second are those of pages of 1,000 tokens:
one prefill and 1,000 steps. The largest batch is the largest power of two whose
pages fit, at the memory that the batch before took for each of its own. The
weights may be random (random_checkpoint.py).
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from pathlib import Path

import torch
from PIL import Image, ImageDraw

from deepseek_ocr_rag.backends.transformers.runtime import ModelRuntime
from deepseek_ocr_rag.errors import OutOfDeviceMemoryError
from deepseek_ocr_rag.model.checkpoint import find_checkpoint
from deepseek_ocr_rag.model.page_prompt import PagePrompt
from deepseek_ocr_rag.model.prompts import MODES, TASKS
from deepseek_ocr_rag.model.tokenizer import ModelTokenizer, prompt_ids
from deepseek_ocr_rag.model.views import page_views

PAGE_TOKENS = 1000


def page_image() -> Image.Image:
    image = Image.new("RGB", (1240, 1754), "white")
    draw = ImageDraw.Draw(image)
    for line in range(60):
        draw.text((90, 60 + 27 * line), "words of a page of ordinary length " * 4, fill="black")
    return image


def measure(runtime: ModelRuntime, prompt: PagePrompt, batch: int) -> tuple[float, float]:
    """Seconds to the first token, and seconds a step after it."""
    marks: list[float] = []

    def mark(row: int, tokens: object) -> bool:
        if row == 0:
            marks.append(time.perf_counter())
        return False

    start = time.perf_counter()
    runtime.generate([prompt] * batch, at_end=mark, interval=1, cancelled=lambda: False)
    steps = [later - earlier for earlier, later in itertools.pairwise(marks)]
    return marks[0] - start, statistics.median(steps)


def largest(weights: int, peak: int, batch: int) -> int:
    """The largest power of two that should fit.

    Args:
        weights: Bytes that the model takes.
        peak: Most bytes while a batch was written.
        batch: Its size.
    """
    if not torch.cuda.is_available():
        return batch
    room = 0.9 * torch.cuda.get_device_properties(0).total_memory - weights
    return 1 << max(0, int(room / ((peak - weights) / batch)).bit_length() - 1)


def measured_largest(
    runtime: ModelRuntime, prompt: PagePrompt, size: int
) -> tuple[int, float, float]:
    """Size, seconds to the first token and seconds a step of a batch, halved until it fits."""
    while True:
        try:
            return size, *measure(runtime, prompt, size)
        except OutOfDeviceMemoryError:
            print(f"a batch of {size} does not fit")
            size //= 2


def peak_memory() -> int:
    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--official", type=Path, help="folder with the published code and weights")
    parser.add_argument("--official-python", help="interpreter with the published code's versions")
    parser.add_argument("--tokens", type=int, default=96)
    parser.add_argument("--batches", default="1,32,largest")
    arguments = parser.parse_args()

    checkpoint = find_checkpoint(arguments.checkpoint)
    start = time.perf_counter()
    runtime = ModelRuntime(checkpoint)
    print(f"loaded in {time.perf_counter() - start:.1f} s, {runtime.device}, {runtime.dtype}")
    family = checkpoint.family
    views = page_views(page_image(), MODES["gundam"], family)
    ids = prompt_ids(
        ModelTokenizer.from_file(checkpoint.tokenizer),
        family.prompt(TASKS["document"]),
        family.image_tokens(views.side, views.grid),
    )

    def prompt(tokens: int) -> PagePrompt:
        return PagePrompt(ids, views, family.no_repeat, tokens)

    runtime.generate([prompt(8)], at_end=lambda r, t: False, cancelled=lambda: False)  # warm
    weights = torch.cuda.memory_allocated() if torch.cuda.is_available() else 0
    rows = []
    size = 1
    for name in arguments.batches.split(","):
        wanted = largest(weights, peak_memory(), size) if name == "largest" else int(name)
        size, first, step = measured_largest(runtime, prompt(arguments.tokens), wanted)
        rows.append((f"transformers, batch {size}", first, size / step, size, step))
        print(f"batch {size}: first token {first:.2f} s, step {step * 1000:.1f} ms", flush=True)
    if arguments.official:
        rows.append(official(arguments.official, arguments.official_python))
    print(f"\nprompt {len(ids)} tokens, peak {peak_memory() / 2**30:.1f} GiB")
    print(f"{'':28} {'first token':>12} {'tokens/s':>10} {'pages/s':>9}")
    for label, first, rate, size, step in rows:
        pages = size / (first + PAGE_TOKENS * step)
        print(f"{label:28} {first:10.2f} s {rate:10.0f} {pages:9.3f}")


def official(folder: Path, python: str | None) -> tuple[str, float, float, int, float]:
    """The published code on the same page, twice: the second time is counted."""
    from deepseek_ocr_rag.backends.base import PageRequest
    from deepseek_ocr_rag.backends.official.backend import OfficialBackend

    backend = OfficialBackend(
        folder, allow_remote_code=True, **({"python": python} if python else {})
    )
    image = page_image()
    tokenizer = ModelTokenizer.from_file(folder / "tokenizer.json")
    seconds, count = 0.0, 1
    for key in range(2):
        request = PageRequest(key, 1, "page", "", image, None, TASKS["document"], MODES["gundam"])
        start = time.perf_counter()
        (reply,) = backend.read([request])
        seconds, count = time.perf_counter() - start, max(1, len(tokenizer.encode(reply.text)))
    backend.close()
    return "official", 0.0, count / seconds, 1, seconds / count


if __name__ == "__main__":
    main()
