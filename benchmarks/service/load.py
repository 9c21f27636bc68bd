"""Many clients at the real ``dsocr serve``: is a job lost or mixed up, and how long do replies take?

    python benchmarks/service/load.py [--clients 200] [--jobs 2000] [--waiting 10000]

Every client sends a document, waits for its end by looking once a second, and checks that the
result is that of its own document, until all jobs are done. The documents differ in their names
and pages. The replay backend reads, so that the service itself is measured. The clients share a
few processes, so that they measure the service and not each other. Afterwards a service gets a
folder in which many jobs wait, and they are listed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import httpx
import psutil

from deepseek_ocr_rag import sample_path
from deepseek_ocr_rag.service import JobQueue

PAGES = {"1": "first", "2": "second", "3": "third", "1-3": "first second third"}
"""Pages that a job asks for, and the words that its result then has, in this order."""

LOCAL = "local"
"""Whose jobs they are where no keys are set."""

LISTS = 50


@dataclass
class Measured:
    """What the clients saw."""

    looks: list[float] = field(default_factory=list)
    sends: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    mixed_up: int = 0

    def add(self, other: Measured) -> None:
        """Add what others saw."""
        self.looks += other.looks
        self.sends += other.sends
        self.statuses += other.statuses
        self.ended += other.ended
        self.mixed_up += other.mixed_up


@dataclass(frozen=True, slots=True)
class Service:
    """A service that runs."""

    url: str
    process: psutil.Process

    def family(self) -> list[psutil.Process]:
        """Its processes."""
        return [self.process, *self.process.children(recursive=True)]

    def cpu(self) -> tuple[float, float]:
        """CPU seconds of the server, and of the processes that it started and that run."""
        own, *others = [sum(each.cpu_times()[:2]) for each in self.family()]
        return own, sum(others)

    def memory(self) -> tuple[float, float]:
        """Resident megabytes of the server, and of the processes that it started."""
        own, *others = [each.memory_info().rss / 1e6 for each in self.family()]
        return own, sum(others)


@contextmanager
def serving(folder: Path) -> Iterator[Service]:
    """The real service, as soon as it is ready."""
    recording = folder / "recording.jsonl"
    words = ("first", "second", "third")
    lines = [json.dumps({"page": n, "text": f"The {w} page."}) for n, w in enumerate(words, 1)]
    recording.write_text("\n".join(lines) + "\n", "utf-8")
    log = folder / "serve.log"
    command = [sys.executable, "-m", "deepseek_ocr_rag", "serve", "--port", "0", "--llm", "none"]
    command += ["--data", str(folder / "data"), "--backend", f"replay:{recording}"]
    command += ["--limit", "requests_per_second=100000", "--limit", "jobs_at_once=2"]
    with log.open("wb") as file:
        process = subprocess.Popen(command, stderr=file, env={**os.environ})
    try:
        while not (found := re.search(r"serving on (http://\S+?),", log.read_text("utf-8"))):
            assert process.poll() is None, log.read_text("utf-8")
            time.sleep(0.1)
        while not is_ready(found[1]):
            time.sleep(0.2)
        yield Service(found[1], psutil.Process(process.pid))
    finally:
        process.terminate()
        print(f"exit code of the service: {process.wait(60)}")


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


# --- clients ------------------------------------------------------------------------------


async def timed(
    http: httpx.AsyncClient,
    measured: Measured,
    times: list[float],
    method: str,
    path: str,
    **more: object,
) -> httpx.Response:
    begun = time.perf_counter()
    reply = await http.request(method, path, **more)  # type: ignore[arg-type]
    times.append(time.perf_counter() - begun)
    measured.statuses[reply.status_code] += 1
    return reply


async def one_job(
    http: httpx.AsyncClient, measured: Measured, number: int, document: bytes
) -> None:
    """Send a document, look at it once a second, and compare its result."""
    pages = list(PAGES)[number % len(PAGES)]
    name = f"job-{number}"
    reply = await timed(
        http,
        measured,
        measured.sends,
        "POST",
        "/v1/jobs",
        files={"file": ("sample.pdf", document)},
        data={"name": name, "pages": pages},
    )
    job = reply.json()
    while job["status"] in ("queued", "running"):
        await asyncio.sleep(1.0)
        job = (await timed(http, measured, measured.looks, "GET", job["links"]["self"])).json()
    measured.ended[job["status"]] += 1
    result = (await http.get(job["links"]["result"])).text
    found = re.findall(r"The (\w+) page\.", result)
    if job["name"] != name or found != PAGES[pages].split():
        measured.mixed_up += 1


async def run_clients(url: str, clients: int, numbers: range, document: bytes) -> Measured:
    measured, left = Measured(), iter(numbers)
    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)

    async with httpx.AsyncClient(base_url=url, timeout=300, limits=limits, trust_env=False) as http:

        async def client(delay: float) -> None:
            await asyncio.sleep(delay)
            for number in left:
                await one_job(http, measured, number, document)

        await asyncio.gather(*(client(index / clients) for index in range(clients)))
    return measured


def share(url: str, clients: int, numbers: range) -> Measured:
    """The share of one process."""
    return asyncio.run(run_clients(url, clients, numbers, Path(sample_path()).read_bytes()))


def run(service: Service, clients: int, jobs: int, processes: int) -> Measured:
    """All clients, until all jobs are done; prints the service's memory in each quarter."""
    measured = Measured()
    quarters: dict[int, list[tuple[float, float]]] = {quarter: [] for quarter in range(1, 5)}
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        shares = [
            pool.submit(share, service.url, clients // processes, range(first, jobs, processes))
            for first in range(processes)
        ]
        while not all(each.done() for each in shares):
            time.sleep(0.1)
            quarter = min(4 * ended_jobs(service.url) // jobs + 1, 4)
            quarters[quarter].append(service.memory())
        for each in shares:
            measured.add(each.result())
    print_memory(quarters)
    return measured


def print_memory(quarters: dict[int, list[tuple[float, float]]]) -> None:
    """The medians of each quarter: a process that begins or ends a document has less for a moment."""
    medians = {
        quarter: [statistics.median(part) for part in zip(*seen, strict=True)]
        for quarter, seen in quarters.items()
        if seen
    }
    for quarter, (own, others) in medians.items():
        print(f"memory in quarter {quarter} of the jobs: {own:.0f} + {others:.0f} MB")
    if 2 in medians and 4 in medians:
        change = sum(medians[4]) / sum(medians[2]) - 1
        print(f"memory of the last quarter beside the second: {change:+.1%}")


def ended_jobs(url: str) -> int:
    text = httpx.get(f"{url}/metrics", trust_env=False).text
    return sum(
        int(float(re.search(rf'^dsocr_jobs{{state="{state}"}} (\S+)', text, re.M)[1]))  # type: ignore[index]
        for state in ("succeeded", "partial", "failed")
    )


def percentile(times: list[float], part: float) -> float:
    """In milliseconds."""
    return 1000 * sorted(times)[min(len(times) - 1, int(len(times) * part))]


def load(folder: Path, clients: int, jobs: int, processes: int) -> None:
    """Clients and jobs, and what they saw."""
    with serving(folder) as service:
        before, begun = service.cpu(), time.perf_counter()
        measured = run(service, clients, jobs, processes)
        seconds = time.perf_counter() - begun
        own, others = (now - then for now, then in zip(service.cpu(), before, strict=True))
    looks = measured.looks
    print(f"{clients} clients in {processes} processes, {jobs} jobs, {seconds:.0f} s")
    print(f"ended: {dict(measured.ended)}; lost: {jobs - sum(measured.ended.values())}")
    print(f"mixed up: {measured.mixed_up}; statuses: {dict(measured.statuses)}")
    print(
        f"GET /v1/jobs/{{id}}: {len(looks)} times, median {1000 * statistics.median(looks):.1f} ms,"
        f" p95 {percentile(looks, 0.95):.1f} ms, p99 {percentile(looks, 0.99):.1f} ms"
    )
    print(
        f"POST /v1/jobs: median {1000 * statistics.median(measured.sends):.1f} ms,"
        f" p99 {percentile(measured.sends, 0.99):.1f} ms"
    )
    print(f"CPU: server {own:.1f} s, {1000 * own / jobs:.1f} ms a job; reading {others:.1f} s")


# --- jobs that wait -----------------------------------------------------------------------


def listing(folder: Path, waiting: int) -> None:
    """How long a list takes while this many jobs wait."""
    queue = JobQueue(folder / "data")
    upload = queue.new_upload(LOCAL, "sample.pdf", "application/pdf")
    queue.write_upload(LOCAL, upload.id, [Path(sample_path()).read_bytes()])
    for _ in range(waiting):
        queue.submit(LOCAL, upload.id)
    queue.close()
    with serving(folder) as service, httpx.Client(base_url=service.url, trust_env=False) as http:
        times, cursor = [], None
        for _ in range(LISTS):
            begun = time.perf_counter()
            more = f"&after={cursor}" if cursor else ""
            reply = http.get(f"/v1/jobs?limit=200&status=queued{more}")
            times.append(time.perf_counter() - begun)
            assert reply.status_code == 200, reply.text
            cursor = reply.json()["next_cursor"]
            time.sleep(0.02)
        text = http.get("/metrics").text
    left = re.search(r'dsocr_jobs{state="queued"} (\S+)', text)
    assert left is not None
    print(
        f"GET /v1/jobs of 200 of {waiting} jobs, {float(left[1]):.0f} of which wait at the end:"
        f" median {1000 * statistics.median(times):.1f} ms, longest {1000 * max(times):.1f} ms"
    )


def main() -> None:
    """Run the benchmark and print what it found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--waiting", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=max(1, min(8, (os.cpu_count() or 2) - 6)))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        load(Path(folder), options.clients, options.jobs, options.processes)
    if options.waiting:
        with tempfile.TemporaryDirectory() as folder:
            listing(Path(folder), options.waiting)


if __name__ == "__main__":
    main()
