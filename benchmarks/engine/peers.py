"""The local engine beside vLLM and SGLang: the same pages, the same numbers of tokens, one table.

    python benchmarks/engine/peers.py MODEL PDF [--pages 512] [--tokens 1000] [--peers local,vllm,sglang]
    python benchmarks/engine/peers.py MODEL PDF --dry-run
    python benchmarks/engine/peers.py MODEL PDF --peers NAME=http://127.0.0.1:8000

MODEL is a folder or hub id of DeepSeek-OCR. Each peer gets an environment of its own below ``--work``,
made when it is first wanted, and is started in several ways; the best counts, with and without the
rule against repeats, and is marked. A server that already runs can be named with its URL. ``--dry-run``
prints the commands and the versions that an installation would get, and reads nothing.

Every page is a picture that was drawn beforehand; every text has ``--tokens`` tokens, its end being
forbidden until then. Servers are asked over loopback by a client that only counts what comes, whose
requests are made before the clock starts. The local engine gets its pictures in memory.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import json
import platform
import re
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import torch
from peer_servers import PEERS, commands, install, resolved, served
from PIL import Image

from deepseek_ocr_rag import open_source
from deepseek_ocr_rag.backends.attempts import AttemptSettings
from deepseek_ocr_rag.backends.base import PageRequest
from deepseek_ocr_rag.backends.remote.request_body import NO_REPEAT, request_body
from deepseek_ocr_rag.engine.engine import Engine
from deepseek_ocr_rag.engine.runner import PageImage
from deepseek_ocr_rag.engine.sequence import PageTask
from deepseek_ocr_rag.engine.startup import EngineSettings, start_engine
from deepseek_ocr_rag.model.checkpoint import Checkpoint, find_checkpoint
from deepseek_ocr_rag.model.ngrams import NoRepeat
from deepseek_ocr_rag.model.prompts import mode_named, task_named
from deepseek_ocr_rag.model.tokenizer import BOS, IMAGE, ModelTokenizer
from deepseek_ocr_rag.model.views import page_grid

AT_ONCE = (8, 32)
PORT = 8765


@dataclass(frozen=True, slots=True)
class Measured:
    """What one configuration did."""

    peer: str
    version: str
    configuration: str
    rule: bool
    ready: float  # seconds to the first page written, the start included; 0 if it already ran
    first: float  # milliseconds to the first token of a page alone
    alone: float  # tokens a second of a page alone
    at_once: tuple[float, ...]  # pages a second of so many at once, at last of all


def pictures(pdf: Path, pages: int, mode: str) -> list[Image.Image]:
    """Draw pages of a document, again from its first one if it has fewer."""
    with open_source(pdf) as source:
        side = mode_named(mode).long_side
        count = min(pages, source.page_count)
        drawn = [source.render(number, side).convert("RGB") for number in range(1, count + 1)]
    return [drawn[number % len(drawn)] for number in range(pages)]


def sizes(pages: int) -> list[int]:
    return [*(count for count in AT_ONCE if count < pages), pages]


class Served:
    """A server that is asked for forced texts."""

    def __init__(self, url: str, images: list[Image.Image], options: argparse.Namespace) -> None:
        self._url = url
        self._options = options
        self._model = httpx.get(f"{url}/v1/models", trust_env=False).json()["data"][0]["id"]
        self._images = images
        self._bodies: dict[tuple[int, int, bool], bytes] = {}

    def _body(self, number: int, tokens: int, rule: bool) -> bytes:
        key = number, tokens, rule
        if key not in self._bodies:
            task, mode = task_named("document"), mode_named(self._options.mode)
            settings = AttemptSettings(task, mode, NO_REPEAT if rule else None)
            page = PageRequest(
                0, 1, "", "", self._images[number], text_layer=None, task=task, resolution=mode
            )
            body = request_body(self._model, page, settings)
            body.fields.update(max_tokens=tokens, min_tokens=tokens, ignore_eos=True)
            self._bodies[key] = body.encoded()
        return self._bodies[key]

    def measure(self, rule: bool) -> tuple[float, float, tuple[float, ...]]:
        """Ask for a page alone, then for many at once."""
        tokens = self._options.tokens
        for number in range(self._options.pages):
            self._body(number, tokens, rule)
        return asyncio.run(self._measure(rule))

    async def _measure(self, rule: bool) -> tuple[float, float, tuple[float, ...]]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(timeout=3600, trust_env=False, limits=limits) as client:
            await self._ask(client, 0, rule)
            first, took = await self._ask(client, 0, rule)
            rates = []
            for count in sizes(self._options.pages):
                begin = time.perf_counter()
                await asyncio.gather(*(self._ask(client, n, rule) for n in range(count)))
                rates.append(count / (time.perf_counter() - begin))
        return first * 1e3, (self._options.tokens - 1) / (took - first), tuple(rates)

    async def _ask(self, client: httpx.AsyncClient, number: int, rule: bool) -> tuple[float, float]:
        """Returns the seconds to the first token and to the end."""
        body = self._body(number, self._options.tokens, rule)
        begin, first, tail = time.perf_counter(), 0.0, b""
        async with client.stream(
            "POST",
            f"{self._url}/v1/chat/completions",
            content=body,
            headers={"content-type": "application/json"},
        ) as reply:
            if reply.status_code != 200:
                raise RuntimeError(f"{reply.status_code}: {(await reply.aread())[:300]!r}")
            async for piece in reply.aiter_raw():
                # The first event may only name the role.
                if not first and b'"content":"' in piece.replace(b'": "', b'":"').replace(
                    b'"content":""', b""
                ):
                    first = time.perf_counter() - begin
                tail = (tail + piece)[-4096:]
        took = time.perf_counter() - begin
        counts = re.findall(rb'"completion_tokens": ?(\d+)', tail)
        written = int(counts[-1]) if counts else 0
        if written != self._options.tokens:
            raise RuntimeError(f"{written} tokens came, not {self._options.tokens}")
        return first or took, took


def ask_servers(options: argparse.Namespace, images: list[Image.Image]) -> list[Measured]:
    found = []
    for name in options.peers.split(","):
        if "=" in name:
            title, _, url = name.partition("=")
            for rule in (False, True):
                result = Served(url, images, options).measure(rule)
                found.append(Measured(title, "running", "as it is", rule, 0.0, *result))
        elif name != "local":
            found += _in_environment(name, options, images)
    return found


def _in_environment(
    name: str, options: argparse.Namespace, images: list[Image.Image]
) -> list[Measured]:
    peer, folder, found = PEERS[name], options.work / name, []
    install(peer, folder)
    version = peer.packages[0].partition("==")[2]
    for number, configuration in enumerate(peer.configurations):
        log = options.work / f"{name}-{number}.log"
        try:
            with served(peer, configuration, folder, options.model, PORT, log) as (url, ready):
                result = Served(url, images, options).measure(configuration.rule)
        except (RuntimeError, httpx.HTTPError) as error:
            # Not every release has every option: the others still count.
            print(f"{name}, {configuration.name}: {error}", flush=True)
            continue
        found.append(
            Measured(name, version, configuration.name, configuration.rule, ready, *result)
        )
        print(found[-1], flush=True)
    return found


def ask_engine(options: argparse.Namespace, images: list[Image.Image]) -> list[Measured]:
    """Measure the local engine, in this process."""
    version = importlib.metadata.version("deepseek-ocr-rag")
    checkpoint = find_checkpoint(options.model)
    found = []
    for cache in ("model", "fp8"):
        begin = time.perf_counter()
        engine = start_engine(checkpoint, EngineSettings(device=options.device, cache=cache))
        for rule in (False, True):
            asked = _Local(engine, checkpoint, images, options, rule)
            asked.wait(1)
            ready = time.perf_counter() - begin if not rule else 0.0
            first, took = asked.wait(1)
            rates = []
            for count in sizes(options.pages):
                start = time.perf_counter()
                asked.wait(count)
                rates.append(count / (time.perf_counter() - start))
            speed = (options.tokens - 1) / (took - first)
            name = "bf16" if cache == "model" else "fp8 cache"
            found.append(
                Measured("local", version, name, rule, ready, first * 1e3, speed, tuple(rates))
            )
        engine.close()
        del engine, asked
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return found


class _Local:
    """Forced texts from the engine."""

    def __init__(
        self,
        engine: Engine,
        checkpoint: Checkpoint,
        images: list[Image.Image],
        options: argparse.Namespace,
        rule: bool,
    ) -> None:
        self._engine, self._tokens = engine, options.tokens
        self._rule = NO_REPEAT if rule else NoRepeat(0)
        family, mode = checkpoint.family, mode_named(options.mode)
        prompt = ModelTokenizer.from_file(checkpoint.tokenizer).encode(
            family.prompt(task_named("document"))
        )
        self._pages = []
        for image in images:
            grid = page_grid(*image.size, mode, family)
            count = family.image_tokens(family.view_sides(mode)[0], grid)
            pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
            pixels = pixels.view(image.height, image.width, 3)
            ids = [BOS, *[IMAGE] * count, *prompt]
            self._pages.append((ids, PageImage(pixels, mode, family)))

    def wait(self, count: int) -> tuple[float, float]:
        """Read pages at once; returns the seconds to the first token and to the end of the first."""
        begin, firsts, handles = time.perf_counter(), [], []

        def begun() -> None:
            firsts.append(time.perf_counter() - begin)

        for ids, picture in self._pages[:count]:
            task = PageTask(
                ids,
                picture,
                self._rule,
                self._tokens,
                min_new_tokens=self._tokens,
                on_prefill=begun,
            )
            handles.append(self._engine.submit(task))
        for handle in handles:
            written = len(handle.result().tokens)
            if written != self._tokens:
                raise RuntimeError(f"{written} tokens came, not {self._tokens}")
        return firsts[0], time.perf_counter() - begin


def table(rows: list[Measured], pages: int) -> str:
    """The rows as Markdown; of each peer the best is bold, with and without the rule."""
    best = {}
    for row in rows:
        key = row.peer, row.rule
        best[key] = max(best.get(key, 0.0), row.at_once[-1])
    heads = [f"{count} at once" for count in sizes(pages)]
    lines = [
        f"| engine | configuration | rule | first page, s | first token, ms | tokens/s alone | {' | '.join(heads)} |",
        "|---" * (6 + len(heads)) + "|",
    ]
    for row in rows:
        mark = "**" if row.at_once[-1] == best[row.peer, row.rule] else ""
        rates = " | ".join(f"{rate:.1f}" for rate in row.at_once[:-1])
        lines.append(
            f"| {row.peer} {row.version} | {row.configuration} | {'yes' if row.rule else 'no'} "
            f"| {row.ready:.1f} | {row.first:.0f} | {row.alone:.0f} | {rates}{' | ' if rates else ''}"
            f"{mark}{row.at_once[-1]:.1f}{mark} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model")
    parser.add_argument("pdf", type=Path)
    parser.add_argument("--pages", type=int, default=512)
    parser.add_argument("--tokens", type=int, default=1000)
    parser.add_argument("--mode", default="gundam")
    parser.add_argument("--peers", default="local,vllm,sglang")
    parser.add_argument("--work", type=Path, default=Path("build/peers"), help="environments, logs")
    parser.add_argument("--device", help="of the local engine")
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--engine", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    names = [name for name in options.peers.split(",") if name in PEERS]
    if options.dry_run:
        for name in names:
            peer = PEERS[name]
            for command in commands(peer, options.work / name):
                print("$", " ".join(command))
            wanted = {"torch", "transformers", name}
            versions = {k: v for k, v in resolved(peer).items() if k.lower() in wanted}
            print(" ".join(f"{package} {version}" for package, version in versions.items()))
            print(*([f"note: {peer.note}"] if peer.note else []))
        return
    options.work.mkdir(parents=True, exist_ok=True)
    images = pictures(options.pdf, options.pages, options.mode)
    if options.engine:
        print(json.dumps([asdict(row) for row in ask_engine(options, images)]))
        return
    rows = []
    if "local" in options.peers.split(","):
        # In a process of its own, which gives the card's memory back.
        done = subprocess.run([sys.executable, *sys.argv, "--engine"], stdout=-1, check=True)
        rows = [Measured(**row) for row in json.loads(done.stdout.splitlines()[-1])]
    rows += ask_servers(options, images)
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor()
    print(
        f"\n{card}, torch {torch.__version__}; {options.pages} pages of {options.tokens} tokens\n"
    )
    print(table(rows, options.pages))
    for name in names:
        if PEERS[name].note:
            print(f"\n{name}: {PEERS[name].note}")


if __name__ == "__main__":
    main()
