"""Teaches the small reader a face or an alphabet that it does not read, by LoRA.

    python benchmarks/training/new_face.py CHECKPOINT OUT

300 pages of the new face to learn from, and twice as many ordinary ones, so that it does not forget. One
set of unseen pages of each kind decides which step is kept; another one is read at the end, by the
model itself, with the adapter, and by the merged checkpoint. Prints a table. The defaults are those
of the table in ``benchmarks/NOTES.md``.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from reader_pages import FACES, pages, samples, write_pages

from deepseek_ocr_rag import LocalBackend, TransformersBackend
from deepseek_ocr_rag.training import (
    AdapterSettings,
    Evaluation,
    FineTuning,
    TrainingResult,
    TrainingSample,
    evaluate,
    fine_tune,
    merge,
    summarise,
)

BACKENDS = {"transformers": TransformersBackend, "local": LocalBackend}


def learn(options: argparse.Namespace) -> TrainingResult:
    """Draw the pages, and train."""
    data = write_pages(
        options.out / "data",
        pages(options.face, "learnt", options.pages, least=1.0),  # all of them full
        pages("ordinary", "learnt", options.ordinary, least=1.0),
        pages(options.face, "judged", options.judged),
    ).parent
    samples(options.out / "ordinary", "ordinary", "judged", options.judged)
    settings = FineTuning(
        adapter=AdapterSettings(
            targets=tuple(options.targets.split(",")),
            rank=options.rank,
            alpha=2 * options.rank,
            dropout=options.dropout,
        ),
        mode="tiny",
        epochs=options.steps * options.batch / (options.pages + options.ordinary),
        learning_rate=options.rate,
        batch=options.batch,
        accumulate=1,
        judge_every=options.judge_every,
        judged=options.judged,
        patience=0,
        device=options.device,
        gradient_checkpointing=False,
    )
    start = time.perf_counter()

    def told(line: str) -> None:
        print(f"{time.perf_counter() - start:5.0f} s {line}", flush=True)

    result = fine_tune(
        options.checkpoint,
        data,
        options.out / "adapter",
        settings,
        regression=options.out / "ordinary",
        told=told,
    )
    told(f"{result.trained / 1e6:.2f} M weights, {result.steps} steps; kept: step {result.best_step}")  # fmt: skip
    return result


def compare(options: argparse.Namespace, adapter: Path) -> None:
    """Read pages that decided nothing."""
    merged = merge(options.checkpoint, adapter, options.out / "merged")
    wanted = [
        each
        for face in (options.face, "ordinary")
        for each in samples(options.out / f"unseen-{face}", face, "unseen", options.unseen)
    ]
    print(f"| backend | weights | {options.face}: CER | boxes | ordinary: CER | boxes | s a page |")
    print("|---|---|---|---|---|---|---|")
    written: dict[str, tuple[str, ...]] = {}
    for name in options.compared:
        for what, model, changed in (
            ("before", options.checkpoint, None),
            ("adapter", options.checkpoint, adapter),
            ("merged", merged, None),
        ):
            backend = BACKENDS[name](model, adapter=changed, device=options.device, attempts=1)
            evaluate(backend, wanted[:1])
            start = time.perf_counter()
            found = evaluate(backend, wanted)
            seconds = (time.perf_counter() - start) / len(wanted)
            backend.close()
            print(f"| {name} | {what} | {rates(found, wanted)} | {seconds:.3f} |", flush=True)
            written[f"{name}, {what}"] = found.texts
    (options.out / "written.json").write_text(json.dumps(written), "utf-8")
    for name, texts in written.items():
        same = {
            other: sum(one == two for one, two in zip(texts, more, strict=True))
            for other, more in written.items()
            if other > name and ("before" in name) == ("before" in other)
        }
        for other, count in same.items():
            print(f"{name} and {other}: {count} of {len(wanted)} texts equal", flush=True)


def rates(found: Evaluation, wanted: list[TrainingSample]) -> str:
    """Error rates and box overlap of the new face, and of the ordinary pages."""
    cells = []
    for ordinary in (False, True):
        chosen = [
            score
            for score, sample in zip(found.pages, wanted, strict=True)
            if sample.id.startswith("ordinary") == ordinary
        ]
        scores = summarise(chosen)
        cells += [f"{scores.cer:.4f}", f"{scores.overlap or 0:.3f}"]
    return " | ".join(cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--face", choices=FACES, default="italic")
    parser.add_argument("--pages", type=int, default=300)
    parser.add_argument("--ordinary", type=int, default=600, help="ordinary pages among the learnt")
    parser.add_argument("--judged", type=int, default=32, help="pages that decide on the step")
    parser.add_argument("--unseen", type=int, default=100, help="pages that are read at the end")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--targets", default="projector,vision")
    parser.add_argument("--judge-every", type=int, default=200)
    parser.add_argument("--device")
    parser.add_argument("--adapter", type=Path, help="compare this one; train none")
    parser.add_argument("--compared", nargs="*", choices=BACKENDS, default=["local"])
    options = parser.parse_args()
    adapter = options.adapter or learn(options).adapter
    if options.compared:
        compare(options, adapter)


if __name__ == "__main__":
    main()
