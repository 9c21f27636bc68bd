"""The client of docling-serve, as its authors ship it (the package docling-client).

Its own models warn about their own deprecated fields when they are imported and when they are
used; tests that use them need ``DOCLING_WARNS`` among their marks.
"""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path

import pytest
from docling_core.types.io import DocumentStream

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from docling.datamodel.service.options import ConvertDocumentsOptions
    from docling.datamodel.service.requests import HttpSourceRequest
    from docling.datamodel.service.responses import ConvertDocumentResponse, TaskStatusResponse
    from docling.datamodel.service.targets import InBodyTarget, ZipTarget
    from docling.service_client import DoclingServiceClient, StatusWatcherKind
    from docling.service_client import exceptions as docling_errors

__all__ = [
    "DOCLING_WARNS",
    "ConvertDocumentResponse",
    "ConvertDocumentsOptions",
    "DoclingServiceClient",
    "HttpSourceRequest",
    "InBodyTarget",
    "StatusWatcherKind",
    "TaskStatusResponse",
    "ZipTarget",
    "docling_errors",
    "streamed",
]

DOCLING_WARNS = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")


def streamed(file: Path) -> DocumentStream:
    """A file as a source for the client, which does not close files that it opens itself."""
    return DocumentStream(name=file.name, stream=BytesIO(file.read_bytes()))
