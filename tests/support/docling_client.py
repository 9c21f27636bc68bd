"""The client of docling-serve, as its authors ship it (the package docling-client).

Its own models warn about their own deprecated fields when they are imported and when they are
used; tests that use them need ``DOCLING_WARNS`` among their marks.
"""

from __future__ import annotations

import warnings

import pytest

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
]

DOCLING_WARNS = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
