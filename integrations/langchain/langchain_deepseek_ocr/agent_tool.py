"""Base class of the agent tools: their settings, and how they report failures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from langchain_core.tools import BaseTool, ToolException
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    model_validator,
)

from deepseek_ocr_rag import DeepSeekOCRError, FetchPolicy, Limits, Reader
from deepseek_ocr_rag.agents import AgentReader, context_length_of
from deepseek_ocr_rag.backends import Backend
from deepseek_ocr_rag.concurrency import run_cancellable
from deepseek_ocr_rag.errors import ConfigurationError

from .options import ReaderOptions, reader_from, refuse_unknown_fields

__all__ = ["AgentSettings", "AgentTool"]

Result = TypeVar("Result")


class AgentSettings(BaseModel):
    """Which documents an agent may read, and how they are read.

    Only files under ``root_dir`` can be named;
    :func:`deepseek_ocr_rag.sources.resolve_inside` lists what is refused. Absolute
    paths of this machine do not reach the model.

    Attributes:
        root_dir: The folder that may be read from, with its subfolders; by default
            the current directory at the time of construction.
        max_chars: Longest message to the model in characters, at least 1000.
        password: Tried on encrypted PDFs.
        keep: How many documents to remember.
        flat_metadata: Make every metadata value in the artifacts a scalar.
        reader: Reads the documents; by default built from the fields below.
        backend: As in :class:`ReaderOptions`.
        resolution: As in :class:`ReaderOptions`.
        task: As in :class:`ReaderOptions`.
        renderer: As in :class:`ReaderOptions`.
        limits: As in :class:`ReaderOptions`.
        allow_urls: Which URLs the model may name; none by default. A policy that
            lists the hosts, ``FetchPolicy(hosts=("arxiv.org",))``, or True with a
            ``reader`` whose own policy does so.
        llm: The chat model that will call the tools. Replies then take at most a quarter
            of its context, if it says how long that is, as ``ChatOllama`` does.
        context_length: The length of that context in tokens, if the model does not say.
        agent: A reader shared by several tools, so that each document is read only
            once. It replaces all fields above except ``flat_metadata``.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

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
    allow_urls: bool | FetchPolicy = False
    llm: Any = Field(default=None, exclude=True)
    context_length: int | None = None
    agent: AgentReader | None = Field(default=None, exclude=True)

    _agent: AgentReader = PrivateAttr()

    @model_validator(mode="before")
    @classmethod
    def _check_names(cls, values: object) -> object:
        return refuse_unknown_fields(cls, values)

    @model_validator(mode="after")
    def _prepare(self) -> AgentSettings:
        self._agent = self._shared() if self.agent is not None else self._new()
        return self

    def _shared(self) -> AgentReader:
        ours = set(AgentSettings.model_fields) - {"agent", "flat_metadata"}
        given = sorted(ours & self.model_fields_set)
        if self.agent is None or given:
            raise ConfigurationError(
                f"both an agent reader and {', '.join(given)} were given",
                remedy="Pass these to the AgentReader, or leave it out.",
            )
        return self.agent

    def _new(self) -> AgentReader:
        fields = ("backend", "resolution", "task", "renderer", "limits")
        given = {key: getattr(self, key) for key in fields if getattr(self, key) is not None}
        options = cast("ReaderOptions", given)
        if self.allow_urls and (self.reader is None or isinstance(self.allow_urls, FetchPolicy)):
            options["allow_urls"] = self.allow_urls
        return AgentReader(
            reader_from(self.reader, options),
            root_dir=self.root_dir,
            max_chars=self.max_chars,
            allow_urls=bool(self.allow_urls),
            password=self.password.get_secret_value() if self.password else None,
            keep=self.keep,
            context_length=self.context_length or context_length_of(self.llm),
        )


def _explain_arguments(error: ValidationError) -> str:
    """Tell the model what is wrong with its arguments."""
    causes = [each.get("ctx", {}).get("error", each["msg"]) for each in error.errors()]
    return f"The document was not read. {' '.join(map(str, causes))}"


class AgentTool(AgentSettings, BaseTool):
    """A tool that reports a failure as a message saying what to do, without ending the run.

    The message has ``status="error"``; set ``handle_tool_error=False`` to get a
    ``ToolException`` instead.
    """

    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"
    handle_tool_error: Any = True
    handle_validation_error: Any = _explain_arguments

    def _parse_input(
        self, tool_input: str | dict[str, Any], tool_call_id: str | None
    ) -> str | dict[str, Any]:
        # A text is the first argument, or all arguments as JSON: the schema tells which.
        if isinstance(tool_input, str):
            tool_input = {next(iter(self.args)): tool_input}
        return super()._parse_input(tool_input, tool_call_id)

    async def _arun(self, *values: object, **named: object) -> object:
        """Run in a thread; unlike in ``BaseTool``, cancelling the call stops the reading."""
        return await run_cancellable(lambda: self._run(*values, **named))

    def _call(self, work: Callable[[], Result]) -> Result:
        """Run the work; turn this package's errors into a message for the model."""
        try:
            return work()
        except DeepSeekOCRError as error:
            raise ToolException(self._agent.explain(error)) from error
