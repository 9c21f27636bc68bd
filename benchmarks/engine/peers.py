"""The local engine beside vLLM and SGLang: the same pages, the same numbers of tokens, one table.

    python benchmarks/engine/peers.py MODEL PDF [--pages 512] [--tokens 1000] [--peers local,vllm,sglang]
    python benchmarks/engine/peers.py MODEL PDF --dry-run
    python benchmarks/engine/peers.py MODEL PDF --environment vllm=FOLDER [--configurations "rule:tuned;tuned"]
    python benchmarks/engine/peers.py MODEL PDF --peers NAME=http://127.0.0.1:8000

MODEL is a folder or hub id of DeepSeek-OCR. Each peer gets an environment of its own below ``--work``,
made when it is first wanted, or is taken from ``--environment``, where FOLDER/bin has its commands. It
is started in several ways; the best counts, with and without the rule against repeats, and is marked.
A server that already runs can be named with its URL. ``--dry-run`` prints the commands and the
versions that an installation would get, and reads nothing.

Every page is a picture that was drawn beforehand; every text has ``--tokens`` tokens, its end being
forbidden or ignored until then. Servers are asked over loopback by a client that only counts what
comes, whose requests are made before the clock starts; one page comes as a stream, many come whole.
The local engine gets its pictures in memory, and drafts nothing: random weights write loops, in which
drafts are right more often than in a page. On a GPU it then reads PDF itself too, from the disk to
blocks through ``Reader``, tokens drawn by their probabilities; servers are sent pictures, and have no
such figure. Below the table stands what the local engine does for one page of the best peer.
"""

from __future__ import annotations

import argparse
import json
import platform
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import httpx
import torch
from peer_requests import Bodies, Served, sizes
from peer_servers import (
    PEERS,
    Configuration,
    Peer,
    commands,
    expert_tables,
    install,
    resolved,
    served,
    versions,
)
from PIL import Image

from deepseek_ocr_rag import Reader, __version__, open_source
from deepseek_ocr_rag.backends.model_settings import ModelSettings
from deepseek_ocr_rag.backends.remote.request_body import NO_REPEAT
from deepseek_ocr_rag.engine.engine import Engine
from deepseek_ocr_rag.engine.runner import PageImage
from deepseek_ocr_rag.engine.sequence import PageTask, WrittenSequence
from deepseek_ocr_rag.engine.startup import EngineSettings, start_engine
from deepseek_ocr_rag.model.checkpoint import Checkpoint, find_checkpoint
from deepseek_ocr_rag.model.ngrams import NoRepeat
from deepseek_ocr_rag.model.prompts import mode_named, task_named
from deepseek_ocr_rag.model.tokenizer import BOS, IMAGE, ModelTokenizer
from deepseek_ocr_rag.model.views import page_grid


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
    at_once: tuple[float, ...]  # pages a second with each number at once, at last with all
    pdf: float = 0.0  # pages a second of the PDF from the disk; 0 if it was not read


def pictures(pdf: Path, pages: int, mode: str) -> list[Image.Image]:
    """Draw pages of a document, again from its first one if it has fewer."""
    with open_source(pdf) as source:
        side = mode_named(mode).long_side
        count = min(pages, source.page_count)

        def drawn_page(number: int) -> Image.Image:
            return source.render(number, side).convert("RGB")

        with ThreadPoolExecutor() as threads:
            drawn = list(threads.map(drawn_page, range(1, count + 1)))
    return [drawn[number % len(drawn)] for number in range(pages)]


def ask_servers(
    options: argparse.Namespace, images: list[Image.Image], rows: list[Measured]
) -> None:
    """Measure the servers, and add their rows one after the other."""
    bodies = Bodies(images, options)
    for name in options.peers.split(","):
        if "=" in name:
            title, _, url = name.partition("=")
            for rule in (False, True):
                result = Served(url, bodies, options.tokens).measure(rule)
                rows.append(Measured(title, "running", "as it is", rule, 0.0, *result))
        elif name != "local":
            _in_environment(name, options, bodies, rows)


def _in_environment(
    name: str, options: argparse.Namespace, bodies: Bodies, rows: list[Measured]
) -> None:
    peer = PEERS[name]
    folder = dict(options.environment).get(name)
    if folder is None:
        folder = options.work / name
        install(peer, folder)
    version = versions(peer, folder)
    tables = expert_tables(folder, card(), options.work / f"{name}-tables")
    for number, configuration in enumerate(wanted(peer, options.configurations)):
        log = options.work / f"{name}-{number}.log"
        server = served(
            peer, configuration, folder, options.model, free_port(), log, tables.resolve()
        )
        try:
            with server as (url, ready):
                result = Served(url, bodies, options.tokens).measure(configuration.rule)
        except (RuntimeError, httpx.HTTPError) as error:
            # Not every release has every option: the others still count.
            print(f"{name}, {configuration.name}: {error}", flush=True)
            continue
        rows.append(Measured(name, version, configuration.name, configuration.rule, ready, *result))
        print(rows[-1], flush=True)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def wanted(peer: Peer, names: str) -> list[Configuration]:
    """The configurations that are named, in that order, ``rule:`` before those with the rule."""
    known = {f"{'rule:' if each.rule else ''}{each.name}": each for each in peer.configurations}
    return [known[name] for name in (names.split(";") if names else known) if name in known]


def card() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor()


def ask_engine(options: argparse.Namespace, images: list[Image.Image]) -> list[Measured]:
    """Measure the local engine, in this process."""
    WrittenSequence.expects_drafts = property(lambda sequence: False)  # type: ignore[assignment,method-assign]
    version = __version__
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
            print(found[-1], file=sys.stderr, flush=True)
        engine.close()
        del engine, asked
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
            # With the rule, which is the package's default.
            found[-1] = replace(found[-1], pdf=from_disk(options, cache))
            print(found[-1], file=sys.stderr, flush=True)
    return found


def from_disk(options: argparse.Namespace, cache: Literal["model", "fp8"]) -> float:
    """Read the PDF through the whole package; returns pages a second, without its start.

    Raises:
        RuntimeError: If pages failed, or have another number of tokens.
    """
    # Imported late: they need a GPU.
    from engine import Counted, drawn

    ModelSettings.first = drawn  # type: ignore[method-assign]
    with open_source(options.pdf) as source:
        wanted = f"1-{min(options.pages, source.page_count)}"
    backend = Counted(
        options.model, cache=cache, max_new_tokens=options.tokens, attempts=1, device=options.device
    )
    with Reader(backend, resolution=options.mode, cache=False) as reader:
        backend.load()
        begin = time.perf_counter()
        pages, ends = [], []
        for page in reader.iter_pages(options.pdf, pages=wanted):
            pages.append(page)
            ends.append(time.perf_counter() - begin)
    print(f"PDF, cache {cache}: first page after {ends[0]:.1f} s", file=sys.stderr, flush=True)
    failed = sum(page.error is not None for page in pages)
    if failed or backend.tokens < 0.98 * options.tokens * len(pages):
        raise RuntimeError(f"{failed} of {len(pages)} pages failed, {backend.tokens} tokens came")
    return len(pages) / ends[-1]


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
    heads = ["PDF from the disk", *(f"{count} at once" for count in sizes(pages))]
    lines = [
        f"| engine | configuration | rule | first page, s | first token, ms | tokens/s alone | {' | '.join(heads)} |",
        "|---" * (6 + len(heads)) + "|",
    ]
    for row in rows:
        mark = "**" if row.at_once[-1] == best[row.peer, row.rule] else ""
        rates = " | ".join(f"{rate:.1f}" for rate in row.at_once[:-1])
        lines.append(
            f"| {row.peer} {row.version} | {row.configuration} | {'yes' if row.rule else 'no'} "
            f"| {row.ready:.1f} | {row.first:.0f} | {row.alone:.0f} | {f'{row.pdf:.1f}' if row.pdf else '-'} "
            f"| {rates}{' | ' if rates else ''}"
            f"{mark}{row.at_once[-1]:.1f}{mark} |"
        )
    return "\n".join(lines)


def ratios(rows: list[Measured]) -> list[str]:
    """What the local engine does beside the best of each peer, with the rule."""
    ours = [row for row in rows if row.peer == "local" and row.rule]
    best: dict[str, float] = {}
    for row in rows:
        if row.peer != "local" and row.rule:
            best[row.peer] = max(best.get(row.peer, 0.0), row.at_once[-1])
    return [
        f"{row.configuration} with the rule over the best of {peer}: "
        f"pictures {row.at_once[-1] / rate:.1f} times"
        + (f", PDF from the disk {row.pdf / rate:.1f} times" if row.pdf else "")
        for peer, rate in best.items()
        for row in ours
    ]


def environment(word: str) -> tuple[str, Path]:
    """``NAME=FOLDER``."""
    name, _, folder = word.partition("=")
    if name not in PEERS or not folder:
        raise argparse.ArgumentTypeError(f"not NAME=FOLDER with a name of {', '.join(PEERS)}")
    return name, Path(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model")
    parser.add_argument("pdf", type=Path)
    parser.add_argument("--pages", type=int, default=512)
    parser.add_argument("--tokens", type=int, default=1000)
    parser.add_argument("--mode", default="gundam")
    parser.add_argument("--peers", default="local,vllm,sglang")
    parser.add_argument("--work", type=Path, default=Path("build/peers"), help="environments, logs")
    parser.add_argument(
        "--environment",
        type=environment,
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="of a peer, if it exists already",
    )
    parser.add_argument(
        "--configurations", default="", help="those to start, with ; between them; by default all"
    )
    parser.add_argument("--device", help="of the local engine")
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--engine", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    # A shell that starts it in the background has it ignore interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    names = [name for name in options.peers.split(",") if name in PEERS]
    if options.dry_run:
        for name in names:
            peer = PEERS[name]
            for command in commands(peer, options.work / name):
                print("$", " ".join(command))
            told = {"torch", "transformers", name}
            found = {k: v for k, v in resolved(peer).items() if k.lower() in told}
            print(" ".join(f"{package} {version}" for package, version in found.items()))
            print(*([f"note: {peer.note}"] if peer.note else []))
        return
    options.work.mkdir(parents=True, exist_ok=True)
    images = pictures(options.pdf, options.pages, options.mode)
    if options.engine:
        print(json.dumps([asdict(row) for row in ask_engine(options, images)]))
        return
    rows: list[Measured] = []
    if "local" in options.peers.split(","):
        # In a process of its own, which gives the card's memory back.
        done = subprocess.run([sys.executable, *sys.argv, "--engine"], stdout=-1, check=True)
        rows = [Measured(**row) for row in json.loads(done.stdout.splitlines()[-1])]
    with suppress(KeyboardInterrupt):
        # Whoever has seen enough interrupts it, and has a table of that.
        ask_servers(options, images, rows)
    print(
        f"\n{card()}, torch {torch.__version__}; {options.pages} pages of {options.tokens} tokens\n"
    )
    print(table(rows, options.pages))
    print(*ratios(rows), sep="\n")
    for name in names:
        if PEERS[name].note:
            print(f"\n{name}: {PEERS[name].note}")


if __name__ == "__main__":
    main()
