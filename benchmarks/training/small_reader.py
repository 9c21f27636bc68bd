"""Trains the small reader from scratch, on pages that are drawn while it trains.

    python benchmarks/training/small_reader.py TOKENIZER.JSON OUT --seconds 300

TOKENIZER.JSON is the published one. Writes OUT/small_reader.safetensors every minute: the average of
the weights, in 16 bits, for the tokens that it knows (``tests/support/small_reader.py`` makes a
checkpoint of it). --resume goes on from such a file. Seeds are fixed; on a GPU the order of the
additions is not.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset
from transformers import UnlimitedOcrConfig, UnlimitedOcrForConditionalGeneration
from transformers.integrations.moe import ALL_EXPERTS_FUNCTIONS

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from drawn_pages import VIEW, drawn_page, image_of  # noqa: E402
from small_reader import (  # noqa: E402
    DECODER,
    IMAGE,
    SAM,
    VOCABULARY,
    cut_tokenizer,
    published_config,
    used_ids,
)

from deepseek_ocr_rag.backends.transformers.model_loading import model_config  # noqa: E402
from deepseek_ocr_rag.model.checkpoint import Checkpoint  # noqa: E402
from deepseek_ocr_rag.model.families import FAMILIES  # noqa: E402
from deepseek_ocr_rag.model.prompts import TASKS  # noqa: E402
from deepseek_ocr_rag.training.loop import LoopSettings, train  # noqa: E402
from deepseek_ocr_rag.training.loss import IGNORED, answer_loss, plain_features  # noqa: E402

LENGTHS = (88, 128, 168, 272)
"""Tokens of prompt, answer and end to which a batch is padded."""
CHUNK = 32
AID = "aid.safetensors"  # beside the network's weights, to go on from
FREE = 0.2  # share of pages that are asked for without boxes
DOWN, ACROSS, LETTERS = 32, 64, 95
"""The grid that says which letter's middle is where: 16 x 8 pixels, and the printed letters; 0 is none."""


class Tokens:
    """The small reader's tokens, numbered without gaps while it trains.

    The last number stands for all tokens that it does not know. They share one row of the
    vocabulary layer; ``bias`` makes that row count as often as there are such tokens, so that the
    loss is that of the whole vocabulary.
    """

    def __init__(self, published: Path) -> None:
        self.tokenizer = Tokenizer.from_str(json.dumps(cut_tokenizer(published)))
        self.ids = used_ids(self.tokenizer)
        self.number = {token: number for number, token in enumerate(self.ids)}
        self.count = len(self.ids) + 1
        self.bias = torch.zeros(self.count)
        self.bias[-1] = math.log(VOCABULARY - len(self.ids))
        self.prompts = [self.encode("\n" + TASKS[name].prompt) for name in ("document", "free")]

    def encode(self, text: str) -> list[int]:
        return [self.number[i] for i in self.tokenizer.encode(text, add_special_tokens=False).ids]

    def decode(self, numbers: list[int]) -> str:
        kept = [self.ids[n] for n in numbers if n < len(self.ids) and self.ids[n] > 2]
        return str(self.tokenizer.decode(kept, skip_special_tokens=False))


@dataclass(frozen=True)
class Sample:
    pixels: np.ndarray  # uint8, (VIEW, VIEW)
    ids: list[int]  # prompt, answer and end
    prompt: int  # number of the prompt's tokens
    letters: np.ndarray  # uint8, (DOWN, ACROSS): the letter whose middle is there
    places: list[int]  # of each token: where its letter is in that grid, or -1


def sample(dice: random.Random, tokens: Tokens, level: float) -> Sample:
    """A page, drawn and written down."""
    while True:
        page = drawn_page(dice, level)
        free = dice.random() < FREE
        prompt = tokens.prompts[free]
        answer = page.free_text() if free else page.answer()
        coded = tokens.tokenizer.encode(answer, add_special_tokens=False)
        if len(prompt) + len(coded.ids) < LENGTHS[-1]:
            break
    letters = np.zeros((DOWN, ACROSS), np.uint8)
    for letter, x, y in page.places():
        if letter != " ":
            letters[int(y * DOWN), int(x * ACROSS)] = ord(letter) - 32
    written = page.written_places(free=free)
    places = [-1] * len(prompt)
    for start, _ in coded.offsets:
        at = written[start]
        places.append(-1 if at is None else int(at[1] * DOWN) * ACROSS + int(at[0] * ACROSS))
    side = VIEW if dice.random() < 0.75 else dice.randint(VIEW, 2 * VIEW)
    pixels = np.asarray(image_of(page, side).resize((VIEW, VIEW), 3), np.uint8)
    ids = [*prompt, *(tokens.number[i] for i in coded.ids), tokens.number[1]]
    return Sample(pixels, ids, len(prompt), letters, [*places, -1])


@dataclass(frozen=True)
class Batch:
    """Pages as tensors; see :class:`Sample`. Ids and places are padded on the right."""

    pixels: Tensor
    ids: Tensor
    sizes: Tensor  # (rows, 2): tokens, and those of the prompt
    letters: Tensor
    places: Tensor

    @classmethod
    def of(cls, samples: list[Sample]) -> Batch:
        ids = torch.zeros(len(samples), LENGTHS[-1], dtype=torch.int16)
        places = torch.full_like(ids, -1)
        for row, each in enumerate(samples):
            ids[row, : len(each.ids)] = torch.tensor(each.ids)
            places[row, : len(each.places)] = torch.tensor(each.places)
        return cls(
            torch.from_numpy(np.stack([each.pixels for each in samples])),
            ids,
            torch.tensor([[len(each.ids), each.prompt] for each in samples]),
            torch.from_numpy(np.stack([each.letters for each in samples])),
            places,
        )

    def parts(self) -> tuple[Tensor, ...]:
        return self.pixels, self.ids, self.sizes, self.letters, self.places


class Pages(IterableDataset):
    """Chunks of drawn pages, without end; ``done`` is the share of the training that is done."""

    def __init__(self, tokens: Tokens, done: Tensor, seed: int) -> None:
        self.tokens, self.done, self.seed = tokens, done, seed

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        worker = torch.utils.data.get_worker_info()
        torch.set_num_threads(1)
        dice = random.Random(self.seed * 1000 + (worker.id if worker else 0))
        while True:
            done = float(self.done)
            most, bend = min(1.0, 0.15 + 2.5 * done), 1.2 if done < 0.4 else 0.5
            yield Batch.of(
                [sample(dice, self.tokens, most * dice.random() ** bend) for _ in range(CHUNK)]
            ).parts()


def pinned(tensor: Tensor, device: torch.device) -> Tensor:
    """From there a GPU takes it while the program goes on."""
    return tensor.pin_memory() if device.type == "cuda" else tensor


class Pool:
    """The newest drawn pages, on the device; each is seen a few times before it is replaced."""

    def __init__(self, chunks: Iterator[list[Tensor]], size: int, device: torch.device) -> None:
        self.size, self.drawn = size, 0

        def room(*shape: int, kind: torch.dtype = torch.uint8) -> Tensor:
            return torch.zeros(size, *shape, dtype=kind, device=device)

        self.pages = Batch(
            room(VIEW, VIEW),
            room(LENGTHS[-1], kind=torch.int16),
            room(2, kind=torch.int64),
            room(DOWN, ACROSS),
            room(LENGTHS[-1], kind=torch.int16),
        )
        self.lengths = np.zeros(size, np.int64)
        self.waiting: Queue = Queue(maxsize=24)
        threading.Thread(target=self._feed, args=(chunks,), daemon=True).start()

    def _feed(self, chunks: Iterator[list[Tensor]]) -> None:
        for chunk in chunks:
            self.waiting.put(chunk)

    def refresh(self, least: int) -> None:
        """Take in some of what has been drawn; waits until there are ``least`` pages."""
        taken = 0
        while taken < 2 or self.drawn < least:
            try:
                chunk = self.waiting.get(block=self.drawn < least)
            except Empty:
                return
            at = self.drawn % self.size
            for mine, new in zip(self.pages.parts(), chunk, strict=True):
                mine[at : at + CHUNK].copy_(pinned(new, mine.device), non_blocking=True)
            self.lengths[at : at + CHUNK] = chunk[2][:, 0].numpy()
            self.drawn += CHUNK
            taken += 1

    def batch(self, dice: np.random.Generator, rows: int) -> tuple[np.ndarray, int]:
        """Indices of pages of about one length, so that little is padded, and that length."""
        chosen = dice.integers(0, min(self.drawn, self.size), 4 * rows)
        chosen = chosen[np.argsort(self.lengths[chosen], kind="stable")]
        at = rows * int(dice.integers(0, 4))
        chosen = chosen[at : at + rows]
        longest = int(self.lengths[chosen].max())
        return chosen, next(n for n in LENGTHS if n >= longest)


class Aid(nn.Module):
    """What is asked of the network beside its answer while it is small and young.

    Which letter is where: of the first tower's patches, and of the picture's tokens. And of the
    decoder's second layer: where the letter is that it will write next. From answers alone, the
    network did not find out within half a million pages that the picture says what to write. None of
    this is part of the network; its weight falls as the training goes on.
    """

    def __init__(self, patches: int, width: int) -> None:
        super().__init__()
        self.patch = nn.Linear(patches, 2 * LETTERS)
        self.token = nn.Linear(width, 32 * LETTERS)
        self.cell = nn.Linear(width, 64)
        self.slot = nn.Linear(width, 32)
        weights = torch.ones(LETTERS)
        weights[0] = 0.05
        self.register_buffer("weights", weights)

    def forward(
        self, patches: Tensor, features: Tensor, hidden: Tensor, letters: Tensor, places: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Losses of patches ``(rows, 32, 32, width)``, tokens ``(rows, 73, width)`` and places.

        ``hidden`` are the states that predict the tokens of ``places``, both ``(rows, length)``.
        """
        rows = len(letters)
        letters = letters.long()

        def named(scores: Tensor, wanted: Tensor) -> Tensor:
            return nn.functional.cross_entropy(
                scores.view(-1, LETTERS).float(), wanted.flatten(), self.weights.float()
            )

        seen = named(self.patch(patches), letters)
        grid = features[:, :72].reshape(rows, 8, 9, -1)[:, :, :8]
        wanted = letters.view(rows, 8, 4, 8, 8).transpose(2, 3).contiguous()
        told = named(self.token(grid), wanted)
        down, across = places // ACROSS, places % ACROSS
        cells = torch.where(places < 0, IGNORED, down // 4 * 8 + across // 8)
        slots = torch.where(places < 0, IGNORED, down % 4 * 8 + across % 8)
        pointed = sum(
            nn.functional.cross_entropy(
                head(hidden).flatten(0, 1).float(),
                wanted.flatten(),
                ignore_index=IGNORED,
                reduction="sum",
            )
            for head, wanted in ((self.cell, cells), (self.slot, slots))
        ) / (places >= 0).sum().clamp(min=1)
        return seen, told, pointed


class Gradients:
    """Computes losses and gradients of batches in 16 bits.

    On a GPU each length of batch becomes a CUDA graph: launched one by one, the kernels of so small
    a network leave the GPU idle.
    """

    def __init__(self, model: nn.Module, aid: Aid, tokens: Tokens) -> None:
        self.model, self.aid = model, aid
        self.weights = [w for part in (model, aid) for w in part.parameters() if w.requires_grad]
        self.device = self.weights[0].device
        self.bias = tokens.bias.to(self.device)
        self.start = torch.tensor([[tokens.number[0]]], device=self.device)
        self.first = min(map(len, tokens.prompts))
        self.help = torch.ones((), device=self.device)
        self.graphs: dict[int, tuple] = {}
        self.memory = None
        self.kept: dict[str, Tensor] = {}
        for name, module in model.named_modules():
            if name.endswith(f"layers.{SAM['layers'] - 1}") and hasattr(module, "window_size"):
                module.register_forward_hook(self._keep("patches"))
            if name.endswith("language_model.layers.1"):
                module.register_forward_hook(self._keep("hidden"))

    def _keep(self, key: str) -> Callable[..., None]:
        def keep(_: nn.Module, __: object, output: Tensor) -> None:
            self.kept[key] = output

        return keep

    def losses(self, pages: Batch, noisy: bool = True) -> list[Tensor]:
        """The loss of the answers, and those of the aid."""
        index = torch.arange(pages.ids.shape[1], device=self.device)
        answer = (index >= pages.sizes[:, 1:]) & (index < pages.sizes[:, :1])
        pixels = normalised(pages.pixels, noisy).to(self.weights[0].dtype)
        features = plain_features(self.model, pixels)
        words = self.model.get_input_embeddings()
        start = words(self.start).expand(len(pages.ids), 1, -1)
        embeddings = torch.cat([start, features, words(pages.ids)], dim=1)
        picture = features.shape[1] + 1
        first = picture + self.first
        labels = torch.where(answer, pages.ids, IGNORED)
        labels = nn.functional.pad(labels, (picture, 0), value=IGNORED)
        loss = answer_loss(
            self.model, embeddings, labels, first=first, attention={"full_attention": None}, bias=self.bias
        )  # fmt: skip
        hidden = self.kept["hidden"][:, first - 1 : -1]
        places = pages.places[:, self.first :]
        return [loss, *self.aid(self.kept["patches"], features, hidden, pages.letters, places)]

    def _backward(self, pages: Batch) -> Tensor:
        loss, seen, told, pointed = self.losses(pages)
        total = loss + self.help * (0.5 * seen + 0.5 * told + 0.3 * pointed)
        total.backward()
        return torch.stack([loss, seen, told, pointed]).detach()

    def __call__(self, pool: Pool, chosen: np.ndarray, length: int) -> tuple[Tensor, list[Tensor]]:
        index = torch.from_numpy(chosen)
        index = pinned(index, self.device).to(self.device, non_blocking=True)
        pixels, ids, sizes, letters, places = pool.pages.parts()
        taken = Batch(
            pixels[index], ids[index, :length].long(), sizes[index], letters[index],
            places[index, :length].long(),
        )  # fmt: skip
        if self.device.type != "cuda":
            self.model.zero_grad()
            self.aid.zero_grad()
            return self._backward(taken), [w.grad for w in self.weights]
        if length not in self.graphs:
            self.graphs[length] = self._capture(taken)
        graph, inputs, losses, grads = self.graphs[length]
        for mine, new in zip(inputs.parts(), taken.parts(), strict=True):
            mine.copy_(new)
        graph.replay()
        return losses, grads

    def _capture(self, pages: Batch) -> tuple:
        pages = Batch(*(each.clone() for each in pages.parts()))
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(2):
                self._backward(pages)
        torch.cuda.current_stream().wait_stream(aside)
        for weight in self.weights:
            weight.grad = None
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.memory):
            losses = self._backward(pages)
        self.memory = self.memory or graph.pool()
        grads = [w.grad for w in self.weights]
        for weight in self.weights:
            weight.grad = None
        return graph, pages, losses, grads


def attention_without_bias(attention: nn.Module) -> Callable[[Tensor], tuple[Tensor, None]]:
    """The first tower's attention as the engine computes it: positions as parts of query and key.

    See :mod:`deepseek_ocr_rag.engine.vision.window_attention`; the matrix of biases is never made.
    """
    known: dict[int, tuple[Tensor, Tensor]] = {}

    def positions(table: Tensor, side: int) -> Tensor:
        if side not in known:
            at = torch.arange(side, device=table.device)
            eye = torch.eye(side, dtype=table.dtype, device=table.device)
            known[side] = (at[:, None] - at[None] + side - 1, eye)
        if len(table) != 2 * side - 1:
            table = nn.functional.interpolate(table.t()[None], size=2 * side - 1, mode="linear")[
                0
            ].t()
        return table[known[side][0]]

    def forward(hidden_states: Tensor, **_: object) -> tuple[Tensor, None]:
        rows, side, _, _ = hidden_states.shape
        heads = attention.num_attention_heads
        split = attention.qkv(hidden_states).view(rows, side, side, 3, heads, -1)
        query, key, value = split.permute(3, 0, 4, 1, 2, 5).unbind(0)
        down = torch.einsum("bnhwd,hkd->bnhwk", query, positions(attention.rel_pos_h, side))
        across = torch.einsum("bnhwd,wkd->bnhwk", query, positions(attention.rel_pos_w, side))
        eye = known[side][1]
        shape = (*key.shape[:-1], side)
        query = torch.cat([query, down / attention.scale, across / attention.scale], dim=-1)
        key = torch.cat([key, eye[:, None].expand(shape), eye.expand(shape)], dim=-1)
        width = value.shape[-1]
        spare = -query.shape[-1] % 8
        found = nn.functional.scaled_dot_product_attention(
            nn.functional.pad(query, (0, spare)).flatten(2, 3),
            nn.functional.pad(key, (0, spare)).flatten(2, 3),
            nn.functional.pad(value, (0, 2 * side + spare)).flatten(2, 3),
            scale=attention.scale,
        )[..., :width]
        found = found.view(rows, heads, side, side, width).permute(0, 2, 3, 1, 4)
        return attention.proj(found.flatten(3)), None

    return forward


def grey_patches(embedding: nn.Module) -> Callable[[Tensor], Tensor]:
    """The patch embedding of grey pages ``(rows, side, side)`` as one matrix product."""

    def forward(grey: Tensor) -> Tensor:
        rows, side, _ = grey.shape
        patches = grey.view(rows, side // 16, 16, side // 16, 16).transpose(2, 3).flatten(3)
        weight = embedding.projection.weight.sum(1).flatten(1)
        return nn.functional.linear(patches, weight, embedding.projection.bias)

    return forward


def make_fast(model: nn.Module) -> None:
    """Compute the same in fewer and faster steps while training."""
    for name, module in model.named_modules():
        if hasattr(module, "rel_pos_h"):
            module.forward = attention_without_bias(module)
        elif name.endswith("patch_embed"):
            module.forward = grey_patches(module)


def every_expert(experts: nn.Module, hidden: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
    """Compute all experts, those not chosen with weight 0: faster where they are few and narrow."""
    count, double, width = experts.gate_up_proj.shape
    share = torch.zeros(len(hidden), count, dtype=weights.dtype, device=hidden.device)
    share = share.scatter(1, chosen, weights)
    made = nn.functional.linear(hidden, experts.gate_up_proj.view(count * double, width))
    gate, up = made.view(len(hidden), count, 2, double // 2).unbind(2)
    made = nn.functional.silu(gate) * up * share[:, :, None].to(gate.dtype)
    down = experts.down_proj.transpose(1, 2).reshape(count * double // 2, width)
    return (made.flatten(1) @ down.to(made.dtype)).to(hidden.dtype)


def build(tokens: Tokens) -> UnlimitedOcrForConditionalGeneration:
    """The network with first weights: what goes through a matrix keeps its size."""
    config = published_config()
    config["language_config"] = {**config["language_config"], "vocab_size": tokens.count}
    family = FAMILIES["deepseek-ocr"]
    where = Path(tempfile.gettempdir())
    made, _ = model_config(Checkpoint("small reader", where, family, config, where, ()))
    assert isinstance(made, UnlimitedOcrConfig)
    made.image_token_id = tokens.number[IMAGE]
    ALL_EXPERTS_FUNCTIONS.register("every_expert", every_expert)
    model = UnlimitedOcrForConditionalGeneration(made)
    model.set_experts_implementation("every_expert")
    depth = {"sam": 5, "encoder": 3, "language_model": 4}
    for name, weight in model.named_parameters():
        if weight.ndim == 1 and "layer" not in name and "norm" not in name:
            nn.init.zeros_(weight) if name.endswith("bias") else nn.init.normal_(weight, 0, 0.5)
        elif weight.ndim == 1:
            nn.init.ones_(weight) if name.endswith("weight") else nn.init.zeros_(weight)
        elif "rel_pos" in name or "pos_embed" in name:
            nn.init.zeros_(weight)
        elif "embed_tokens" in name or "position_embedding" in name:
            nn.init.normal_(weight, 0, 0.5)
        elif "lm_head" in name or name.endswith("mlp.gate.weight"):
            nn.init.normal_(weight, 0, 0.02)
        else:
            inputs = (
                weight[0].numel()
                if "experts." not in name or "shared" in name
                else weight.shape[-1]
            )
            layers = next((number for part, number in depth.items() if part in name), 1)
            last = name.endswith(
                ("o_proj.weight", "down_proj.weight", "down_proj", "attn.proj.weight", "out_proj.weight", "fc2.weight", "lin2.weight")
            )  # fmt: skip
            nn.init.normal_(weight, 0, inputs**-0.5 / ((2 * layers) ** 0.5 if last else 1))
    # Pages are all of one size: the second tower's positions say enough.
    for name, weight in model.named_parameters():
        if name.endswith("pos_embed"):
            weight.requires_grad_(False)
    return model


def normalised(pixels: Tensor, noisy: bool) -> Tensor:
    """Grey pixels as -1..1; while training with other inks, papers and noise."""
    grey = pixels.float() / 127.5 - 1
    if noisy:

        def some(share: float, most: float) -> Tensor:
            chance = torch.rand(2, len(grey), 1, 1, device=grey.device)
            return most * chance[0] * (chance[1] < share)

        paper = some(0.4, 0.12)
        grey = 1 - paper + (grey - 1) * (1 - some(0.4, 0.35) - paper / 2)
        grey = (grey + some(0.5, 0.06) * torch.randn_like(grey)).clamp(-1, 1)
    return grey


def quiz_of(tokens: Tokens, count: int, device: torch.device) -> Batch:
    """Unseen full pages."""
    dice = random.Random("a quiz")
    drawn = Batch.of([sample(dice, tokens, 1.0) for _ in range(count)])
    pixels, ids, sizes, letters, places = (each.to(device) for each in drawn.parts())
    return Batch(pixels, ids.long(), sizes, letters, places.long())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--workers", type=int, default=13)
    parser.add_argument("--pool", type=int, default=12288)
    parser.add_argument("--done", type=float, default=0.0, help="share of the training to start at")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--resume", type=Path)
    parser.add_argument("--pages", type=int, default=32, help="unseen ones")
    parser.add_argument(
        "--last", type=float, default=0.01, help="learning rate at the end, of its peak"
    )
    options = parser.parse_args()
    begin = time.monotonic()
    torch.set_float32_matmul_precision("high")
    tokens = Tokens(options.tokenizer)
    done = torch.full((), options.done).share_memory_()
    loader = DataLoader(
        Pages(tokens, done, options.seed), batch_size=None, num_workers=options.workers,
        prefetch_factor=2 if options.workers else None,
    )  # fmt: skip
    chunks = iter(loader)  # its processes start before the GPU is touched
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(options.seed)
    pool = Pool(chunks, options.pool, device)
    model = build(tokens)
    if options.resume:
        model.load_state_dict({k: v.float() for k, v in load_file(options.resume).items()})
    make_fast(model)
    aid = Aid(SAM["width"], DECODER["hidden_size"])
    if options.resume and (options.resume.parent / AID).is_file():
        known = load_file(options.resume.parent / AID)
        aid.load_state_dict({k: v.float() for k, v in known.items()})
    names = {
        name: weight.detach().float().to(device)
        for part in (model, aid) for name, weight in part.named_parameters() if weight.requires_grad
    }  # fmt: skip
    for part in (model, aid):
        part.to(device, torch.bfloat16 if device.type == "cuda" else torch.float32).train()
    print(
        f"{sum(w.numel() for w in names.values()) / 1e6:.2f} M weights, {tokens.count} tokens",
        flush=True,
    )
    masters = list(names.values())
    slopes = [torch.zeros_like(weight) for weight in masters]
    optimizer = make_optimizer(names, options)
    average = {name: weight.clone() for name, weight in names.items()}
    gradients = Gradients(model, aid, tokens)
    quiz = quiz_of(tokens, options.pages, device)
    dice = np.random.default_rng(options.seed)

    def gradients_of(step: int) -> Tensor:
        pool.refresh(6 * options.batch)
        loss, found = gradients(pool, *pool.batch(dice, options.batch))
        with torch.no_grad():
            torch._foreach_copy_(slopes, found)
        for weight, slope in zip(masters, slopes, strict=True):
            weight.grad = slope
        return loss

    state = {"told": 0.0, "saved": begin}
    clock = time.monotonic()
    fresh = options.done

    def progress(step: int) -> float:
        return fresh + (1 - fresh) * (time.monotonic() - clock) / options.seconds

    @torch.no_grad()
    def after(step: int, losses: Tensor) -> bool:
        torch._foreach_copy_(gradients.weights, masters)
        decay = min(0.998, (step + 1) / (step + 12))
        torch._foreach_lerp_(list(average.values()), masters, 1 - decay)
        share = progress(step)
        done.fill_(share)
        # Newly initialised heads of the aid would teach nothing.
        gradients.help.fill_(max(0.1, min(1.0, 2.2 * (1 - share))) * min(1.0, (step + 1) / 200))
        now = time.monotonic()
        if now - state["told"] > 8:
            state["told"] = now
            unseen = gradients.losses(quiz, noisy=False) if device.type == "cuda" else losses
            print(
                f"{now - clock:5.0f} s step {step} losses {rounded(losses)} unseen {rounded(unseen)}"
                f" drawn {pool.drawn}", flush=True,
            )  # fmt: skip
        if now - state["saved"] > 60:
            state["saved"] = now
            save(options.out, model, average, aid)
        return False

    steps = train(
        gradients_of, [optimizer], progress=progress,
        settings=LoopSettings(warmup=0.02, last=options.last, ramp=100), after_step=after,
    )  # fmt: skip
    save(options.out, model, average, aid)
    memory = torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else 0
    print(
        f"{steps} steps of {options.batch} pages, {time.monotonic() - begin:.0f} s, {memory:.0f} GiB",
        flush=True,
    )
    os._exit(0)  # the workers draw without end


def rounded(losses: Sequence[Tensor] | Tensor) -> str:
    return " ".join(f"{float(each):.3f}" for each in losses)


def make_optimizer(names: dict[str, Tensor], options: argparse.Namespace) -> torch.optim.Optimizer:
    groups = [
        {"params": [w for w in names.values() if w.ndim > 1], "weight_decay": 0.02},
        {"params": [w for w in names.values() if w.ndim < 2], "weight_decay": 0.0},
    ]
    fused = torch.cuda.is_available()
    return torch.optim.AdamW(groups, lr=options.rate, betas=(0.9, 0.95), fused=fused)


def save(folder: Path, model: nn.Module, average: dict[str, Tensor], aid: nn.Module) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    state = dict(model.state_dict())
    state |= {name: weight for name, weight in average.items() if name in state}  # in 32 bits
    halves = {
        name: weight.detach().half().cpu().contiguous()
        for name, weight in state.items()
        if not name.endswith("pos_embed")
    }
    halves |= {
        n: w.detach().half().cpu()[:, :1, :1].expand(w.shape).contiguous()
        for n, w in state.items()
        if n.endswith("pos_embed")
    }
    heads = {n: average.get(n, w).detach().half().cpu() for n, w in aid.state_dict().items()}
    save_file(heads, folder / AID)
    save_file(halves, folder / "small_reader.safetensors.new")
    (folder / "small_reader.safetensors.new").rename(folder / "small_reader.safetensors")


if __name__ == "__main__":
    main()
