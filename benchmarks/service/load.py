"""Many clients at the real ``dsocr serve``: is a job lost or mixed up, and how long do replies take?

``python benchmarks/service/load.py [--clients 200] [--jobs 2000]``

Every client sends a document, waits for its end by looking once a second, and checks that the
result is that of its own document, until all jobs are done. The documents differ in their names
and pages. The replay backend reads, so that the service itself is measured.
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
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from deepseek_ocr_rag import sample_path

ROOT = Path(__file__).resolve().parents[2]
PAGES = {"1": "first", "2": "second", "3": "third", "1-3": "first second third"}
"""Pages that a job asks for, and the words that its result then has, in this order."""


@dataclass
class Measured:
    """What the clients saw."""

    looks: list[float] = field(default_factory=list)
    sends: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    mixed_up: int = 0
    memory: list[tuple[int, float]] = field(default_factory=list)


def start(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """The service and its address."""
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
    while not (found := re.search(r"serving on (http://\S+?),", log.read_text("utf-8"))):
        assert process.poll() is None, log.read_text("utf-8")
        time.sleep(0.1)
    url = found[1]
    while True:
        try:
            if httpx.get(f"{url}/readyz", trust_env=False).status_code == 200:
                return process, url
        except httpx.TransportError:
            pass
        time.sleep(0.2)


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


def memory(process: psutil.Process) -> float:
    """Resident megabytes of the service and its reading process."""
    everybody = [process, *process.children(recursive=True)]
    return sum(each.memory_info().rss for each in everybody) / 1e6


async def run(url: str, pid: int, clients: int, jobs: int, document: bytes) -> Measured:
    """All clients, until all jobs are done."""
    measured, numbers = Measured(), iter(range(jobs))
    process = psutil.Process(pid)
    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)

    async with httpx.AsyncClient(base_url=url, timeout=120, limits=limits, trust_env=False) as http:

        async def client(delay: float) -> None:
            await asyncio.sleep(delay)
            for number in numbers:
                await one_job(http, measured, number, document)
                done = sum(measured.ended.values())
                if done % 100 == 0:
                    measured.memory.append((done, memory(process)))

        # Spread over a second, as people are: they look once a second from then on.
        await asyncio.gather(*(client(each / clients) for each in range(clients)))
    return measured


def percentile(times: list[float], share: float) -> float:
    """Milliseconds below which that share of the times is."""
    return 1000 * sorted(times)[min(len(times) - 1, int(share * len(times)))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        process, url = start(Path(folder))
        document = Path(sample_path()).read_bytes()
        begun = time.perf_counter()
        try:
            measured = asyncio.run(run(url, process.pid, options.clients, options.jobs, document))
            seconds = time.perf_counter() - begun
        finally:
            process.terminate()
            code = process.wait(60)
    looks = measured.looks
    print(f"{options.clients} clients, {options.jobs} jobs, {seconds:.0f} s; exit code {code}")
    print(f"ended: {dict(measured.ended)}; lost: {options.jobs - sum(measured.ended.values())}")
    print(f"mixed up: {measured.mixed_up}; statuses: {dict(measured.statuses)}")
    print(
        f"GET /v1/jobs/{{id}}: {len(looks)} times, median {1000 * statistics.median(looks):.1f} ms,"
        f" p95 {percentile(looks, 0.95):.1f} ms, p99 {percentile(looks, 0.99):.1f} ms"
    )
    print(f"POST /v1/jobs: p99 {percentile(measured.sends, 0.99):.1f} ms")
    for done, megabytes in measured.memory:
        if done % 500 == 0:
            print(f"memory after {done} jobs: {megabytes:.0f} MB")


if __name__ == "__main__":
    main()
