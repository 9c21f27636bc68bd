"""How much else the server does before it answers a look at a job, while many clients send.

    python benchmarks/service/looks.py [--senders 150] [--jobs 600]

The service's own HTTP server and app, in this process; the clients are in another one, and send
the sample document as fast as it is taken while ten others look at a job ten times a second.
Counted is the CPU time of the thread that answers, from the bytes of a look to its reply: unlike the
wall clock, it does not depend on other work on the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import socket
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from deepseek_ocr_rag import sample_path
from deepseek_ocr_rag.service import JobQueue
from deepseek_ocr_rag.service.api.api_settings import ApiSettings
from deepseek_ocr_rag.service.api.app import create_app
from deepseek_ocr_rag.service.http_server import HttpServer, TimedProtocol

LOOKERS = 10
LOOK = b"GET /v1/jobs/"


class CountedProtocol(TimedProtocol):
    """Records the CPU time between the bytes of a look and its reply."""

    seen: list[float]
    begun: float | None = None

    def data_received(self, data: bytes) -> None:
        if data.startswith(LOOK):
            self.begun = time.thread_time()
        super().data_received(data)

    def on_response_complete(self) -> None:
        if self.begun is not None:
            self.seen.append(time.thread_time() - self.begun)
            self.begun = None
        super().on_response_complete()


# --- clients, in a process of their own ---------------------------------------------------


async def clients(port: int, job: str, document: bytes, senders: int, jobs: int) -> None:
    content = b'--XX\r\ncontent-disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n'
    content += document + b"\r\n--XX--\r\n"
    head = f"POST /v1/jobs HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(content)}\r\n"
    sent = head.encode() + b"content-type: multipart/form-data; boundary=XX\r\n\r\n" + content
    look = LOOK + f"{job} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode()
    left = iter(range(jobs))
    sending = True

    async def ask(request: bytes, status: bytes, again: float | None) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while sending if again else next(left, None) is not None:
            writer.write(request)
            await writer.drain()
            reply = await reader.readuntil(b"\r\n\r\n")
            assert reply.startswith(b"HTTP/1.1 " + status), reply
            length = re.search(rb"content-length: (\d+)", reply.lower())
            assert length is not None
            await reader.readexactly(int(length[1]))
            await asyncio.sleep(again or 0)
        writer.close()

    lookers = [asyncio.ensure_future(ask(look, b"200", 0.1)) for _ in range(LOOKERS)]
    await asyncio.gather(*(ask(sent, b"202", None) for _ in range(senders)))
    sending = False
    await asyncio.gather(*lookers)


# --- the server ---------------------------------------------------------------------------


async def serve_until_sent(server: HttpServer, own: socket.socket, command: list[str]) -> float:
    """Serve until the clients are done; return the CPU seconds of this thread."""
    serving = asyncio.ensure_future(server.serve(sockets=[own]))
    begun = time.thread_time()
    sending = await asyncio.create_subprocess_exec(*command)
    code = await sending.wait()
    assert code == 0, code
    seconds = time.thread_time() - begun
    server.should_exit = True
    await serving
    return seconds


def measured(senders: int, jobs: int) -> tuple[list[float], float]:
    CountedProtocol.seen = []
    # Not started, so that nothing is read beside it.
    with tempfile.TemporaryDirectory() as folder, closing(JobQueue(folder)) as queue:
        upload = queue.new_upload("local", "sample.pdf", "application/pdf")
        queue.write_upload("local", upload.id, [Path(sample_path()).read_bytes()])
        job = queue.submit("local", upload.id)
        app = create_app(queue, ApiSettings(requests_per_second=1e6))
        server = HttpServer(app, queue, 1.0)
        server.config.http = CountedProtocol
        with socket.socket() as own:
            own.bind(("127.0.0.1", 0))
            told = ["--port", str(own.getsockname()[1]), "--job", job.id]
            told += ["--senders", str(senders), "--jobs", str(jobs)]
            command = [sys.executable, __file__, *told]
            seconds = asyncio.run(serve_until_sent(server, own, command))
    return sorted(CountedProtocol.seen), seconds


def main() -> None:
    """Run the benchmark; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--senders", type=int, default=150)
    parser.add_argument("--jobs", type=int, default=600)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--job", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.port:
        document = Path(sample_path()).read_bytes()
        asyncio.run(clients(options.port, options.job, document, options.senders, options.jobs))
        return
    times, seconds = measured(options.senders, options.jobs)
    parts = [f"{1000 * times[int(len(times) * part)]:.1f}" for part in (0.5, 0.95, 0.99)]
    print(
        f"{options.senders} senders, {options.jobs} jobs, {1000 * seconds / options.jobs:.1f} ms of"
        f" this thread a job; {len(times)} looks, ms of it before a reply: median {parts[0]}, p95"
        f" {parts[1]}, p99 {parts[2]}, most {1000 * times[-1]:.1f}"
    )


if __name__ == "__main__":
    main()
