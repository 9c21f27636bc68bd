"""Teaches the small reader to loop as real models learn to: by labels that loop.

    python benchmarks/training/looping.py CHECKPOINT OUT

Of 40 short pages, 20 have a table of three columns whose last row is in their label 21 times, as in
the output of a teacher that looped; the other 20 have no table, and the right label. An adapter on the
attention learns them, one of each kind a step, in a minute of one core: the pictures go
through the towers once, and the vocabulary is cut down to the tokens that the small reader knows, with
the same loss (``small_reader.py``). Then pages that it never saw are read without a rule against
repeats, and with the model's own. Prints how each ended, and what it was asked again for.
``tests/support/small_reader.py`` has this adapter in eight bits (``pack_adapter(OUT, "looping")``).
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tests" / "support"))

from drawn_pages import (  # noqa: E402
    WORDS,
    DrawnPage,
    drawn_page,
    image_of,
    page_with,
    pdf_of,
)
from small_reader import FOLDER, unpacked  # noqa: E402

from deepseek_ocr_rag import Reader, TransformersBackend  # noqa: E402
from deepseek_ocr_rag.backends.transformers.generation import image_features  # noqa: E402
from deepseek_ocr_rag.model.families import FAMILIES  # noqa: E402
from deepseek_ocr_rag.model.ngrams import NoRepeat  # noqa: E402
from deepseek_ocr_rag.model.prompts import mode_named  # noqa: E402
from deepseek_ocr_rag.model.views import page_views  # noqa: E402
from deepseek_ocr_rag.training.adapters import AdapterSettings, add_adapter  # noqa: E402
from deepseek_ocr_rag.training.loop import LoopSettings, train  # noqa: E402
from deepseek_ocr_rag.training.loss import IGNORED, answer_loss  # noqa: E402

COPIES = 20
"""Of the last row, beside the right one."""
ORDINARY = 0.3
"""Weight of a page with the right label in the loss."""


def has_table(page: DrawnPage) -> bool:
    return any(block.label == "table" for block in page.blocks)


def form(name: str) -> DrawnPage:
    """A table of three columns, with figures of several units.

    Each digit and each mark is a unit of the loop search, so that a dozen copies prove a loop.
    """
    dice = random.Random(name)

    def figure() -> str:
        a, b = dice.sample(range(1, 10), 2)
        forms = (f"{a}.{b}%", f"${a}.{b}", f"{a}-{b}/{dice.randint(1, 9)}")
        return dice.choice((*forms, f"{a},{dice.randint(100, 999)}"))

    def word() -> str:
        return dice.choice([each for each in WORDS if 3 <= len(each) <= 5])

    head = tuple(word().capitalize() for _ in range(3))
    return page_with(
        "", "", cells=(head, *((word(), figure(), figure()) for _ in range(dice.randint(1, 2))))
    )


def ordinary(name: str) -> Iterator[DrawnPage]:
    """Pages without a table, in the order in which they are drawn."""
    number = 0
    while True:
        page = drawn_page(random.Random(f"{name} {number}"), 0.25)
        number += 1
        if not has_table(page):
            yield page


def label(page: DrawnPage) -> str:
    """As a teacher writes it that loops on tables."""
    right = page.answer()
    if not has_table(page):
        return right
    row = f"<tr>{right.split('<tr>')[-1].split('</tr>')[0]}</tr>"
    return right.replace("</table>", f"{row * COPIES}</table>")


def some(count: int, forms: str, others: str) -> list[DrawnPage]:
    """This many pages with a table, and as many without."""
    return [*(form(f"{forms} {n}") for n in range(count)), *(
        page for page, _ in zip(ordinary(others), range(count), strict=False)
    )]  # fmt: skip


@dataclass(frozen=True)
class Example:
    before: Tensor  # embeddings of picture and prompt
    answer: Tensor  # tokens as the cut network numbers them


def cut_network() -> tuple[Any, Any]:
    """The small reader with the tokens that it knows, and these tokens."""
    # Two files are called small_reader: this one trains.
    spec = importlib.util.spec_from_file_location("reader_training", HERE / "small_reader.py")
    assert spec is not None
    assert spec.loader is not None
    training = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = training
    spec.loader.exec_module(training)
    tokens = training.Tokens(FOLDER / "tokenizer.json")
    model = training.build(tokens)
    shapes = {name: weight.shape for name, weight in model.state_dict().items()}
    model.load_state_dict(unpacked(load_file(FOLDER / "weights.safetensors"), shapes))
    return model.eval().requires_grad_(False), tokens


@torch.no_grad()
def example(page: DrawnPage, model: Any, tokens: Any) -> Example:
    views = page_views(image_of(page).convert("RGB"), mode_named("tiny"), FAMILIES["deepseek-ocr"])
    words = model.get_input_embeddings()
    start, prompt = (words(torch.tensor(ids)) for ids in ([tokens.number[0]], tokens.prompts[0]))
    return Example(
        torch.cat([start, *image_features(model, [views]), prompt]),
        torch.tensor([*tokens.encode(label(page)), tokens.number[1]]),
    )


def learn(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    model, tokens = cut_network()
    half = options.pages // 2
    examples = [example(page, model, tokens) for page in some(half, "looping", "ordinary")]
    torch.manual_seed(options.seed)
    adapted = add_adapter(model, AdapterSettings(targets=("attention",), rank=4, alpha=8))
    trained = [weight for weight in adapted.parameters() if weight.requires_grad]
    words = model.get_input_embeddings()
    dice = random.Random(options.seed)

    def gradients_of(step: int) -> Tensor:
        total = torch.zeros(())
        chosen = (dice.randrange(half), 1.0), (half + dice.randrange(half), ORDINARY)
        for number, weight in chosen:
            one = examples[number]
            length = len(one.before)
            ids = torch.cat([torch.full((length,), IGNORED), one.answer])
            loss = answer_loss(
                model,
                torch.cat([one.before, words(one.answer)])[None],
                ids[None],
                first=length,
                attention={"full_attention": None},
                bias=tokens.bias,
            )
            (weight * loss).backward()
            total += weight * loss.detach()
        return total

    losses: list[float] = []
    start = time.process_time()

    def after(step: int, loss: Tensor) -> bool:
        losses.append(float(loss))
        if len(losses) % 10 == 0:
            spent = time.process_time() - start
            print(f"step {step + 1}: loss {sum(losses[-10:]) / 10:.3f}, {spent:.0f} s of CPU")
        return len(losses) == options.stop

    train(
        gradients_of,
        [torch.optim.AdamW(trained, lr=options.rate, weight_decay=0.0)],
        progress=lambda step: step / options.steps,
        settings=LoopSettings(),
        after_step=after,
    )
    adapted.save_pretrained(options.out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--pages", type=int, default=40)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument(
        "--stop", type=int, default=100, help="the last step, of a longer fall of the rate"
    )
    parser.add_argument("--rate", type=float, default=5e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--attempts", type=int, default=2)
    parser.add_argument("--most", type=int, default=700, help="tokens of a page")
    parser.add_argument("--adapter", type=Path, help="read with this one; train none")
    options = parser.parse_args()
    if options.adapter is None:
        learn(options)
    unseen = some(2, "unseen", "unseen loop")
    for name, rule in (("no rule", NoRepeat(0)), ("the model's rule", None)):
        backend = TransformersBackend(
            options.checkpoint,
            adapter=options.adapter or options.out,
            device="cpu",
            batch_size=len(unseen),
            no_repeat=rule,
            attempts=options.attempts,
            max_new_tokens=options.most,
        )
        start = time.process_time()
        with Reader(backend, resolution="tiny", cache=False) as reader:
            document = reader.read(pdf_of(unseen))
        backend.close()
        print(f"{name}: {time.process_time() - start:.0f} s of CPU")
        for page, drawn in zip(document.pages, unseen, strict=True):
            kind = "table" if has_table(drawn) else "no table"
            print(f"  {kind}: {page.finish_reason}, {page.markdown!r}", *page.warnings, sep="; ")


if __name__ == "__main__":
    main()
