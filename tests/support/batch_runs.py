"""Runs of :mod:`deepseek_ocr_rag.batch` for tests, in this process or one that is killed.

python batch_runs.py MANIFEST FOLDER BACKEND UNIT_PAGES PART_DOCUMENTS
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import psutil

__all__ = [
    "SAME",
    "page_keys",
    "recorded_page",
    "run_of_sample",
    "shard_bytes",
    "start_run",
    "worker_pids",
]

SAME = ("pages", "errors", "documents", "files")
"""The folders whose bytes do not depend on when and how often a run was interrupted."""


def recorded_page(path: Path) -> str:
    """A backend that has a recording of one page; ``path`` is where that is written."""
    text = (
        "<|ref|>title<|/ref|><|det|>[[10, 10, 900, 50]]<|/det|>\n# Light\n\n"
        "<|ref|>text<|/ref|><|det|>[[10, 60, 900, 99]]<|/det|>\nThe lamp was lit."
    )
    path.write_text(json.dumps({"page": 1, "text": text}), "utf-8")
    return f"replay:{path}"


def run_of_sample(folder: Path, recording: str) -> Path:
    """A run over two pages of the sample, of which one was recorded, and a damaged file."""
    from deepseek_ocr_rag import sample_path
    from deepseek_ocr_rag.batch import BatchSettings, run_batch

    (folder / "bad.pdf").write_bytes(b"%PDF-1.4 damaged")
    lines = [{"uri": str(sample_path()), "pages": "1-2"}, {"uri": "bad.pdf", "id": "bad"}]
    (folder / "m.jsonl").write_text("\n".join(map(json.dumps, lines)), "utf-8")
    run_batch(str(folder / "m.jsonl"), str(folder / "out"), BatchSettings(backend=recording))
    return folder / "out"


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
    return [each.pid for each in psutil.Process(process).children(recursive=True) if _reads(each)]


def _reads(process: psutil.Process) -> bool:
    try:
        return any("batch_worker" in part for part in process.cmdline())
    except psutil.NoSuchProcess:  # it has ended meanwhile
        return False


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
