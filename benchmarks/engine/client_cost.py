"""What our client costs, compared with a plain one: CPU seconds a page, by process, and pages a second.

    python benchmarks/engine/client_cost.py [--pages 120] [--pace 10] [--before FOLDER/src]

A server on loopback, in a process of its own, answers as vLLM does under load: it prepares
pictures one after the other (``--pace`` pages a second, 0 for at once), and every 20 ms each
running request gets one event with one token, ``--tokens`` of them a page. Two clients ask it
for the same pages: ours (``Reader`` with ``ServerBackend``, drawing included), and a plain one
that sends the same bodies, made beforehand, and throws the replies away. ``--before`` measures
the package of another checkout in the same run. CPU seconds are those of the client's own
process and of its drawing processes (their start included), without the server's.

With ``--profile`` the functions of our client's own process that take longest are listed as well.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import os
import pstats
import resource
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import httpx
import pypdfium2
from PIL import Image

from deepseek_ocr_rag import Reader, ServerBackend, open_source
from deepseek_ocr_rag.backends.attempts import AttemptSettings
from deepseek_ocr_rag.backends.base import PageRequest
from deepseek_ocr_rag.backends.remote.request_body import NO_REPEAT, request_body
from deepseek_ocr_rag.model.prompts import mode_named, task_named
from deepseek_ocr_rag.sources.source import end_unused_workers

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "src" / "deepseek_ocr_rag" / "samples" / "sample.pdf"
STEP_SECONDS = 0.02

WORDS = [
    "The",
    "keeper",
    "wrote",
    "down",
    "wind",
    "and",
    "weather",
    "and",
    "counted",
    "three",
    "boats",
    "near",
    "the",
    "far",
    "rock",
    ".",
]


@dataclass(frozen=True, slots=True)
class Cost:
    """What a client took.

    Attributes:
        own: CPU seconds of the process.
        drawing: CPU seconds of its child processes.
        wall: Seconds.
        pages: How many.
        sent: Bytes of a request, on average.
    """

    own: float
    drawing: float
    wall: float
    pages: int
    sent: float = 0.0


def events(tokens: int) -> bytes:
    """The body of a reply, as vLLM writes it: one event a token."""
    head = "<|ref|>text<|/ref|><|det|>[[10, 10, 900, 900]]<|/det|>\n"
    pieces = [head, *(f" {WORDS[at % len(WORDS)]}{at}" for at in range(tokens - 2))]
    lines = [_event(piece) for piece in pieces]
    lines.append(_event("", "stop"))
    usage = {"id": "chatcmpl-1", "choices": [], "usage": {"completion_tokens": tokens}}
    lines.append(f"data: {json.dumps(usage)}\n\n")
    return ("".join(lines) + "data: [DONE]\n\n").encode()


def _event(text: str, finish: str | None = None) -> str:
    event = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1790000000,
        "model": "deepseek-ai/DeepSeek-OCR",
        "choices": [
            {"index": 0, "delta": {"content": text}, "logprobs": None, "finish_reason": finish}
        ],
    }
    return f"data: {json.dumps(event)}\n\n"


class PacedServer:
    """Answers requests as vLLM does: pictures one by one, then a token a step for each."""

    def __init__(self, tokens: int, pace: float) -> None:
        self._pieces = [
            b"%x\r\n%s\r\n" % (len(piece) + 2, piece + b"\n\n")
            for piece in events(tokens).split(b"\n\n")
            if piece
        ]
        self._pace = pace
        self._pictures: deque[tuple[asyncio.StreamWriter, asyncio.Event]] = deque()
        self._running: dict[asyncio.StreamWriter, tuple[int, asyncio.Event]] = {}

    async def serve(self, port: int) -> None:
        """Serve until standard input ends; the port, 0 for any, is the first line printed."""
        server = await asyncio.start_server(self._answer, "127.0.0.1", port, limit=2**22)
        print(server.sockets[0].getsockname()[1], flush=True)
        tasks = [asyncio.create_task(self._prepare()), asyncio.create_task(self._generate())]
        await asyncio.to_thread(sys.stdin.read)
        for task in tasks:
            task.cancel()

    async def _prepare(self) -> None:
        clock = asyncio.get_running_loop().time
        free = clock()
        while True:
            while self._pictures and free <= clock():
                writer, done = self._pictures.popleft()
                self._running[writer] = (0, done)
                free = max(free, clock() - STEP_SECONDS) + (1 / self._pace if self._pace else 0)
            await asyncio.sleep(STEP_SECONDS / 4)

    async def _generate(self) -> None:
        while True:
            await asyncio.sleep(STEP_SECONDS)
            for writer, (at, done) in list(self._running.items()):
                # Usage and the end come with the last token.
                last = at + 3 >= len(self._pieces)
                upto = len(self._pieces) if last or not self._pace else at + 1
                writer.write(b"".join(self._pieces[at:upto]))
                self._running[writer] = (upto, done)
                if upto == len(self._pieces):
                    del self._running[writer]
                    done.set()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        models = json.dumps({"data": [{"id": "deepseek-ai/DeepSeek-OCR", "owned_by": "vllm"}]})
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"GET"):
                    found = head.startswith(b"GET /v1/models")
                    body = models.encode() if found else b"{}"
                    status = b"200 OK" if found else b"404 Not Found"
                    writer.write(
                        b"HTTP/1.1 %s\r\ncontent-type: application/json\r\n"
                        b"content-length: %d\r\n\r\n%s" % (status, len(body), body)
                    )
                    continue
                length = next(
                    int(line.partition(b":")[2])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length:")
                )
                await reader.readexactly(length)
                writer.write(
                    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
                    b"transfer-encoding: chunked\r\n\r\n"
                )
                done = asyncio.Event()
                self._pictures.append((writer, done))
                await done.wait()
                writer.write(b"0\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            self._running.pop(writer, None)
            writer.close()


def write_pdf(pages: int, path: Path) -> None:
    """The sample document's pages (two of text, one a scan) over and over."""
    with pypdfium2.PdfDocument(SAMPLE) as sample, pypdfium2.PdfDocument.new() as made:
        for number in range(pages):
            made.import_pages(sample, [number % len(sample)])
        made.save(path)


def ours(url: str, pdf: Path, concurrency: int) -> int:
    """Read the document with our client."""
    with Reader(ServerBackend(url, concurrency=concurrency), cache=False) as reader:
        document = reader.read(pdf)
    bad = [page.number for page in document if not page.ok or len(page.markdown) < 100]
    if bad:
        raise RuntimeError(f"not read: pages {bad}")
    return len(document.pages)


def bodies(pdf: Path, pages: int) -> list[bytes]:
    """What our client sends for each page."""
    task, mode = task_named("document"), mode_named("gundam")
    settings = AttemptSettings(task, mode, NO_REPEAT)

    def body(image: Image.Image) -> bytes:
        request = PageRequest(0, 1, "", "", image, text_layer=None, task=task, resolution=mode)
        return request_body("deepseek-ai/DeepSeek-OCR", request, settings).encoded()

    with open_source(pdf) as source:
        return [body(source.render(number, mode.long_side)) for number in range(1, pages + 1)]


async def plain(url: str, sent: list[bytes], concurrency: int) -> int:
    """Send the bodies, and throw the replies away as they come."""
    places = asyncio.Semaphore(concurrency)
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:

        async def ask(body: bytes) -> None:
            async with (
                places,
                client.stream(
                    "POST",
                    f"{url}/v1/chat/completions",
                    content=body,
                    headers={"content-type": "application/json"},
                ) as response,
            ):
                async for _ in response.aiter_raw():
                    pass

        await asyncio.gather(*(ask(body) for body in sent))
    return len(sent)


def measured(work: Callable[[], int]) -> Cost:
    """Run once; children count only once they have ended, so the work must end its own."""

    def cpu(kind: int) -> float:
        used = resource.getrusage(kind)
        return used.ru_utime + used.ru_stime

    own, drawing = cpu(resource.RUSAGE_SELF), cpu(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    pages = work()
    wall = time.perf_counter() - started
    return Cost(
        cpu(resource.RUSAGE_SELF) - own, cpu(resource.RUSAGE_CHILDREN) - drawing, wall, pages
    )


def run_client(options: argparse.Namespace) -> Cost:
    """Measure one client in this process."""
    if options.client == "plain":
        with open_source(options.pdf) as source:
            pages = source.page_count
        sent = bodies(options.pdf, pages)
        end_unused_workers()
        asyncio.run(plain(options.url, sent[:1], 1))  # imports, and the first use of everything
        cost = measured(lambda: asyncio.run(plain(options.url, sent, options.concurrency)))
        size = sum(map(len, sent)) / len(sent)
        return Cost(cost.own, cost.drawing, cost.wall, cost.pages, size)
    ours(options.url, SAMPLE, 1)
    profile = cProfile.Profile()
    if options.profile:
        profile.enable()
    cost = measured(lambda: ours(options.url, options.pdf, options.concurrency))
    profile.disable()
    if options.profile:
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(25)
    return cost


def client_cost(kind: str, url: str, pdf: Path, options: argparse.Namespace, source: Path) -> Cost:
    """Measure one client in a process of its own, with the package in ``source``."""
    command = [sys.executable, __file__, "--client", kind, "--url", url, "--pdf", str(pdf)]
    command += ["--concurrency", str(options.concurrency)]
    command += ["--profile"] if options.profile and kind == "ours" else []
    environment = {**os.environ, "PYTHONPATH": str(source)}
    run = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return Cost(**json.loads(run.stdout.splitlines()[-1]))


def compare(options: argparse.Namespace, url: str, pdf: Path) -> None:
    here = ROOT / "src"
    clients = [("plain", "plain", here), ("ours", "ours", here)]
    if options.before is not None:
        clients.append(("before", "ours", options.before))
    costs: dict[str, Cost] = {}
    for label, kind, source in clients:
        costs[label] = client_cost(kind, url, pdf, options, source)
    bare = costs["plain"]
    pace = f"{options.pace:g} pages/s at most" if options.pace else "at once"
    print(
        f"{bare.pages} pages of {options.tokens} tokens, {options.concurrency} in flight, "
        f"{bare.sent / 1e6:.2f} MB a request, answered {pace}"
    )
    print(f"{'CPU s a page':<12}{'own':>8}{'drawing':>9}{'both':>8}{'pages/s':>9}{'of plain':>10}")
    for label, cost in costs.items():
        own, drawing = cost.own / cost.pages, cost.drawing / cost.pages
        share = (cost.pages / cost.wall) / (bare.pages / bare.wall)
        print(
            f"{label:<12}{own:>8.3f}{drawing:>9.3f}{own + drawing:>8.3f}"
            f"{cost.pages / cost.wall:>9.2f}{share:>10.1%}"
        )


def port_of(output: IO[bytes] | None) -> int:
    if output is None:
        raise RuntimeError("the server has no output")
    return int(output.readline())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pages", type=int, default=120)
    parser.add_argument("--tokens", type=int, default=228)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--pace", type=float, default=10.0, help="pages/s of the server; 0: all")
    parser.add_argument("--pdf", type=Path, help="a document to read in place of ours")
    parser.add_argument("--before", type=Path, help="src folder of another checkout")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--client", choices=("ours", "plain"), help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(PacedServer(options.tokens, options.pace).serve(options.port))
        return 0
    if options.client:
        print(json.dumps(asdict(run_client(options))))
        return 0
    command = [sys.executable, __file__, "--serve"]
    command += ["--tokens", str(options.tokens), "--pace", str(options.pace)]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server,
    ):
        try:
            pdf = options.pdf or Path(folder) / "pages.pdf"
            if options.pdf is None:
                write_pdf(options.pages, pdf)
            compare(options, f"http://127.0.0.1:{port_of(server.stdout)}", pdf)
        finally:
            server.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main())
