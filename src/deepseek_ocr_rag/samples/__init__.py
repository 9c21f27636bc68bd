"""The sample document that ships with the package: three pages of an invented annual report."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from ..errors import SourceNotFoundError

__all__ = ["sample_path"]


def sample_path() -> Path:
    """The path of the sample PDF in the installed package.

    Page 1 is a born-digital article in two columns. Page 2 is a scanned letter without a
    text layer, skewed by 1.2 degrees. Page 3 has a ruled table and a bar chart with their
    captions. The pages are labelled i, ii and iii.

    Returns:
        The path of ``sample.pdf``; do not write to it.

    Raises:
        SourceNotFoundError: If the package is in an archive, or was installed
            without its data.

    Example:
        >>> sample_path().name
        'sample.pdf'
    """
    resource = files(__name__).joinpath("sample.pdf")
    if not (isinstance(resource, Path) and resource.is_file()):
        raise SourceNotFoundError(
            "the sample document is not a file on disk",
            source=str(resource),
            remedy="Install deepseek-ocr-rag with pip, or name a PDF of your own.",
        )
    return resource
