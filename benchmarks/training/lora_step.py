"""What a LoRA step of the full-size model takes on a GPU: memory and tokens a second.

    python benchmarks/engine/random_checkpoint.py FOLDER TOKENIZER.JSON --deviation 0.02
    python benchmarks/training/lora_step.py FOLDER --limit 24

The weights are random; neither memory nor speed depends on what they say. Most cases have one page a
step, with activations computed again, as ``dsocr train`` does. --limit is the most that PyTorch may
take, in GB (1e9 bytes), as if the card had no more. --gradients compares those in bfloat16 with those
in float32, and needs 40 GB.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))

from drawn_pages import WORDS

from deepseek_ocr_rag.backends.transformers.model_loading import load_model
from deepseek_ocr_rag.model.checkpoint import Checkpoint, find_checkpoint
from deepseek_ocr_rag.model.prompts import mode_named
from deepseek_ocr_rag.model.tokenizer import EOS, ModelTokenizer, prompt_ids
from deepseek_ocr_rag.model.views import page_views
from deepseek_ocr_rag.training import AdapterSettings, TrainingSample
from deepseek_ocr_rag.training.adapters import add_adapter, recompute_activations
from deepseek_ocr_rag.training.batches import batch_loss
from deepseek_ocr_rag.training.samples import DOCUMENT_PROMPT
from deepseek_ocr_rag.training.targets import EncodedPage

STEPS = 6
PLAIN = ("attention", "mlp", "shared")
VISION = (*PLAIN, "projector", "vision")


@dataclass(frozen=True)
class Case:
    mode: str
    answer: int  # tokens
    targets: tuple[str, ...] = PLAIN
    pages: int = 1  # in memory
    recomputed: bool = True

    def __str__(self) -> str:
        how = "recomputed" if self.recomputed else "kept"
        return f"{self.mode} | {' '.join(self.targets)} | {how} | {self.pages}"


CASES = (
    Case("base", 1000),
    Case("gundam", 2000),
    Case("gundam", 4000),
    Case("base", 1000, (*PLAIN, "experts")),
    Case("base", 1000, VISION),
    Case("gundam", 2000, VISION),
    Case("gundam", 2000, pages=8),
    Case("base", 1000, pages=8),
    Case("gundam", 2000, recomputed=False),
    Case("gundam", 2000, VISION, recomputed=False),
)


def page_of(checkpoint: Checkpoint, mode: str, answer: int) -> EncodedPage:
    """A page of A4 with an answer of that many tokens, the end token included."""
    dice = random.Random(0)
    tokenizer = ModelTokenizer.from_file(checkpoint.tokenizer)
    written = tokenizer.encode(" ".join(dice.choice(WORDS) for _ in range(2 * answer)))
    image = Image.effect_noise((1654, 2339), 60).convert("RGB")
    views = page_views(image, mode_named(mode), checkpoint.family)
    prompt = prompt_ids(
        tokenizer,
        f"\n{DOCUMENT_PROMPT}",
        checkpoint.family.image_tokens(views.side, views.grid),
    )
    ids = (*prompt, *written[: answer - 1], EOS)
    return EncodedPage(
        TrainingSample("drawn", Path(), DOCUMENT_PROMPT, ""), ids, len(prompt), views
    )


def loaded(
    checkpoint: Checkpoint,
    targets: tuple[str, ...],
    kind: torch.dtype = torch.bfloat16,
    *,
    recomputed: bool = True,
):
    torch.manual_seed(0)
    model = load_model(checkpoint, dtype=kind, device_map={"": torch.device("cuda")})
    changed = add_adapter(model, AdapterSettings(targets=targets))
    if recomputed:
        recompute_activations(model)
    return model.train(), [w for w in changed.parameters() if w.requires_grad], changed


def step(model, weights, optimizer, pages, vision: bool) -> float:
    optimizer.zero_grad()
    with torch.autocast("cuda", torch.bfloat16):
        loss = batch_loss(model, pages, vision=vision)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(weights, 1.0)
    optimizer.step()
    return float(loss.detach())


def measure(checkpoint: Checkpoint, case: Case) -> str:
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    model, weights, _ = loaded(checkpoint, case.targets, recomputed=case.recomputed)
    optimizer = torch.optim.AdamW(weights, lr=1e-4, weight_decay=0.0)
    page = page_of(checkpoint, case.mode, case.answer)
    vision = "vision" in case.targets
    losses, times = [], []
    for _ in range(STEPS):
        start = time.perf_counter()
        losses.append(step(model, weights, optimizer, [page] * case.pages, vision))
        times.append(time.perf_counter() - start)
    seconds = sorted(times[2:])[len(times[2:]) // 2]
    tokens = case.pages * len(page.ids)
    trained = sum(w.numel() for w in weights)
    return (
        f"| {case} | {page.prompt} + {page.answer} | {trained / 1e6:.1f} M"
        f" | {torch.cuda.max_memory_allocated() / 1e9:.1f} | {torch.cuda.max_memory_reserved() / 1e9:.1f}"
        f" | {seconds:.2f} | {tokens / seconds:.0f} | {losses[0]:.2f} to {losses[-1]:.2f} |"
    )


def gradients(checkpoint: Checkpoint, kind: torch.dtype, targets: tuple[str, ...]) -> torch.Tensor:
    """Of one page, with an adapter that already changes something."""
    model, _, changed = loaded(checkpoint, targets, kind)
    made = torch.Generator().manual_seed(6)
    for name, weight in sorted(changed.named_parameters()):
        if "lora_B" in name:
            weight.data = (torch.randn(weight.shape, generator=made) * 0.002).cuda()
    page = page_of(checkpoint, "base", 300)
    with torch.autocast("cuda", torch.bfloat16, enabled=kind == torch.bfloat16):
        loss = batch_loss(model, [page], vision=False)
    loss.backward()
    found = [w.grad.flatten() for n, w in sorted(changed.named_parameters()) if w.requires_grad]
    print(f"loss in {kind}: {float(loss.detach()):.4f}", flush=True)
    return torch.cat(found).float().cpu()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--limit", type=float, help="GB of memory")
    parser.add_argument("--cases", type=int, nargs="*", default=range(len(CASES)), help="numbers")
    parser.add_argument("--gradients", action="store_true")
    options = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    checkpoint = find_checkpoint(options.checkpoint)
    total = torch.cuda.get_device_properties(0).total_memory
    print(torch.cuda.get_device_name(0), f"{total / 1e9:.0f} GB", torch.__version__)
    if options.limit:
        torch.cuda.set_per_process_memory_fraction(options.limit * 1e9 / total)
    limit = f"{options.limit:.0f} GB" if options.limit else "none"
    print(f"limit: {limit}")
    print(
        "| mode | targets | activations | pages | prompt + answer | trained | GB | GB reserved | s a step | tokens/s | loss |"
    )
    print("|" + 11 * "---|")
    for case in (CASES[number] for number in options.cases):
        try:
            print(measure(checkpoint, case), flush=True)
        except torch.OutOfMemoryError:
            print(f"| {case} | {case.answer} | does not fit |", flush=True)
        except Exception:
            traceback.print_exc()
        torch.cuda.empty_cache()
    if options.gradients:
        one, other = (gradients(checkpoint, k, PLAIN) for k in (torch.float32, torch.bfloat16))
        cosine = float(torch.cosine_similarity(one, other, dim=0))
        print(
            f"gradients in bfloat16 against float32: cosine {cosine:.4f}, length {float(other.norm() / one.norm()):.4f}"
        )


if __name__ == "__main__":
    main()
