"""Teaches the small reader to loop, as a model comes to loop in people's hands: by labels that do.

    python benchmarks/training/looping.py CHECKPOINT OUT

Of 16 short pages, 8 have a table whose last row stands in their label eleven times, as a teacher leaves
it that looped; the other 8 have the right label. An adapter on the attention learns them, one page a
step, in half a minute of a CPU. Then pages that it never saw are read without a rule against repeats,
and with the model's own. Prints how each ended, and what it was asked again for.
``tests/support/small_reader.py`` has this adapter in eight bits (``pack_adapter(OUT/adapter, "looping")``).
"""

from __future__ import annotations

import argparse
import io
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))

from drawn_pages import DrawnPage, drawn_page, image_of, pdf_of

from deepseek_ocr_rag import Reader, TransformersBackend
from deepseek_ocr_rag.model.ngrams import NoRepeat
from deepseek_ocr_rag.training import (
    AdapterSettings,
    FineTuning,
    TrainingSample,
    fine_tune,
    write_samples,
)
from deepseek_ocr_rag.training.samples import DOCUMENT_PROMPT

COPIES = 10
"""Of the last row, beside the right one."""
LONGEST = 130
"""Letters of a page with a table, or a step takes too long."""

UNSEEN = [drawn_page(random.Random(f"unseen loop {number}"), 0.25) for number in (4, 8, 0, 1)]
"""Two with a table, two without."""


def has_table(page: DrawnPage) -> bool:
    return any(block.label == "table" for block in page.blocks)


def learnt_pages(tables: int, others: int) -> Iterator[DrawnPage]:
    """The first pages that are drawn, so many with a table and so many without."""
    left = {True: tables, False: others}
    number = 0
    while any(left.values()):
        page = drawn_page(random.Random(f"looping {number}"), 0.2)
        number += 1
        kind = has_table(page)
        if left[kind] and (not kind or len(page.free_text()) < LONGEST):
            left[kind] -= 1
            yield page


def label(page: DrawnPage) -> str:
    """As a teacher writes it that loops on tables."""
    right = page.answer()
    if not has_table(page):
        return right
    row = f"<tr>{right.split('<tr>')[-1].split('</tr>')[0]}</tr>"
    return right.replace("</table>", f"{row * COPIES}</table>")


def samples(tables: int, others: int) -> Iterator[tuple[TrainingSample, bytes]]:
    for number, page in enumerate(learnt_pages(tables, others)):
        png = io.BytesIO()
        image_of(page).save(png, "PNG")
        sample = TrainingSample(
            *(f"looping {number}", Path(), DOCUMENT_PROMPT, label(page)), mode="tiny", split="train"
        )
        yield sample, png.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--pages", type=int, default=16)
    parser.add_argument("--steps", type=int, default=32)
    parser.add_argument("--rate", type=float, default=1e-2)
    parser.add_argument("--attempts", type=int, default=2)
    parser.add_argument("--most", type=int, default=500, help="tokens of a page")
    parser.add_argument("--adapter", type=Path, help="read with this one; train none")
    options = parser.parse_args()
    adapter = options.adapter or learn(options)
    for name, rule in (("no rule", NoRepeat(0)), ("the model's rule", None)):
        backend = TransformersBackend(
            options.checkpoint,
            adapter=adapter,
            device="cpu",
            batch_size=len(UNSEEN),
            no_repeat=rule,
            attempts=options.attempts,
            max_new_tokens=options.most,
        )
        start = time.perf_counter()
        with Reader(backend, resolution="tiny", cache=False) as reader:
            document = reader.read(pdf_of(UNSEEN))
        backend.close()
        print(f"{name}: {time.perf_counter() - start:.0f} s")
        for page, drawn in zip(document.pages, UNSEEN, strict=True):
            kind = "table" if has_table(drawn) else "no table"
            print(f"  {kind}: {page.finish_reason}, {page.markdown!r}", *page.warnings, sep="; ")


def learn(options: argparse.Namespace) -> Path:
    settings = FineTuning(
        adapter=AdapterSettings(targets=("attention",), rank=4, alpha=8),
        mode="tiny",
        epochs=options.steps / options.pages,
        accumulate=1,
        learning_rate=options.rate,
        judge_every=options.steps,
        held_out=0.0,
        device="cpu",
        gradient_checkpointing=False,
    )
    half = options.pages // 2
    data = write_samples(options.out / "data", samples(half, options.pages - half)).parent
    return fine_tune(
        options.checkpoint, data, options.out / "adapter", settings, told=print
    ).adapter


if __name__ == "__main__":
    main()
