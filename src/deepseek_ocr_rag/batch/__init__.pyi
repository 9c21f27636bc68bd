from .batch_progress import BatchProgress
from .batch_run import run_batch
from .batch_settings import BatchSettings
from .manifests.manifest import manifest_entries
from .output.run_report import RunReport
from .page_reader import PageReader
from .page_rows import PageRow
from .page_units import ManifestEntry, PageUnit
from .run_account import RunAccount

__all__ = [
    "BatchProgress",
    "BatchSettings",
    "ManifestEntry",
    "PageReader",
    "PageRow",
    "PageUnit",
    "RunAccount",
    "RunReport",
    "manifest_entries",
    "run_batch",
]
