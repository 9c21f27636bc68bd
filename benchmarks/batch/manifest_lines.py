"""How long a run with a million documents takes to start, and what memory it needs.

    python benchmarks/batch/manifest_lines.py [--lines 1000000] [--finished 2000]

Writes a manifest whose lines all name one small PDF, starts a run on it, and ends it at its first
page. Then reads all lines alone, and finally skips ``--finished`` parts that a run had finished, as a
run that is started again does. Prints seconds and the most memory of this process (Linux).
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import tempfile
import time
from pathlib import Path

from reportlab.pdfgen.canvas import Canvas

from deepseek_ocr_rag.batch import BatchSettings, manifest_entries, run_batch
from deepseek_ocr_rag.batch.output.shards import ShardWriter, mark_of
from deepseek_ocr_rag.batch.output.staged_units import StagedUnits
from deepseek_ocr_rag.batch.planning import manifest_parts
from deepseek_ocr_rag.batch.run_account import PartAccount
from deepseek_ocr_rag.batch.storage.run_folder import RunFolder

__all__ = ["main"]


class FirstPageError(Exception):
    """Ends the run."""


def memory() -> int:
    """The most memory so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def document() -> bytes:
    """A PDF with one page."""
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=(595, 842), invariant=1)
    canvas.drawString(72, 720, "One page")
    canvas.showPage()
    canvas.save()
    return file.getvalue()


def finished_parts(manifest: Path, folder: RunFolder, parts: int) -> float:
    """Seconds to go over parts whose marks are there."""
    shards = ShardWriter(folder, StagedUnits(folder, 64))
    found = manifest_parts(manifest_entries(str(manifest)), 64)
    named = [part for part, _ in zip(found, range(parts), strict=False)]
    for part in named:
        account = PartAccount(part.number, part.digest(), 64, 64, 64, 0)
        folder.write_json(mark_of(part.number), account.to_dict())
    begun = time.perf_counter()
    for part in manifest_parts(manifest_entries(str(manifest)), 64):
        if part.number >= len(named):
            break
        assert shards.finished(part) is not None
    return time.perf_counter() - begun


def main() -> None:
    """Run the benchmark; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--finished", type=int, default=2_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        (work / "a.pdf").write_bytes(document())
        (work / "replies.jsonl").write_text('{"page": 1, "text": "One page"}\n', "utf-8")
        manifest = work / "manifest.jsonl"
        with manifest.open("w", encoding="utf-8") as file:
            for number in range(given.lines):
                file.write(json.dumps({"uri": "a.pdf", "id": f"document-{number}"}) + "\n")
        settings = BatchSettings(backend=f"replay:{work / 'replies.jsonl'}")
        begun = time.perf_counter()

        def end(progress: object) -> None:
            raise FirstPageError

        try:
            run_batch(str(manifest), str(work / "out"), settings, on_progress=end)
        except FirstPageError:
            print(f"first page after {time.perf_counter() - begun:.1f} s; {memory()} MB")
        begun = time.perf_counter()
        lines = sum(1 for _ in manifest_entries(str(manifest)))
        print(f"{lines:,} lines read in {time.perf_counter() - begun:.1f} s; {memory()} MB")
        seconds = finished_parts(manifest, RunFolder(str(work / "marks")), given.finished)
        each = seconds / given.finished
        print(
            f"{given.finished:,} finished parts passed over in {seconds:.1f} s, so"
            f" {given.lines / 64 * each:.0f} s for {given.lines:,} lines; {memory()} MB"
        )


if __name__ == "__main__":
    main()
