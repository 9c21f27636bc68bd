"""What our client costs beside a server that answers at once: CPU seconds and pages a second.

    python benchmarks/engine/client_cost.py [--pages 40] [--tokens 228] [--concurrency 16]

A plain server on loopback, in a process of its own, reads each request and answers with a
stream of as many events as a page has tokens. Two clients ask it for the same pages: ours
(``Reader`` with ``ServerBackend``, drawing included), and a plain one that sends the same
bodies, made beforehand, and throws the replies away. CPU seconds are those of the client and
of its processes, without the server's.

With ``--profile`` the functions of our client that take longest are listed as well.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import pstats
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pypdfium2
from PIL import Image

from deepseek_ocr_rag import Reader, ServerBackend, open_source
from deepseek_ocr_rag.backends.attempts import AttemptSettings
from deepseek_ocr_rag.backends.base import PageRequest
from deepseek_ocr_rag.backends.remote.request_body import NO_REPEAT, request_body
from deepseek_ocr_rag.model.prompts import mode_named, task_named

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "src" / "deepseek_ocr_rag" / "samples" / "sample.pdf"

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
        cpu: Seconds, of the process and its children.
        wall: Seconds.
        pages: How many.
    """

    cpu: float
    wall: float
    pages: int


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


async def serve(tokens: int) -> None:
    """Answer every request at once, one event a write; the port is the first line printed."""
    pieces = [piece + b"\n\n" for piece in events(tokens).split(b"\n\n") if piece]
    start = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    models = json.dumps({"data": [{"id": "deepseek-ai/DeepSeek-OCR", "owned_by": "vllm"}]}).encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"GET"):
                    found = head.startswith(b"GET /v1/models")
                    body = models if found else b"{}"
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
                writer.write(start)
                for piece in pieces:
                    writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                writer.write(b"0\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, limit=2**22)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


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

    def cpu() -> float:
        kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        used = [resource.getrusage(kind) for kind in kinds]
        return sum(each.ru_utime + each.ru_stime for each in used)

    before, started = cpu(), time.perf_counter()
    pages = work()
    return Cost(cpu() - before, time.perf_counter() - started, pages)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pages", type=int, default=40)
    parser.add_argument("--tokens", type=int, default=228)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--pdf", type=Path, help="a document to read in place of ours")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(options.tokens))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        return compare(options, Path(folder) / "pages.pdf")


def compare(options: argparse.Namespace, made: Path) -> int:
    pdf = options.pdf or made
    if options.pdf is None:
        write_pdf(options.pages, made)
    command = [sys.executable, __file__, "--serve", "--tokens", str(options.tokens)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            url = f"http://127.0.0.1:{int(server.stdout.readline())}"
            with open_source(pdf) as source:
                pages = source.page_count
            ours(url, SAMPLE, 1)  # imports, and the first use of everything
            profile = cProfile.Profile()
            if options.profile:
                profile.enable()
            client = measured(lambda: ours(url, pdf, options.concurrency))
            profile.disable()
            sent = bodies(pdf, pages)
            bare = measured(lambda: asyncio.run(plain(url, sent, options.concurrency)))
        finally:
            server.kill()
    print(
        f"{pages} pages of {options.tokens} tokens, {options.concurrency} at once, "
        f"{sum(map(len, sent)) / len(sent) / 1e6:.2f} MB a request"
    )
    print(f"{'client':<8}{'CPU s a page':>14}{'pages/s':>10}")
    for label, cost in (("ours", client), ("plain", bare)):
        print(f"{label:<8}{cost.cpu / cost.pages:>14.3f}{cost.pages / cost.wall:>10.1f}")
    if options.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
    return 0


if __name__ == "__main__":
    sys.exit(main())
