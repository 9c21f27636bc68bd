"""Reads a document in processes that are killed at random points, and reports the result.

    python killed_reads.py PDF SERVER_URL CACHE_FOLDER LOG KILLS SEED

Each process appends every page that it yields to LOG, as a line of JSON with the
number of its run. After the kills, one process reads to the end. Prints a line of
JSON: how many runs were killed while reading, and how many processes outlived them.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import psutil

from deepseek_ocr_rag import Reader, ServerBackend

__all__ = ["main"]

START_SHARE = 0.3
START_SECONDS = 0.5
MOST_PAGES = 8
"""Share of the kills during the start; the others come after some pages."""


def read(pdf: str, url: str, cache: str, log: int, run: int) -> None:
    # The API key tells the server which run is asking.
    backend = ServerBackend(url, model="deepseek-ocr", api_key=str(run), concurrency=4)
    with Reader(backend, resolution="tiny", cache=cache) as reader:
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


def lines(log: str, start: int) -> int:
    with open(log, "rb") as file:
        file.seek(start)
        return file.read().count(b"\n")


def runs(child: int) -> bool:
    return psutil.Process(child).status() != psutil.STATUS_ZOMBIE


def wait(log: str, child: int, dice: random.Random) -> None:
    """Wait for a random moment: during the start, or after some pages."""
    if dice.random() < START_SHARE:
        time.sleep(dice.uniform(0, START_SECONDS))
        return
    size = Path(log).stat().st_size
    wanted = dice.randint(1, MOST_PAGES)
    while lines(log, size) < wanted and runs(child):
        time.sleep(0.002)
    time.sleep(dice.uniform(0, 0.03))


def main() -> None:
    pdf, url, cache, log_path, kills, seed = sys.argv[1:]
    dice = random.Random(int(seed))
    log = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    killed = 0
    own: list[psutil.Process] = []
    for run in range(int(kills)):
        child = start(pdf, url, cache, log, run)
        wait(log_path, child, dice)
        own += psutil.Process(child).children(recursive=True)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        killed += os.WIFSIGNALED(status)
    _, status = os.waitpid(start(pdf, url, cache, log, int(kills)), 0)
    _, orphans = psutil.wait_procs(own, timeout=60)
    print(json.dumps({"killed": killed, "orphans": len(orphans), "status": status}))


if __name__ == "__main__":
    main()
