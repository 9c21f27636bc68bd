"""What the tools for agents have in common: their settings, and how they fail."""

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
from deepseek_ocr_rag.agents import AgentReader
from deepseek_ocr_rag.backends import Backend
from deepseek_ocr_rag.concurrency import run_cancellable
from deepseek_ocr_rag.errors import ConfigurationError

from .options import ReaderOptions, reader_from

__all__ = ["AgentSettings", "AgentTool"]

Result = TypeVar("Result")


class AgentSettings(BaseModel):
    """What an agent may read, and who reads it.

    Only files under ``root_dir`` can be named: see
    :func:`deepseek_ocr_rag.sources.resolve_inside` for what is refused. Without
    ``root_dir`` that is the current directory at the time of construction. Absolute
    paths of this machine do not reach the model.

    Attributes:
        root_dir: The folder that may be read from, with its subfolders.
        max_chars: Longest message to the model, at least 1000.
        password: Tried on encrypted PDFs.
        keep: How many documents are remembered.
        flat_metadata: Make every metadata value in the artifacts a scalar.
        reader: Reads; without one it is built from the fields that follow.
        backend: As in :class:`ReaderOptions`, like the rest.
        allow_urls: Off by default; True only with a ``reader`` whose own policy
            names the hosts, otherwise such a policy:
            ``FetchPolicy(hosts=("arxiv.org",))``.
        agent: What several tools share, so that a document that one has read is
            read for all; in place of all these but ``flat_metadata``.
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
    agent: AgentReader | None = Field(default=None, exclude=True)

    _agent: AgentReader = PrivateAttr()

    @model_validator(mode="after")
    def _prepare(self) -> AgentSettings:
        self._agent = self._shared() if self.agent is not None else self._new()
        return self

    def _shared(self) -> AgentReader:
        ours = set(AgentSettings.model_fields) - {"agent", "flat_metadata"}
        given = sorted(ours & self.model_fields_set)
        if self.agent is None or given:
            raise ConfigurationError(
                f"an agent reader and {', '.join(given)} were given",
                remedy="Give these to the AgentReader, or leave it out.",
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
        )


def _explain_arguments(error: ValidationError) -> str:
    """What is wrong with the arguments, for the model."""
    problems = "; ".join(
        f"{'.'.join(map(str, e['loc'][:1])) or 'arguments'}: {e['msg']}" for e in error.errors()
    )
    return (
        f"The document was not read. The arguments are wrong: {problems}. "
        "Call again with path as text and, if you want certain pages, pages like '1-3'."
    )


class AgentTool(AgentSettings, BaseTool):
    """A tool whose failures are messages that say what to do, never an end of the run.

    They come with ``status="error"``; set ``handle_tool_error=False`` to get a
    ``ToolException`` instead.
    """

    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"
    handle_tool_error: Any = True
    handle_validation_error: Any = _explain_arguments

    async def _arun(self, *values: object, **named: object) -> object:
        """The same in a thread; unlike that of ``BaseTool``, a cancelled call stops reading."""
        return await run_cancellable(lambda: self._run(*values, **named))

    def _call(self, work: Callable[[], Result]) -> Result:
        """What the work gives; where it fails, why, for the model."""
        try:
            return work()
        except DeepSeekOCRError as error:
            raise ToolException(self._agent.explain(error)) from error
