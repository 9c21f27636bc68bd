"""Teaches the small reader a face or an alphabet that it does not read, by LoRA.

    python benchmarks/training/new_face.py CHECKPOINT OUT --face greek

300 pages to learn from; it is judged by unseen pages of the new face, and by ordinary ones. Then the
merged checkpoint is compared with the adapter, on the same pages. Prints a table.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from reader_pages import FACES, pages, samples, write_pages

from deepseek_ocr_rag import LocalBackend, TransformersBackend
from deepseek_ocr_rag.training import AdapterSettings, FineTuning, evaluate, fine_tune, merge


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--face", choices=FACES, default="greek")
    parser.add_argument("--pages", type=int, default=300)
    parser.add_argument("--unseen", type=int, default=60)
    parser.add_argument("--most", type=float, default=0.5, help="how full the fullest page is")
    parser.add_argument("--epochs", type=float, default=30)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--ordinary", type=int, default=0, help="ordinary pages among the learnt")
    parser.add_argument("--targets", default="attention,mlp,shared,projector,vision")
    parser.add_argument("--judge-every", type=int, default=150)
    parser.add_argument("--device")
    parser.add_argument("--compared", default="transformers", help="backends, with commas")
    options = parser.parse_args()
    data = write_pages(
        options.out / "data",
        pages(options.face, "learnt", options.pages, options.most),
        pages("ordinary", "learnt", options.ordinary, options.most),
        pages(options.face, "unseen", options.unseen, options.most),
    ).parent
    ordinary = options.out / "ordinary"
    samples(ordinary, "ordinary", "unseen", options.unseen, options.most)
    targets = tuple(options.targets.split(","))
    settings = FineTuning(
        adapter=AdapterSettings(targets=targets, rank=options.rank, alpha=2 * options.rank),
        mode="tiny",
        epochs=options.epochs,
        learning_rate=options.rate,
        batch=options.batch,
        accumulate=1,
        judge_every=options.judge_every,
        judged=options.unseen,
        patience=0,
        device=options.device,
        gradient_checkpointing=False,
    )
    start = time.perf_counter()
    result = fine_tune(
        options.checkpoint,
        data,
        options.out / "adapter",
        settings,
        regression=ordinary,
        told=lambda line: print(f"{time.perf_counter() - start:5.0f} s {line}", flush=True),
    )
    print(f"{result.trained / 1e6:.2f} M weights, {result.steps} steps, {time.perf_counter() - start:.0f} s; kept: step {result.best_step}")  # fmt: skip
    print("| pages | CER before | CER after | boxes before | boxes after |")
    print("|---|---|---|---|---|")
    for name, before, after in (
        (options.face, result.before, result.best),
        ("ordinary", result.regression_before, result.regression),
    ):
        print(f"| {name} | {before.cer:.4f} | {after.cer:.4f} | {before.overlap:.3f} | {after.overlap:.3f} |", flush=True)  # fmt: skip
    merged = merge(options.checkpoint, result.adapter, options.out / "merged")
    wanted = samples(options.out / "unseen", options.face, "unseen", options.unseen, options.most)
    first: tuple[str, ...] | None = None
    for name in options.compared.split(","):
        kind = {"transformers": TransformersBackend, "local": LocalBackend}[name]
        for what, model, adapter in (
            ("adapter", options.checkpoint, result.adapter),
            ("merged", merged, None),
        ):
            backend = kind(model, adapter=adapter, device=options.device, attempts=1)
            found = evaluate(backend, wanted, mode="tiny")
            backend.close()
            first = first or found.texts
            same = sum(one == other for one, other in zip(first, found.texts, strict=True))
            print(f"{name}, {what}: CER {found.scores.cer:.4f}; {same} of {len(wanted)} texts as the first one's", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
