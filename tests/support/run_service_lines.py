"""Runs the ``curl`` lines of a README against a service: ``python run_service_lines.py README``.

The service is the ``dsocr serve`` of the environment whose ``bin`` comes first in PATH, with a
document ``report.pdf`` in the current folder. Prints what the last line printed.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from docs_pages import blocks

STARTED = re.compile(r"serving on http://127\.0\.0\.1:(\d+)")
STARTS = 120
"""Seconds that the service may take."""

PORT = "8765"


def service_lines(readme: Path) -> list[str]:
    """The lines of the block that starts the service."""
    (block,) = (each for each in blocks(readme) if "dsocr serve " in each.code)
    return block.code.splitlines()


@contextmanager
def served(command: str) -> Iterator[str]:
    """The port of a service on a free one, its data in the current folder."""
    words = [*shlex.split(command, comments=True), "--port", "0"]
    log = Path("service.log")
    with log.open("w") as errors:
        process = subprocess.Popen(words, stderr=errors)
    try:
        deadline = time.monotonic() + STARTS
        while not (port := STARTED.search(log.read_text())):
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"the service did not start:\n{log.read_text()[-3000:]}")
            time.sleep(0.1)
        yield port[1]
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
    if code:
        sys.exit(f"the service ended with {code}:\n{log.read_text()[-3000:]}")


def said(line: str, **variables: str) -> str:
    """What a line prints."""
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", line],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if ran.returncode:
        sys.exit(f"{line}\nexit code {ran.returncode}\n{ran.stdout}{ran.stderr}")
    return ran.stdout


def run_lines(readme: Path) -> str:
    """Start the service, send the document, wait for it, get its result."""
    start, send, get = service_lines(readme)
    with served(start) as port:
        here = f":{port}/"
        job = json.loads(said(send.replace(f":{PORT}/", here)))
        while job["status"] in ("queued", "running"):
            address = f"http://127.0.0.1{here}v1/jobs/{job['id']}?wait=30"
            job = json.loads(said(f"curl --silent --fail '{address}'"))
        if job["status"] != "succeeded":
            sys.exit(f"the job {job['status']}: {job['error']}")
        return said(get.replace(f":{PORT}/", here), ID=job["id"])


if __name__ == "__main__":
    print(run_lines(Path(sys.argv[1])))
