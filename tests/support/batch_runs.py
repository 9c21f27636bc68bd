"""Runs of :mod:`deepseek_ocr_rag.batch` for tests, in this process or one that is killed.

python batch_runs.py MANIFEST FOLDER BACKEND UNIT_PAGES PART_DOCUMENTS
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import psutil

__all__ = ["SAME", "page_keys", "shard_bytes", "start_run", "worker_pids"]

SAME = ("pages", "errors", "documents", "files")
"""The folders whose bytes do not depend on when and how often a run was interrupted."""


def shard_bytes(folder: Path) -> dict[str, str]:
    """The hash of every shard that must always be the same."""
    return {
        f"{kind}/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest()
        for kind in SAME
        for path in sorted((folder / kind).iterdir())
    }


def page_keys(folder: Path) -> Counter[tuple[str, int]]:
    """How often each page of each document is in ``pages`` or ``errors``."""
    from pyarrow import parquet

    return Counter(
        (row["doc_id"], row["page"])
        for kind in ("pages", "errors")
        for path in sorted((folder / kind).glob("part-*.parquet"))
        for row in parquet.read_table(path, columns=["doc_id", "page"]).to_pylist()
    )


def start_run(
    manifest: Path, folder: Path, backend: str, *, unit_pages: int = 4, part_documents: int = 2
) -> subprocess.Popen[bytes]:
    """Start a run in a process of its own."""
    arguments = (manifest, folder, backend, unit_pages, part_documents)
    return subprocess.Popen(
        [sys.executable, __file__, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def worker_pids(process: int) -> list[int]:
    """The reading processes of a run."""
    return [
        each.pid
        for each in psutil.Process(process).children(recursive=True)
        if any("batch_worker" in part for part in each.cmdline())
    ]


if __name__ == "__main__":
    from deepseek_ocr_rag.batch import BatchSettings, run_batch

    given = sys.argv[1:]
    run_batch(
        given[0],
        given[1],
        BatchSettings(
            backend=given[2],
            resolution="tiny",
            unit_pages=int(given[3]),
            part_documents=int(given[4]),
        ),
    )
