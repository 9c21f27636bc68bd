from .batch_progress import BatchProgress
from .batch_run import run_batch
from .batch_settings import BatchSettings
from .estimate import BatchEstimate, EstimatedRange, estimate_batch
from .manifests.manifest import manifest_entries
from .output.run_report import RunReport
from .page_reader import PageReader
from .page_units import ManifestEntry, PageUnit
from .read_back import BatchDocument, batch_documents, batch_records
from .run_account import RunAccount
from .stored_pages import PageRow

__all__ = [
    "BatchDocument",
    "BatchEstimate",
    "BatchProgress",
    "BatchSettings",
    "EstimatedRange",
    "ManifestEntry",
    "PageReader",
    "PageRow",
    "PageUnit",
    "RunAccount",
    "RunReport",
    "batch_documents",
    "batch_records",
    "estimate_batch",
    "manifest_entries",
    "run_batch",
]
