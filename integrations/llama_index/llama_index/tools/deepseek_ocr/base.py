"""The tool spec."""

# No `from __future__ import annotations`: LlamaIndex takes the descriptions of
# a tool's parameters from their annotations at run time.

from pathlib import Path
from typing import Annotated

from llama_index.core.tools.tool_spec.base import SPEC_FUNCTION_TYPE, BaseToolSpec

from deepseek_ocr_rag import (
    AgentReader,
    Backend,
    ConfigurationError,
    DeepSeekOCRError,
    Limits,
    Reader,
)

__all__ = ["DeepSeekOCRToolSpec"]


class DeepSeekOCRToolSpec(BaseToolSpec):
    """Let an agent read PDFs and scans, with page numbers and in portions.

    A reply begins with the pages that it shows, marks every page, and ends
    with how to ask for the next ones. Pages that were read are kept, so going
    on in a document does not read it again. Whatever fails is a reply that
    says what to do, never an exception.

    Only files under ``root_dir`` can be named: see
    :func:`deepseek_ocr_rag.resolve_inside` for what is refused. Absolute paths
    of this machine do not reach the model.

    Args:
        root_dir: The folder that may be read from, with its subfolders;
            without it the current directory when the spec is made.
        max_chars: Longest reply, at least 1000.
        password: Tried on encrypted PDFs.
        keep: How many documents are remembered.
        reader: Reads; without one it is built from the arguments that follow.
        backend: As in ``DeepSeekOCRReader``, like the rest.
        resolution: tiny, small, base, large or gundam.
        task: What to ask of a page.
        renderer: "pdfium" or "pymupdf".
        limits: What a document may cost.
        allow_urls: Whether the model may name http(s) URLs. What is fetched is
            then the model's choice.

    Raises:
        ConfigurationError: If an argument cannot be meant.

    Example:
        >>> spec = DeepSeekOCRToolSpec(root_dir=".", backend="lite")
        >>> [tool.metadata.name for tool in spec.to_tool_list()]
        ['read_document']
    """

    spec_functions: list[SPEC_FUNCTION_TYPE] = ["read_document"]  # noqa: RUF012 - as in the base class

    def __init__(
        self,
        root_dir: str | Path | None = None,
        *,
        max_chars: int = 8000,
        password: str | None = None,
        keep: int = 8,
        reader: Reader | None = None,
        backend: Backend | str = "auto",
        resolution: str = "gundam",
        task: str = "document",
        renderer: str = "pdfium",
        limits: Limits | None = None,
        allow_urls: bool = False,
    ) -> None:
        given = (backend, resolution, task, renderer, limits)
        if reader is not None and given != ("auto", "gundam", "document", "pdfium", None):
            raise ConfigurationError(
                "a reader and arguments to build one were given",
                remedy="Give backend, resolution, task, renderer and limits to the Reader.",
            )
        self._agent = AgentReader(
            reader
            or Reader(
                backend,
                mode=resolution,
                task=task,
                renderer=renderer,
                limits=limits,
                allow_urls=allow_urls,
            ),
            root_dir=root_dir,
            max_chars=max_chars,
            allow_urls=allow_urls,
            password=password,
            keep=keep,
        )

    def read_document(
        self,
        path: Annotated[
            str,
            "The file to read: a PDF or a picture (PNG, JPEG, TIFF, WebP, BMP), as a path "
            "relative to the allowed folder, with forward slashes, like 'report.pdf'.",
        ],
        pages: Annotated[
            str | None,
            "Which pages, counted from 1, like '3' or '1-3,7'. "
            "Leave it out to begin at the first page.",
        ] = None,
        start: Annotated[
            int,
            "Only when an earlier reply said that a page goes on: the character to go on from.",
        ] = 0,
    ) -> str:
        """Read a PDF or a scanned page as Markdown text with page numbers.

        Use it whenever the answer may stand in such a file. A long document
        comes in portions: the end of each reply says how to ask for the next
        pages.
        """
        try:
            return self._agent.read(path, pages, start).text
        except DeepSeekOCRError as error:
            return self._agent.explain(error)
