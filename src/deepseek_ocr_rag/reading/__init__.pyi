from .cache import CacheStatus, PageCache
from .page_stream import PageStream
from .progress import ReadingProgress
from .progress_bar import ProgressBar
from .reader import Reader

__all__ = [
    "CacheStatus",
    "PageCache",
    "PageStream",
    "ProgressBar",
    "Reader",
    "ReadingProgress",
]
