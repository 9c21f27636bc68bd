"""Reads all documents of a manifest: :func:`run_batch`."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Final

from ..errors import ConfigurationError, DeepSeekOCRError, OutputError
from .ahead import made_ahead
from .arrow_extra import check_arrow
from .batch_progress import BatchProgress, PagesDone, ProgressCounter
from .batch_settings import BatchSettings
from .engines.local_engine import local_devices, local_units
from .engines.unit_runner import BEGUN
from .manifests.manifest import manifest_entries
from .output.count_check import count_pages
from .output.run_report import RunReport, report_of, write_report
from .output.shards import ShardWriter
from .output.staged_units import StagedUnits
from .page_units import PageUnit
from .planning import ManifestPart, PlannedPart, Planner, manifest_parts
from .run_account import PartAccount
from .run_file import RunFile
from .storage.run_folder import RunFolder

__all__ = ["ENGINES", "run_batch"]

ENGINES: Final = ("local", "ray")
LOOK_SECONDS: Final = 5.0
"""Seconds for which the manifest is checked for mistakes before the first page is read; after that,
the check goes on while pages are read."""

PARTS_AHEAD: Final = 2
"""How many parts ahead of reading pages are counted."""

SHARDS_AT_ONCE: Final = {"local": 1, "ray": 8}
"""How many shards are written at the same time. On a cluster, other machines write them, because
writing takes a CPU core a millisecond a page, and many cards read over a thousand pages a second."""

SHARDS_WAITING: Final = 2
"""How many more shards may wait to be written; beyond that, reading waits."""

OnProgress = Callable[[BatchProgress], object]


def run_batch(
    manifest: str,
    output: str,
    settings: BatchSettings | None = None,
    *,
    engine: str = "local",
    gpus: int | None = None,
    gpu_price: float | None = None,
    on_progress: OnProgress | None = None,
) -> RunReport:
    """Read all documents of a manifest into shards, and account for every page.

    A run that was killed goes on where it stopped when the same call is made again, and ends with
    the same ``pages/``, ``errors/``, ``documents/`` and ``files/``, byte for byte, if the backend
    gives the same text.

    Args:
        manifest: A ``.jsonl`` or ``.parquet`` file, a folder or a pattern; on this machine or on
            an object store.
        output: The folder for the results; on this machine or on an object store.
        settings: What reads, and how.
        engine: "local" for this machine, with a reading process for each card; "ray" for a Ray
            cluster.
        gpus: How many cards read at the same time. By default, with Ray, all cards of the cluster,
            or if it has none, one reading process on the processor of each machine; on this machine,
            the cards that ``DSOCR_DEVICES`` names, or one.
        gpu_price: Price of an hour of one card, for the report.
        on_progress: Called about once a second while pages are read.

    Returns:
        What became of every page, and how fast the run was.

    Raises:
        ConfigurationError: If an argument is invalid, or the folder holds another run.
        MissingExtraError: If pyarrow, or Ray, is not installed.
        SourceError: If the manifest cannot be read.
        BackendError: If the backend can read nothing.
        OutputError: If the folder cannot be written.
    """
    check_arrow()
    if engine not in ENGINES:
        raise ConfigurationError(
            f"there is no engine {engine!r}", remedy=f"Choose one of {', '.join(ENGINES)}."
        )
    if gpus is not None and gpus < 1:
        raise ConfigurationError(f"gpus={gpus} is too small", remedy="Give 1 or more.")
    run = _Run(manifest, RunFolder(output), settings or BatchSettings(), engine, gpus)
    return run.run(gpu_price, on_progress)


class _Run:
    def __init__(
        self,
        manifest: str,
        folder: RunFolder,
        settings: BatchSettings,
        engine: str,
        gpus: int | None,
    ) -> None:
        self._manifest = manifest
        self._folder = folder
        self._settings = settings
        self._engine = engine
        self._gpus = gpus
        self._devices = local_devices(gpus) if engine == "local" else ()
        self._cards = len(self._devices) or 1
        self._staged = StagedUnits(folder, settings.part_documents)
        self._shards = ShardWriter(folder, self._staged, settings.chunk_tokens)
        self._counter = ProgressCounter()
        self._waiting: dict[int, tuple[PlannedPart, set[str]]] = {}
        self._writing: deque[Future[PartAccount]] = deque()
        self._parts = self._documents = 0
        self._told = 0.0
        self._ended = threading.Event()
        self._mistake: DeepSeekOCRError | None = None

    def run(self, gpu_price: float | None, on_progress: OnProgress | None) -> RunReport:
        with self._folder.held():
            file = RunFile(self._folder, self._settings, self._manifest, self._engine)
            file.write(self._cards, {"state": "running"})
            # Units that were begun when an earlier driver was killed are not to blame.
            with suppress(OutputError):
                self._folder.clear(BEGUN)
            return self._read_all(file, gpu_price, on_progress)

    def _read_all(
        self, file: RunFile, gpu_price: float | None, on_progress: OnProgress | None
    ) -> RunReport:
        planner = Planner(self._settings)
        planned = made_ahead(self._planned(planner), PARTS_AHEAD)
        counting = threading.Thread(target=self._count, name="dsocr-count", daemon=True)
        counting.start()
        try:
            writers = SHARDS_AT_ONCE[self._engine]
            with ThreadPoolExecutor(writers, thread_name_prefix="dsocr-shards") as pool:
                counting.join(LOOK_SECONDS)
                self._check_manifest()
                for unit in self._read(self._units(planned, pool), on_progress):
                    self._check_manifest()
                    self._unit_done(unit, pool)
                    file.note(self._cards)
                while self._writing:
                    self._take_written()
        finally:
            self._ended.set()
            planned.close()
            planner.close()
        self._shards.remove_drafts()
        account = count_pages(self._folder, self._parts, self._documents)
        report = report_of(
            self._folder,
            account,
            parts=self._parts,
            file=file,
            read_pages=self._counter.progress().pages,
            gpus=self._cards,
            gpu_price=gpu_price,
        )
        file.write(self._cards, report.to_dict())
        write_report(self._folder, report)
        return report

    def _count(self) -> None:
        count = 0
        try:
            for _ in manifest_entries(self._manifest):
                count += 1
                if self._ended.is_set():
                    return
        except DeepSeekOCRError as error:
            self._mistake = error
            return
        self._counter.total(count)

    def _check_manifest(self) -> None:
        """End the run if the manifest has a mistake far beyond the part that is being read."""
        if self._mistake is not None:
            raise self._mistake

    def _planned(self, planner: Planner) -> Iterator[PlannedPart]:
        entries = manifest_entries(self._manifest)
        for part in manifest_parts(entries, self._settings.part_documents):
            self._parts += 1
            self._documents += len(part.entries)
            if not self._is_finished(part):
                yield planner.plan(part)

    def _is_finished(self, part: ManifestPart) -> bool:
        account = self._shards.finished(part)
        if account is not None:
            self._counter.part(account.documents, skipped=True)
        return account is not None

    def _units(
        self, planned: Iterator[PlannedPart], pool: ThreadPoolExecutor
    ) -> Iterator[PageUnit]:
        for part in planned:
            stored = self._staged.names(part.part.number)
            left = [unit for unit in part.units if unit.file_name not in stored]
            # A task of a killed driver may still be writing this part: it writes the mark first and
            # then removes the units. So a unit that is not listed is missing, or its part is marked.
            if left and self._is_finished(part.part):
                continue
            if left:
                self._waiting[part.part.number] = (part, {unit.file_name for unit in left})
                yield from left
            else:
                self._write(part, pool)

    def _read(
        self, units: Iterator[PageUnit], on_progress: OnProgress | None
    ) -> Iterator[PageUnit]:
        def on_pages(done: PagesDone) -> None:
            self._counter.pages(done)
            now = time.monotonic()
            if on_progress is not None and now - self._told >= 1.0:
                self._told = now
                on_progress(self._counter.progress())

        if self._engine == "local":
            yield from local_units(units, self._settings, self._folder, on_pages, self._devices)
            return
        from .engines.ray_engine import ray_units
        from .engines.ray_shares import ray_shares

        shares = ray_shares(self._gpus)
        self._cards = shares.actors
        yield from ray_units(units, self._settings, self._folder, on_pages, shares)

    def _unit_done(self, unit: PageUnit, pool: ThreadPoolExecutor) -> None:
        number = unit.entry // self._settings.part_documents
        planned, left = self._waiting[number]
        left.discard(unit.file_name)
        if not left:
            del self._waiting[number]
            self._write(planned, pool)

    def _write(self, planned: PlannedPart, pool: ThreadPoolExecutor) -> None:
        self._writing.append(pool.submit(self._write_part, planned))
        most = SHARDS_AT_ONCE[self._engine] + SHARDS_WAITING
        while len(self._writing) > most or (self._writing and self._writing[0].done()):
            self._take_written()

    def _write_part(self, planned: PlannedPart) -> PartAccount:
        if self._engine == "local":
            return self._shards.write(planned)
        from .engines.ray_shards import write_elsewhere

        try:
            return write_elsewhere(planned, self._folder, self._settings)
        except OutputError:
            # Here, too, another task may have written the part and removed its units.
            account = self._shards.finished(planned.part)
            if account is None:
                raise
            return account

    def _take_written(self) -> None:
        account = self._writing.popleft().result()
        self._counter.part(account.documents, skipped=False)
