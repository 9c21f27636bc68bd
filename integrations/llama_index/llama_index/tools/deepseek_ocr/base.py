"""The tool spec: read a document, search it, look at a page, locate something on it."""

# No `from __future__ import annotations`, because LlamaIndex reads the descriptions of
# a tool's parameters from their annotations at run time.

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

from llama_index.core.base.llms.types import ImageBlock, TextBlock
from llama_index.core.tools import FunctionTool, ToolMetadata
from llama_index.core.tools.tool_spec.base import SPEC_FUNCTION_TYPE, BaseToolSpec

from deepseek_ocr_rag import DeepSeekOCRError, FetchPolicy, Limits, Reader
from deepseek_ocr_rag.agents import AgentReader
from deepseek_ocr_rag.backends import Backend
from deepseek_ocr_rag.concurrency import run_cancellable
from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.setting_names import with_known_settings

__all__ = ["DeepSeekOCRToolSpec"]

Result = TypeVar("Result")


@with_known_settings()
class DeepSeekOCRToolSpec(BaseToolSpec):
    """Lets an agent read, search and look at PDFs and scans, in portions.

    A reply begins with the pages that it shows, says on which page everything is,
    and ends with how to ask for more. Pages are remembered, so continuing in a document,
    or searching it, does not read it again. A failure becomes a reply that says what
    to do, never an exception.

    ``look_at`` shows the model a picture. For a model that accepts no images from
    tools, leave it out: ``to_tool_list(["read_document", "search_document",
    "locate"])``.

    Only files under ``root_dir`` can be named;
    :func:`deepseek_ocr_rag.sources.resolve_inside` lists what is refused. Absolute
    paths of this machine do not reach the model.

    Args:
        root_dir: The folder that may be read from, with its subfolders; by default
            the current directory at the time of construction.
        max_chars: Longest reply in characters, at least 1000.
        password: Tried on encrypted PDFs.
        keep: How many documents to remember.
        reader: Reads the documents; by default built from the arguments below.
        backend: As in ``DeepSeekOCRReader``, like the rest.
        resolution: How finely the model sees a page: tiny, small, base, large or gundam.
        task: What to ask of each page.
        renderer: "pdfium" or "pymupdf".
        limits: Limits on size, pages and time of one document.
        allow_urls: Which URLs the model may name; none by default. A policy that
            lists the hosts, ``FetchPolicy(hosts=("arxiv.org",))``, or True with a
            ``reader`` whose own policy does so.

    Raises:
        ConfigurationError: If an argument is invalid.

    Example:
        >>> spec = DeepSeekOCRToolSpec(root_dir=".", backend="lite")
        >>> [tool.metadata.name for tool in spec.to_tool_list()]
        ['read_document', 'search_document', 'locate', 'look_at']
    """

    spec_functions: list[SPEC_FUNCTION_TYPE] = [  # noqa: RUF012 - as in the base class
        "read_document",
        "search_document",
        "locate",
        "look_at",
    ]

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
        allow_urls: bool | FetchPolicy = False,
    ) -> None:
        given = (backend, resolution, task, renderer, limits)
        built = given != ("auto", "gundam", "document", "pdfium", None)
        if reader is not None and (built or isinstance(allow_urls, FetchPolicy)):
            raise ConfigurationError(
                "both a reader and arguments to build one were given",
                remedy="Pass backend, resolution, task, renderer, limits and a fetch policy "
                "to the Reader.",
            )
        self._agent = AgentReader(
            reader
            or Reader(
                backend,
                resolution=resolution,
                task=task,
                renderer=renderer,
                limits=limits,
                allow_urls=allow_urls,
            ),
            root_dir=root_dir,
            max_chars=max_chars,
            allow_urls=bool(allow_urls),
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
            "Only when an earlier reply said that a page goes on: the character to continue from.",
        ] = 0,
    ) -> str:
        """Read a PDF or a scanned page as Markdown text with page numbers.

        Use it whenever the answer may be in such a file. A long document
        comes in portions: the end of each reply says how to ask for the next
        pages.
        """
        return self._call(lambda: self._agent.read(path, pages, start).text)

    def search_document(
        self,
        path: Annotated[str, "The file to search, written as for read_document."],
        query: Annotated[str, "A question, or a few words from the document."],
        pages: Annotated[
            str | None,
            "Which pages to search, like '3' or '1-3,7'. Leave it out for all of them.",
        ] = None,
        offset: Annotated[
            int,
            "Only when an earlier reply said that there is more: the offset to continue from.",
        ] = 0,
    ) -> str:
        """Search a PDF or a scan for passages that match a question, with pages and boxes.

        Use it for a long document instead of reading all of it. The best
        passages come first; more come with offset.
        """
        return self._call(lambda: self._agent.search(path, query, pages, offset).text)

    def locate(
        self,
        path: Annotated[str, "The file to look into, written as for read_document."],
        what: Annotated[str, "What to find, in a few words, like 'the total amount'."],
        pages: Annotated[
            str | None,
            "Which pages to look at, like '3' or '1-3,7'. Leave it out for all of them.",
        ] = None,
    ) -> str:
        """Find where something is in a PDF or a scan: 'the total', 'the signature'.

        Returns pages and boxes, which look_at can show.
        """
        return self._call(lambda: self._agent.locate(path, what, pages).text)

    def look_at(
        self,
        path: Annotated[str, "The file to look at, written as for read_document."],
        page: Annotated[int, "The page to look at, counted from 1, like 3."],
        box: Annotated[
            list[float] | None,
            "The part of the page: [left, top, right, bottom] as fractions of the page from 0 "
            "to 1, as search_document and locate give them. Leave it out for the whole page.",
        ] = None,
    ) -> list[TextBlock | ImageBlock] | str:
        """Look at a page of a PDF or a scan, or at a part of it, as a picture.

        Use it for figures, signatures and stamps, and to check what was read.
        """
        shown = self._call(lambda: self._agent.look_at(path, page, box))
        if isinstance(shown, str):
            return shown
        picture = ImageBlock(image=shown.png, image_mimetype="image/png")
        return [TextBlock(text=shown.text), picture]

    async def aread_document(self, path: str, pages: str | None = None, start: int = 0) -> str:
        """:meth:`read_document` for coroutines; cancelling the task stops the reading."""
        return await run_cancellable(lambda: self.read_document(path, pages, start))

    async def asearch_document(
        self, path: str, query: str, pages: str | None = None, offset: int = 0
    ) -> str:
        """:meth:`search_document` for coroutines; cancelling the task stops the reading."""
        return await run_cancellable(lambda: self.search_document(path, query, pages, offset))

    async def alocate(self, path: str, what: str, pages: str | None = None) -> str:
        """:meth:`locate` for coroutines; cancelling the task stops the reading."""
        return await run_cancellable(lambda: self.locate(path, what, pages))

    async def alook_at(
        self, path: str, page: int, box: list[float] | None = None
    ) -> list[TextBlock | ImageBlock] | str:
        """:meth:`look_at` for coroutines."""
        return await run_cancellable(lambda: self.look_at(path, page, box))

    def to_tool_list(
        self,
        spec_functions: list[SPEC_FUNCTION_TYPE] | None = None,
        func_to_metadata_mapping: dict[str, ToolMetadata] | None = None,
    ) -> list[FunctionTool]:
        """The tools of this spec, each both synchronous and asynchronous."""
        asked = spec_functions or self.spec_functions
        pairs: list[SPEC_FUNCTION_TYPE] = [
            (each, f"a{each}") if isinstance(each, str) and each in self.spec_functions else each
            for each in asked
        ]
        return super().to_tool_list(pairs, func_to_metadata_mapping)

    def _call(self, work: Callable[[], Result]) -> Result | str:
        """Run the work; turn this package's errors into a reply for the model."""
        try:
            return work()
        except DeepSeekOCRError as error:
            return self._agent.explain(error)
