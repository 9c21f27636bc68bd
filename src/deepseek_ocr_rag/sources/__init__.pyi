from .allowed_paths import resolve_inside
from .fetch_policy import FetchPolicy
from .folder_files import documents_in
from .limits import Limits
from .source import Source, SourceInput, open_source, render_page

__all__ = [
    "FetchPolicy",
    "Limits",
    "Source",
    "SourceInput",
    "documents_in",
    "open_source",
    "render_page",
    "resolve_inside",
]
