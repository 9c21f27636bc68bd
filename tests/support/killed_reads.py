"""Reads a document in processes of its own that are killed at random points, and tells of it.

    python killed_reads.py PDF SERVER_URL CACHE_FOLDER LOG KILLS SEED LONGEST_SECONDS

Each process appends every page that it gives out to LOG, as a line of JSON with
the number of its run. After the kills one process reads to the end. Printed is
a line of JSON: how many runs were killed while they read, and how many
processes outlived them.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time

import psutil

from deepseek_ocr_rag import Reader, ServerBackend

__all__ = ["main"]


def read(pdf: str, url: str, cache: str, log: int, run: int) -> None:
    backend = ServerBackend(url, model="deepseek-ocr", concurrency=4)
    with Reader(backend, mode="tiny", cache=cache) as reader:
        for page in reader.iter_pages(pdf, name="a.pdf"):
            line = json.dumps({"run": run, "page": page.to_dict()})
            os.write(log, f"{line}\n".encode())


def start(*arguments: object) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        read(*arguments)  # type: ignore[arg-type]
        code = 0
    finally:
        os._exit(code)


def kill(child: int) -> tuple[bool, int]:
    """Whether it was still running, and how many of its own processes were left five seconds later."""
    process = psutil.Process(child)
    try:
        own = process.children(recursive=True)
    except psutil.NoSuchProcess:
        own = []
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    _, left = psutil.wait_procs(own, timeout=5)
    return os.WIFSIGNALED(status), len(left)


def main() -> None:
    pdf, url, cache, log_path, kills, seed, longest = sys.argv[1:]
    dice = random.Random(int(seed))
    log = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    killed = orphans = 0
    for run in range(int(kills)):
        child = start(pdf, url, cache, log, run)
        time.sleep(dice.uniform(0, float(longest)))
        while_reading, left = kill(child)
        killed += while_reading
        orphans += left
    _, status = os.waitpid(start(pdf, url, cache, log, int(kills)), 0)
    print(json.dumps({"killed": killed, "orphans": orphans, "status": status}))


if __name__ == "__main__":
    main()
