"""Measures drafts looked up in the text written so far, on real outputs: how many are right, tokens/s.

    python benchmarks/engine/drafts.py draw TEXTS.JSON TOKENIZER.JSON [--count 100]
    python benchmarks/engine/drafts.py run TEXTS.JSON [--weights fp8]

``draw`` takes a sample of the outputs in ``../shared/model-outputs`` with a fixed seed; it needs no
GPU. ``run`` has a network of the published sizes and random weights write them, one page alone:
the token that comes next is forced, and everything else is computed. Without a text layer, so that
drafts come from the text itself alone.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from engine import CUDA, PROMPT, RULE, SIZES, page_image
from torch import Tensor

from deepseek_ocr_rag.engine.engine import Engine
from deepseek_ocr_rag.engine.kernels.kernel_ops import KernelOps
from deepseek_ocr_rag.engine.ops import StepRows
from deepseek_ocr_rag.engine.runner import Runner, StepOutput
from deepseek_ocr_rag.engine.scheduler import Scheduler
from deepseek_ocr_rag.engine.sequence import PageTask, WrittenSequence
from deepseek_ocr_rag.engine.slots import Slots
from deepseek_ocr_rag.engine.weights.config import PUBLISHED
from deepseek_ocr_rag.engine.weights.loading import random_weights
from deepseek_ocr_rag.engine.weights.quantization import quantize_decoder
from deepseek_ocr_rag.model.tokenizer import ModelTokenizer

SHARED = Path(__file__).resolve().parents[3] / "shared"
LONGEST = 7000
CLASSES = ((0, 600), (600, 1500), (1500, 3000), (3000, LONGEST + 1))
PLAIN_TEXTS = 6
"""Texts of each class that are written without drafts too."""
BLOCKS = 600


def draw(file: Path, tokenizer_file: Path, texts: int) -> None:
    tokenizer = ModelTokenizer.from_file(tokenizer_file)
    folder = SHARED / "model-outputs"
    files = [entry["file"] for entry in json.loads((folder / "manifest.json").read_text())]
    sample = random.Random(0).sample(files, texts)
    tokens = [
        tokenizer.encode((folder / name).read_text(encoding="utf-8"))[:LONGEST] for name in sample
    ]
    file.write_text(json.dumps([each for each in tokens if len(each) > 1]))
    print(f"{texts} of {len(files)} texts, {sum(map(len, tokens))} tokens")


class Forced(KernelOps):
    """Writes a text that is given, one after the other."""

    def __init__(self) -> None:
        self._text = torch.zeros(LONGEST, dtype=torch.int64, device=CUDA)

    def force(self, text: Sequence[int]) -> None:
        self._text[: len(text)] = torch.tensor(text, device=CUDA)
        torch.cuda.synchronize()

    def sample(self, logits: Tensor, rows: StepRows, state: Slots, end: int) -> Tensor:
        each = torch.arange(1, 1 + rows.queries, device=CUDA)
        place = state.lengths[rows.slots] - state.prompts[rows.slots]
        place = (place[:, None] + each).clamp(0, LONGEST - 1).flatten()
        logits.scatter_(1, self._text[place][:, None], 1e4)
        return super().sample(logits, rows, state, end)


class CountedRunner(Runner):
    """Counts steps and drafts."""

    steps = 0
    drafted = 0

    def step(
        self, sequences: Sequence[WrittenSequence], drafts: Sequence[Sequence[int]]
    ) -> StepOutput:
        self.steps += 1
        self.drafted += sum(map(len, drafts))
        return super().step(sequences, drafts)


def run(file: Path, weights: str) -> None:
    texts = json.loads(file.read_text())
    network = random_weights(PUBLISHED, device=CUDA)
    if weights != "model":
        network = quantize_decoder(network, weights)
    forced = Forced()
    runner = CountedRunner(PUBLISHED, network, forced, slots=4, blocks=BLOCKS)
    runner.capture()
    engine = Engine(runner, Scheduler(slots=4, blocks=BLOCKS), SIZES.max_positions)
    picture = page_image()

    def write(text: list[int], temperature: float) -> tuple[float, int, int]:
        """Seconds behind the first token, steps and drafts."""
        forced.force(text)
        runner.steps = runner.drafted = 0
        tokens = iter(
            engine.submit(
                PageTask(
                    PROMPT, picture, RULE, len(text), min_new_tokens=len(text),
                    temperature=temperature,
                )
            )
        )  # fmt: skip
        written = [next(tokens)]
        first = time.perf_counter()
        written += tokens
        took = time.perf_counter() - first
        differing = sum(a != b for a, b in zip(text, written, strict=True))
        # The rule against repeats may forbid one.
        if differing > len(text) // 50:
            raise SystemExit(f"{differing} of {len(text)} tokens are not the text's")
        return took, runner.steps, runner.drafted

    write(texts[0], 0.0)
    # A temperature takes no drafts, and writes what is forced all the same.
    print(torch.cuda.get_device_name(), f"weights {weights}")
    # Side by side, since a machine may slow down.
    found, plain = [], []
    for text in texts:
        found.append((len(text), *write(text, 0.0)))
        alike = [length for length, _ in plain if _class_of(length) == _class_of(len(text))]
        if len(alike) < PLAIN_TEXTS:
            plain.append((len(text), write(text, 1.0)[0]))
    engine.close()
    for least, most in (*CLASSES, (0, LONGEST + 1)):
        rows = [row for row in found if least <= row[0] < most]
        if not rows:
            continue
        tokens = sum(row[0] - 1 for row in rows)
        seconds, steps, drafted = (sum(row[n] for row in rows) for n in (1, 2, 3))
        right = (tokens - steps) / drafted if drafted else 0.0
        beside = [(length - 1, took) for length, took in plain if least <= length < most]
        without = sum(length for length, _ in beside) / sum(took for _, took in beside)
        print(
            f"{len(rows)} texts of {least} to {most - 1} tokens: {tokens / steps:.2f} tokens a step, "
            f"{right:.0%} of {drafted} drafts right, {tokens / seconds:.0f} tokens/s, "
            f"{without:.0f} without drafts ({len(beside)} texts)"
        )


def _class_of(length: int) -> int:
    return sum(length >= most for _, most in CLASSES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("draw", "run"))
    parser.add_argument("texts", type=Path)
    parser.add_argument("tokenizer", type=Path, nargs="?")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument(
        "--weights", default="model", choices=("model", "int8", "fp8", "int8-all", "fp8-all")
    )
    arguments = parser.parse_args()
    if arguments.what == "draw":
        if arguments.tokenizer is None:
            parser.error("draw needs tokenizer.json")
        draw(arguments.texts, arguments.tokenizer, arguments.count)
    else:
        with torch.inference_mode():
            run(arguments.texts, arguments.weights)


if __name__ == "__main__":
    main()
