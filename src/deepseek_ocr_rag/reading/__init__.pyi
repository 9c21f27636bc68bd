from .cache import CacheStatus, PageCache
from .page_stream import PageStream
from .reader import Reader

__all__ = [
    "CacheStatus",
    "PageCache",
    "PageStream",
    "Reader",
]
