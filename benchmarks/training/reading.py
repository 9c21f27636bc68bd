"""What the small reader reads: error rates of unseen drawn pages, by how full they are.

    python benchmarks/training/reading.py CHECKPOINT OUT --backend transformers --device cpu --pages 200

CHECKPOINT is a folder as ``tests/support/small_reader.py`` writes it, or the file of the training, in
which case TOKENIZER.JSON (--tokenizer) is needed too and OUT/checkpoint is written first. Texts go
to OUT/BACKEND-FACE.jsonl, and ``--beside`` such a file counts on how many pages another run wrote the
same; ``--cache fp8``, ``--weights fp8`` and ``--vision fp8`` are the engine's settings. The backend ``processor`` is
none of ours: transformers' own preprocessing and generation (its extra needs torchvision).
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import torch
from reader_pages import FACES, samples
from small_reader import pack, write_checkpoint

from deepseek_ocr_rag import LocalBackend, TransformersBackend
from deepseek_ocr_rag.backends import PageRequest, Reply
from deepseek_ocr_rag.backends.transformers.model_loading import load_model
from deepseek_ocr_rag.model.checkpoint import find_checkpoint
from deepseek_ocr_rag.model.tokenizer import EOS, PAD, ModelTokenizer, prompt_ids
from deepseek_ocr_rag.training import evaluate, summarise

BOX = re.compile(r"\[\[[\d, ]+\]\]")
"""Coordinates."""


class ProcessorBackend:
    """What transformers' classes read by themselves, with their own preprocessing."""

    name = "processor"
    needs_image = True

    def __init__(self, model: Path, *, device: str | None, **_: object) -> None:
        from transformers.models.unlimited_ocr.image_processing_unlimited_ocr import (
            UnlimitedOcrImageProcessor,
        )

        self.processor = UnlimitedOcrImageProcessor(
            size={"height": 512, "width": 512}, crop_to_patches=False
        )
        self.device = torch.device(device or "cuda")
        self.kind = torch.float32 if self.device.type == "cpu" else torch.bfloat16
        checkpoint = find_checkpoint(model)
        self.family = checkpoint.family
        self.tokenizer = ModelTokenizer.from_file(checkpoint.tokenizer)
        self.model = load_model(checkpoint, dtype=self.kind, device_map={"": self.device})

    @torch.no_grad()
    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        coming = iter(requests)
        while batch := list(islice(coming, 25)):
            seen = self.processor([each.drawn() for each in batch], return_tensors="pt")
            prompt = f"\n{batch[0].task.prompt}"
            ids = prompt_ids(self.tokenizer, prompt, self.family.image_tokens(512, None))
            found = self.model.generate(
                input_ids=torch.tensor([ids] * len(batch), device=self.device),
                pixel_values=seen["pixel_values"].to(self.device, self.kind),
                do_sample=False, max_new_tokens=400, eos_token_id=EOS, pad_token_id=PAD,
            )[:, len(ids) :].tolist()  # fmt: skip
            for request, tokens in zip(batch, found, strict=True):
                end = tokens.index(EOS) if EOS in tokens else len(tokens)
                reason = "stop" if end < len(tokens) else "length"
                yield Reply(request.key, self.tokenizer.decode(tokens[:end]), reason)

    def close(self) -> None:
        del self.model


BACKENDS = {
    "transformers": TransformersBackend,
    "local": LocalBackend,
    "processor": ProcessorBackend,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--tokenizer", type=Path)
    parser.add_argument("--backend", choices=BACKENDS, default="transformers")
    parser.add_argument("--device")
    parser.add_argument("--adapter", type=Path)
    parser.add_argument("--cache", choices=("model", "fp8"), help="of local")
    parser.add_argument(
        "--weights", choices=("model", "int8", "fp8", "int8-all", "fp8-all"), help="of local"
    )
    parser.add_argument("--vision", choices=("model", "fp8"), help="of local")
    parser.add_argument("--beside", type=Path, help="texts of another run")
    parser.add_argument("--pages", type=int, default=200)
    parser.add_argument("--most", type=float, default=1.0, help="how full the fullest page is")
    parser.add_argument("--face", choices=FACES, default="ordinary")
    parser.add_argument("--part", type=int, nargs=2, default=(0, 1), help="0 2 is the first half")
    parser.add_argument("--bins", type=int, default=4)
    parser.add_argument("--shown", type=int, default=0, help="pages to print, worst first")
    options = parser.parse_args()
    checkpoint = options.checkpoint
    if checkpoint.is_file():
        pack(checkpoint, options.tokenizer, options.out / "files")
        checkpoint = write_checkpoint(options.out / "checkpoint", options.out / "files")
    wanted = samples(
        options.out / f"pages-{options.face}", options.face, "unseen", options.pages, options.most
    )[options.part[0] :: options.part[1]]
    stored = {"cache": options.cache, "weights": options.weights, "vision": options.vision}
    stored = {name: kind for name, kind in stored.items() if kind is not None}
    backend = BACKENDS[options.backend](
        checkpoint, device=options.device, adapter=options.adapter, attempts=1, **stored
    )
    start = time.perf_counter()
    evaluate(backend, wanted[:1], mode="tiny")
    loaded = time.perf_counter()
    found = evaluate(backend, wanted, mode="tiny")
    seconds = time.perf_counter() - loaded
    backend.close()
    lines = [
        json.dumps({"id": each.id, "right": each.answer, "written": text})
        for each, text in zip(wanted, found.texts, strict=True)
    ]
    name = "-".join([options.backend, options.face, *(f"{k}-{v}" for k, v in stored.items())])
    (options.out / f"{name}.jsonl").write_text("\n".join(lines), "utf-8")
    if options.beside is not None:
        other = [
            json.loads(line)["written"]
            for line in options.beside.read_text(encoding="utf-8").splitlines()
        ]
        pairs = list(zip(found.texts, other, strict=True))
        same = sum(one == two for one, two in pairs)
        words = sum(BOX.sub("", one) == BOX.sub("", two) for one, two in pairs)
        print(
            f"{name}: of {len(pairs)} pages {same} as in {options.beside.name}, {words} but for boxes"
        )
    print(f"{options.backend}, {options.face}: loaded in {loaded - start:.1f} s, {seconds / len(wanted):.3f} s a page")  # fmt: skip
    print("| level | pages | CER | WER | boxes | TEDS | wrong tables | loops | no end |")
    print("|---|---|---|---|---|---|---|---|---|")
    size = -(-len(wanted) // options.bins)
    parts = [found.pages[at : at + size] for at in range(0, len(wanted), size)]
    for number, part in enumerate([*parts, found.pages]):
        scores = summarise(part)
        name = (
            "all" if number == len(parts) else f"to {options.most * (number + 1) / len(parts):.2f}"
        )
        teds = "-" if scores.teds is None else f"{scores.teds:.3f}"
        print(
            f"| {name} | {scores.pages} | {scores.cer:.4f} | {scores.wer:.4f} | {scores.overlap or 0:.3f}"
            f" | {teds} | {scores.wrong_table_counts} | {scores.loops} | {scores.without_end} |",
            flush=True,
        )  # fmt: skip
    order = sorted(range(len(wanted)), key=lambda n: -found.pages[n].edits)
    for number in order[: options.shown]:
        print(found.pages[number].edits, repr(wanted[number].answer), repr(found.texts[number]))


if __name__ == "__main__":
    main()
