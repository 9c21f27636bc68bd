"""The MCP server over a library of documents, for any transport: :func:`document_server`."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import mcp_types as types
from mcp.server import Server
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError

from ..agents.tool_arguments import arguments_of
from ..errors import DeepSeekOCRError
from ..version import __version__
from .answer_size import Answered
from .library_resources import LibraryResources
from .library_tools import LibraryTools
from .patience import PATIENCE, PagesRead, RunningCalls, Unfinished
from .tool_catalogue import INSTRUCTIONS, TOOLS, declared
from .tool_results import NextCall, StillReading, as_json

__all__ = ["Caller", "DocumentServer", "ToolsOf", "document_server"]

NAME: Final = "deepseek-ocr-rag"

Calls = RunningCalls[Answered]
Context = ServerRequestContext[Calls, Any]
DocumentServer = Server[Calls]


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller, and what they may use.

    Attributes:
        owner: Whose call it is; calls of different owners are never shared.
        tools: The tools over the caller's documents.
    """

    owner: Hashable
    tools: LibraryTools


ToolsOf = Callable[[Any], Caller]
"""Finds the caller by the HTTP request, which is None for other transports."""


def document_server(tools: LibraryTools | ToolsOf, *, patience: float = PATIENCE) -> DocumentServer:
    """Make the server with its five tools and its resources.

    Args:
        tools: The tools over the documents; or a function that finds them by the HTTP request, for
            a server whose callers have documents of their own.
        patience: Seconds after which a call is answered with its progress.
    """
    caller_of = tools if not isinstance(tools, LibraryTools) else lambda _: Caller("", tools)
    handlers = _Handlers(caller_of)

    @asynccontextmanager
    async def lifespan(_: DocumentServer) -> AsyncIterator[Calls]:
        calls: Calls = RunningCalls(patience=patience)
        try:
            yield calls
        finally:
            await calls.close()

    return Server(
        NAME,
        version=__version__,
        title="Documents with checked citations",
        instructions=INSTRUCTIONS,
        lifespan=lifespan,
        on_list_tools=handlers.list_tools,
        on_call_tool=handlers.call_tool,
        on_list_resources=handlers.list_resources,
        on_list_resource_templates=handlers.list_templates,
        on_read_resource=handlers.read_resource,
    )


class _Handlers:
    """Answers the protocol's requests."""

    def __init__(self, caller_of: ToolsOf) -> None:
        self._caller_of = caller_of

    async def list_tools(
        self, context: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=declared())

    async def call_tool(
        self, context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        form = TOOLS.get(params.name)
        if form is None:
            known = ", ".join(TOOLS)
            raise MCPError(types.INVALID_PARAMS, f"there is no such tool; there are {known}")
        caller = self._caller_of(context.request)
        try:
            arguments = arguments_of(form, params.arguments or {})
            answer = await self._answer(context, caller, form.name, arguments)
        except DeepSeekOCRError as error:
            text = caller.tools.explain(error)
            return types.CallToolResult(content=[types.TextContent(text=text)], is_error=True)
        content: list[types.ContentBlock] = [types.TextContent(text=answer.text)]
        content += [_image(picture) for picture in answer.pictures]
        return types.CallToolResult(content=content, structured_content=as_json(answer.result))

    async def list_resources(
        self, context: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        resources = LibraryResources(self._caller_of(context.request).tools)
        return await resources.listed(params.cursor if params else None)

    async def list_templates(
        self, context: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(resource_templates=LibraryResources.templates())

    async def read_resource(
        self, context: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        caller = self._caller_of(context.request)
        resources = LibraryResources(caller.tools)
        arguments = resources.arguments(params.uri)
        try:
            answer = await self._answer(context, caller, "read_document", arguments)
        except DeepSeekOCRError as error:
            raise resources.not_read(params.uri, error) from error
        return resources.contents(params.uri, answer)

    async def _answer(
        self, context: Context, caller: Caller, tool: str, arguments: dict[str, Any]
    ) -> Answered:
        async def tell(pages: PagesRead) -> None:
            await context.session.report_progress(pages.done, pages.total, f"{_so_far(pages)} read")

        key = (caller.owner, tool, json.dumps(arguments, sort_keys=True))
        found = await context.lifespan_context.result(
            key, lambda on_page: caller.tools.call(tool, arguments, on_page), tell
        )
        return _still_reading(tool, arguments, found) if isinstance(found, Unfinished) else found


def _still_reading(tool: str, arguments: dict[str, Any], unfinished: Unfinished) -> Answered:
    pages = unfinished.pages
    given = {name: value for name, value in arguments.items() if value not in ("", 0)}
    text = f"[The reading goes on: {_so_far(pages)} done. Make the same call again for the result.]"
    return Answered(
        text,
        StillReading(
            status="reading",
            pages_done=pages.done,
            pages_total=pages.total,
            call_again=NextCall(tool, given),
        ),
    )


def _so_far(pages: PagesRead) -> str:
    return f"{pages.done} pages" if pages.total is None else f"{pages.done} of {pages.total} pages"


def _image(picture: bytes) -> types.ImageContent:
    kind = "image/png" if picture.startswith(b"\x89PNG") else "image/jpeg"
    return types.ImageContent(data=base64.b64encode(picture).decode("ascii"), mime_type=kind)
