"""The tool spec: read a document, search it, look at a page, find a place."""

# No `from __future__ import annotations`: LlamaIndex takes the descriptions of
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

__all__ = ["DeepSeekOCRToolSpec"]

Result = TypeVar("Result")


class DeepSeekOCRToolSpec(BaseToolSpec):
    """Let an agent read, search and look at PDFs and scans, in portions.

    A reply begins with the pages that it shows, names the page of everything, and
    ends with how to ask for more. Pages that were read are kept, so going on in a
    document, or searching it, does not read it again. Whatever fails is a reply
    that says what to do, never an exception.

    ``look_at`` gives the model a picture. For a model that takes none in the
    output of a tool, leave it out: ``to_tool_list(["read_document",
    "search_document", "locate"])``.

    Only files under ``root_dir`` can be named: see
    :func:`deepseek_ocr_rag.sources.resolve_inside` for what is refused. Absolute paths
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
        allow_urls: Whether the model may name URLs, and of which hosts:
            ``FetchPolicy(hosts=("arxiv.org",))``. True only with a ``reader``
            whose own policy names the hosts.

    Raises:
        ConfigurationError: If an argument cannot be meant.

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
                "a reader and arguments to build one were given",
                remedy="Give backend, resolution, task, renderer, limits and a fetch policy "
                "to the Reader.",
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
            "Only when an earlier reply said that a page goes on: the character to go on from.",
        ] = 0,
    ) -> str:
        """Read a PDF or a scanned page as Markdown text with page numbers.

        Use it whenever the answer may stand in such a file. A long document
        comes in portions: the end of each reply says how to ask for the next
        pages.
        """
        return self._told(lambda: self._agent.read(path, pages, start).text)

    def search_document(
        self,
        path: Annotated[str, "The file to search, written as for read_document."],
        query: Annotated[str, "A question, or a few words that stand in the document."],
        pages: Annotated[
            str | None,
            "Which pages to search, like '3' or '1-3,7'. Leave it out for all of them.",
        ] = None,
        offset: Annotated[
            int,
            "Only when an earlier reply said that there is more: the result to go on from.",
        ] = 0,
    ) -> str:
        """Search a PDF or a scan for passages that fit a question, with pages and boxes.

        Use it for a long document instead of reading all of it. The best
        passages come first; more come with offset.
        """
        return self._told(lambda: self._agent.search(path, query, pages, offset).text)

    def locate(
        self,
        path: Annotated[str, "The file to look into, written as for read_document."],
        what: Annotated[str, "What to find, in a few words, like 'the total amount'."],
        pages: Annotated[
            str | None,
            "Which pages to look at, like '3' or '1-3,7'. Leave it out for all of them.",
        ] = None,
    ) -> str:
        """Find where something stands in a PDF or a scan: 'the total', 'the signature'.

        Gives pages and boxes, which look_at can show.
        """
        return self._told(lambda: self._agent.locate(path, what, pages).text)

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
        shown = self._told(lambda: self._agent.look_at(path, page, box))
        if isinstance(shown, str):
            return shown
        picture = ImageBlock(image=shown.png, image_mimetype="image/png")
        return [TextBlock(text=shown.text), picture]

    async def aread_document(self, path: str, pages: str | None = None, start: int = 0) -> str:
        """:meth:`read_document` for coroutines; cancelling the task ends the reading."""
        return await run_cancellable(lambda: self.read_document(path, pages, start))

    async def asearch_document(
        self, path: str, query: str, pages: str | None = None, offset: int = 0
    ) -> str:
        """:meth:`search_document` for coroutines; cancelling the task ends the reading."""
        return await run_cancellable(lambda: self.search_document(path, query, pages, offset))

    async def alocate(self, path: str, what: str, pages: str | None = None) -> str:
        """:meth:`locate` for coroutines; cancelling the task ends the reading."""
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
        """The tools, as of every spec, each of which can also be awaited."""
        asked = spec_functions or self.spec_functions
        both: list[SPEC_FUNCTION_TYPE] = [
            (each, f"a{each}") if isinstance(each, str) and each in self.spec_functions else each
            for each in asked
        ]
        return super().to_tool_list(both, func_to_metadata_mapping)

    def _told(self, work: Callable[[], Result]) -> Result | str:
        """What the work gives, or why it failed, for the model."""
        try:
            return work()
        except DeepSeekOCRError as error:
            return self._agent.explain(error)
