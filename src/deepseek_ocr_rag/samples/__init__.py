"""The sample document that ships with the package: three pages of an invented annual report."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from ..errors import SourceNotFoundError

__all__ = ["sample_path"]


def sample_path() -> Path:
    """Where the sample PDF lies in the installed package.

    Page 1 is a born-digital article in two columns, page 2 a scanned letter
    without a text layer that lies 1.2 degrees crooked, page 3 a ruled table
    and a bar chart with their captions. The pages are labelled i, ii and iii.

    Returns:
        The path of ``sample.pdf``. Read it, do not write to it.

    Raises:
        SourceNotFoundError: If the package lies in an archive, or was
            installed without its data.

    Example:
        >>> sample_path().name
        'sample.pdf'
    """
    resource = files(__name__).joinpath("sample.pdf")
    if not (isinstance(resource, Path) and resource.is_file()):
        raise SourceNotFoundError(
            "the sample document is not a file on disk",
            source=str(resource),
            remedy="Install deepseek-ocr-rag with pip, unpacked; or name a PDF of your own.",
        )
    return resource
