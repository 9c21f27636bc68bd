"""The tool for agents."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, cast

from langchain_core.documents import Document
from langchain_core.tools import BaseTool, ToolException
from langchain_core.tools.base import ArgsSchema
from pydantic import (
    BaseModel,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from deepseek_ocr_rag import (
    AgentReader,
    Backend,
    DeepSeekOCRError,
    Limits,
    Reader,
    page_records,
)

from .documents import to_document
from .options import ReaderOptions, reader_from

__all__ = ["DeepSeekOCRTool", "ReadDocumentInput"]


class ReadDocumentInput(BaseModel):
    """What the model fills in."""

    path: str = Field(
        description="The file to read: a PDF or a picture (PNG, JPEG, TIFF, WebP, BMP), "
        "as a path relative to the allowed folder, with forward slashes, like 'report.pdf'.",
    )
    pages: str | None = Field(
        default=None,
        description="Which pages, counted from 1, like '3' or '1-3,7'. "
        "Leave it out to begin at the first page.",
    )
    start: int = Field(
        default=0,
        ge=0,
        description="Only when an earlier reply said that a page goes on: "
        "the character to go on from.",
    )

    @field_validator("pages", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        """Models also write ``3`` and ``[1, 2]``; one type in the schema is easier for them."""
        if isinstance(value, int):
            return str(value)
        if isinstance(value, list):
            return ",".join(map(str, value))
        return value


def _explain_arguments(error: ValidationError) -> str:
    """What is wrong with the arguments, for the model."""
    problems = "; ".join(
        f"{'.'.join(map(str, e['loc'][:1])) or 'arguments'}: {e['msg']}" for e in error.errors()
    )
    return (
        f"The document was not read. The arguments are wrong: {problems}. "
        "Call again with path as text and, if you want certain pages, pages like '1-3'."
    )


class DeepSeekOCRTool(BaseTool):
    """Let an agent read PDFs and scans, with page numbers and in portions.

    The message to the model is short: it begins with the pages that it shows,
    marks every page, and ends with how to ask for the next ones. The artifact
    is the list of full :class:`Document` objects of these pages, with boxes,
    and with ``source`` relative to ``root_dir``. Pages that were read are
    kept, so going on in a document does not read it again.

    Whatever fails comes back as a tool message with ``status="error"`` that
    says what to do; it never ends the agent's run (set
    ``handle_tool_error=False`` to get a ``ToolException`` instead).

    Only files under ``root_dir`` can be named: see
    :func:`deepseek_ocr_rag.resolve_inside` for what is refused. Without
    ``root_dir`` that is the current directory when the tool is made. Absolute
    paths of this machine do not reach the model.

    Attributes:
        root_dir: The folder that may be read from, with its subfolders.
        max_chars: Longest message to the model, at least 1000.
        password: Tried on encrypted PDFs.
        keep: How many documents are remembered.
        flat_metadata: Make every metadata value in the artifact a scalar.
        reader: Reads; without one it is built from the fields that follow.
        backend: As in :class:`ReaderOptions`, like the rest.

    Example:
        >>> from langchain.agents import create_agent  # doctest: +SKIP
        >>> tool = DeepSeekOCRTool(root_dir="papers")  # doctest: +SKIP
        >>> agent = create_agent("ollama:qwen3", tools=[tool])  # doctest: +SKIP
    """

    name: str = "read_document"
    description: str = (
        "Read a PDF or a scanned page as Markdown text with page numbers. Use it whenever "
        "the answer may stand in such a file. A long document comes in portions: "
        "the end of each reply says how to ask for the next pages."
    )
    args_schema: ArgsSchema | None = ReadDocumentInput
    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"
    handle_tool_error: Any = True
    handle_validation_error: Any = _explain_arguments

    root_dir: Path | None = None
    max_chars: int = 8000
    password: SecretStr | None = None
    keep: int = 8
    flat_metadata: bool = False
    reader: Reader | None = Field(default=None, exclude=True)
    backend: Backend | str | None = Field(default=None, exclude=True)
    resolution: str | None = None
    task: str | None = None
    renderer: str | None = None
    limits: Limits | None = None
    allow_urls: bool = False

    _agent: AgentReader = PrivateAttr()

    @model_validator(mode="after")
    def _prepare(self) -> DeepSeekOCRTool:
        fields = ("backend", "resolution", "task", "renderer", "limits")
        given = {key: getattr(self, key) for key in fields if getattr(self, key) is not None}
        options = cast("ReaderOptions", given)
        if self.reader is None and self.allow_urls:
            options["allow_urls"] = True
        self._agent = AgentReader(
            reader_from(self.reader, options),
            root_dir=self.root_dir,
            max_chars=self.max_chars,
            allow_urls=self.allow_urls,
            password=self.password.get_secret_value() if self.password else None,
            keep=self.keep,
        )
        return self

    def _run(
        self, path: str, pages: str | None = None, start: int = 0
    ) -> tuple[str, list[Document]]:
        """Read; ``BaseTool`` runs this in a thread for asynchronous callers."""
        try:
            reply = self._agent.read(path, pages, start)
        except DeepSeekOCRError as error:
            raise ToolException(self._agent.explain(error)) from error
        shown = reply.document
        documents = [
            to_document(record, flat=self.flat_metadata)
            for page in shown
            for record in page_records(page, source=shown.source, total_pages=shown.total_pages)
        ]
        return reply.text, documents
