"""The tool spec: list documents, search all or one, read, look at a page, locate something."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from llama_index.core.base.llms.types import ImageBlock, TextBlock
from llama_index.core.tools import FunctionTool, ToolMetadata
from llama_index.core.tools.tool_spec.base import SPEC_FUNCTION_TYPE, BaseToolSpec

from deepseek_ocr_rag import DeepSeekOCRError, FetchPolicy, Limits, Reader
from deepseek_ocr_rag.agents import FORMS, AgentReader, arguments_of, context_length_of
from deepseek_ocr_rag.backends import Backend
from deepseek_ocr_rag.concurrency import run_cancellable
from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.service import reader_named
from deepseek_ocr_rag.setting_names import with_known_settings

from .inputs import schema_of
from .picture_tool import PictureTool

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
    tools, leave it out: ``to_tool_list(spec.spec_functions[:-1])``.

    Arguments may be written as language models write them: numbers and lists as text,
    null for what is left out. An invalid argument gets a reply that names it.

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
        llm: The LLM that will call the tools. Replies then take at most a quarter of
            its ``metadata.context_window``.
        context_length: The length of that context in tokens, if the LLM does not say.

    Raises:
        ConfigurationError: If an argument is invalid.

    Example:
        >>> spec = DeepSeekOCRToolSpec(root_dir=".", backend="lite")
        >>> [tool.metadata.name for tool in spec.to_tool_list()][:4]
        ['list_documents', 'search_documents', 'read_document', 'search_document']
    """

    spec_functions: list[SPEC_FUNCTION_TYPE] = list(FORMS)  # noqa: RUF012 - as in the base class

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
        llm: object = None,
        context_length: int | None = None,
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
            or reader_named(
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
            context_length=context_length or context_length_of(llm),
        )

    def list_documents(self, folder: str = "", offset: int = 0, **others: object) -> str:
        """List the documents below ``root_dir``, or below one of its folders."""
        given = {"folder": folder, "offset": offset, **others}
        return self._call("list_documents", given, lambda **a: self._agent.list_documents(**a).text)

    def search_documents(
        self, query: str = "", folder: str = "", offset: int = 0, **others: object
    ) -> str:
        """Search all documents for passages that match a question, with files, pages and boxes."""
        given = {"query": query, "folder": folder, "offset": offset, **others}
        return self._call(
            "search_documents", given, lambda **a: self._agent.search_documents(**a).text
        )

    def read_document(
        self, path: str = "", pages: str = "", start: int = 0, **others: object
    ) -> str:
        """Read a PDF or a scanned page as Markdown text with page numbers, in portions."""
        given = {"path": path, "pages": pages, "start": start, **others}
        return self._call("read_document", given, lambda **a: self._agent.read(**a).text)

    def search_document(
        self, path: str = "", query: str = "", pages: str = "", offset: int = 0, **others: object
    ) -> str:
        """Search a PDF or a scan for passages that match a question, with pages and boxes."""
        given = {"path": path, "query": query, "pages": pages, "offset": offset, **others}
        return self._call("search_document", given, lambda **a: self._agent.search(**a).text)

    def locate(self, path: str = "", what: str = "", pages: str = "", **others: object) -> str:
        """Find where something is in a PDF or a scan; boxes that :meth:`look_at` can show."""
        given = {"path": path, "what": what, "pages": pages, **others}
        return self._call("locate", given, lambda **a: self._agent.locate(**a).text)

    def look_at(
        self,
        path: str = "",
        page: int | None = None,
        box: Sequence[float] | None = None,
        **others: object,
    ) -> list[TextBlock | ImageBlock] | str:
        """Look at a page of a PDF or a scan, or at a part of it, as a picture."""
        given = {"path": path, "page": page, "box": box, **others}
        shown = self._call("look_at", given, self._agent.look_at)
        if isinstance(shown, str):
            return shown
        picture = ImageBlock(image=shown.png, image_mimetype="image/png")
        return [TextBlock(text=shown.text), picture]

    async def alist_documents(self, *values: object, **named: object) -> str:
        """:meth:`list_documents` for coroutines."""
        return await self._later(self.list_documents, values, named)

    async def asearch_documents(self, *values: object, **named: object) -> str:
        """:meth:`search_documents` for coroutines; cancelling the task stops the reading."""
        return await self._later(self.search_documents, values, named)

    async def aread_document(self, *values: object, **named: object) -> str:
        """:meth:`read_document` for coroutines; cancelling the task stops the reading."""
        return await self._later(self.read_document, values, named)

    async def asearch_document(self, *values: object, **named: object) -> str:
        """:meth:`search_document` for coroutines; cancelling the task stops the reading."""
        return await self._later(self.search_document, values, named)

    async def alocate(self, *values: object, **named: object) -> str:
        """:meth:`locate` for coroutines; cancelling the task stops the reading."""
        return await self._later(self.locate, values, named)

    async def alook_at(
        self, *values: object, **named: object
    ) -> list[TextBlock | ImageBlock] | str:
        """:meth:`look_at` for coroutines."""
        return await self._later(self.look_at, values, named)

    def to_tool_list(
        self,
        spec_functions: list[SPEC_FUNCTION_TYPE] | None = None,
        func_to_metadata_mapping: dict[str, ToolMetadata] | None = None,
    ) -> list[FunctionTool]:
        """Return the tools of this spec, each both synchronous and asynchronous."""
        asked = spec_functions or self.spec_functions
        pairs: list[SPEC_FUNCTION_TYPE] = [
            (each, f"a{each}") if isinstance(each, str) and each in self.spec_functions else each
            for each in asked
        ]
        described: dict[str, ToolMetadata] = {
            name: ToolMetadata(form.description, name, schema_of(form))
            for name, form in FORMS.items()
        }
        tools = super().to_tool_list(pairs, described | (func_to_metadata_mapping or {}))
        return [
            PictureTool(fn=tool.fn, metadata=tool.metadata, async_fn=tool.async_fn)
            if tool.fn == self.look_at
            else tool
            for tool in tools
        ]

    async def _later(
        self,
        call: Callable[..., Result],
        values: tuple[object, ...],
        named: dict[str, object],
    ) -> Result:
        return await run_cancellable(lambda: call(*values, **named))

    def _call(
        self, name: str, given: dict[str, object], work: Callable[..., Result]
    ) -> Result | str:
        """Interpret the arguments and call; turn errors into a reply for the model."""
        try:
            return work(**arguments_of(FORMS[name], given))
        except DeepSeekOCRError as error:
            return self._agent.explain(error)
