"""DeepSeekOCRToolSpec: what an agent can and cannot read."""

from __future__ import annotations

import asyncio
import io
import pickle
import re
import threading
from collections.abc import Iterable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.agent.workflow import FunctionAgent, ToolCallResult
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, TextBlock, ToolCallBlock
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.tools import FunctionTool, ToolOutput
from llama_index.tools.deepseek_ocr import DeepSeekOCRToolSpec
from PIL import Image

from deepseek_ocr_rag import Reader
from deepseek_ocr_rag.backends import PageRequest, Reply
from deepseek_ocr_rag.errors import ConfigurationError


@pytest.fixture
def tool(folder: Path, core: Reader) -> FunctionTool:
    (tool,) = DeepSeekOCRToolSpec(folder, reader=core).to_tool_list(["read_document"])
    return tool


@pytest.fixture
def tools(folder: Path, core: Reader) -> dict[str, FunctionTool]:
    listed = DeepSeekOCRToolSpec(folder, reader=core).to_tool_list()
    return {tool.metadata.get_name(): tool for tool in listed}


def test_the_tool_is_described_to_the_model(tool: FunctionTool) -> None:
    assert tool.metadata.name == "read_document"
    assert "Markdown" in tool.metadata.description
    assert tool.metadata.fn_schema is not None
    schema = tool.metadata.fn_schema.model_json_schema()
    assert set(schema["properties"]) == {"path", "pages", "start"}
    assert schema["required"] == ["path"]
    assert all(len(value["description"]) > 30 for value in schema["properties"].values())


def test_a_reply_has_its_pages_and_says_how_to_get_the_next(folder: Path, core: Reader) -> None:
    spec = DeepSeekOCRToolSpec(folder, reader=core)
    reply = spec.read_document("report.pdf", pages="1-2")
    assert reply.startswith("report.pdf: pages 1-2 of 4.")
    assert re.search(r"\[page 2\]\n(=+[0-9a-f]{16}=+)\nThe lamp burns whale oil.", reply)
    assert str(folder) not in reply


async def test_it_runs_synchronously_and_asynchronously(tool: FunctionTool) -> None:
    first = tool.call(path="report.pdf", pages="4")
    second = await tool.acall(path="report.pdf", pages="4")
    assert first.content == second.content
    assert "The end." in first.content


def test_pages_are_not_read_twice(tool: FunctionTool, backend: Any) -> None:
    tool.call(path="report.pdf", pages="1")
    tool.call(path="report.pdf", pages="1-2")
    assert backend.asked == [1, 2]


@pytest.mark.parametrize(
    ("path", "pages", "hint"),
    [
        ("../papers/report.pdf", None, "'..'"),
        ("/etc/passwd", None, "leads out"),
        ("https://example.com/a.pdf", None, "URLs"),
        ("missing.pdf", None, "no such file"),
        ("report.pdf", "9", "9"),
    ],
)
async def test_every_failure_is_a_reply_that_says_what_to_do(
    tool: FunctionTool, folder: Path, path: str, pages: str | None, hint: str
) -> None:
    for output in (tool.call(path=path, pages=pages), await tool.acall(path=path, pages=pages)):
        assert output.content.startswith("The document was not read.")
        assert hint in output.content
        assert str(folder) not in output.content


def test_all_tools_and_their_parameters_are_described_to_the_model(
    tools: dict[str, FunctionTool],
) -> None:
    names = ["list_documents", "search_documents", "read_document", "search_document", "locate"]
    assert list(tools) == [*names, "look_at"]
    for tool in tools.values():
        assert tool.metadata.fn_schema is not None
        schema = tool.metadata.fn_schema.model_json_schema()
        assert all(len(value["description"]) > 30 for value in schema["properties"].values())


async def test_search_gives_passages_with_page_and_box(tools: dict[str, FunctionTool]) -> None:
    search = tools["search_document"]
    first = search.call(path="report.pdf", query="whale oil")
    second = await search.acall(path="report.pdf", query="whale oil")
    assert "[1. page 2, under The lighthouse, boxes [0.100, 0.100, 0.901, 0.200]]" in first.content
    assert "The lamp burns whale oil." in first.content
    assert first.content == second.content


def test_the_tools_share_the_pages_that_they_read(
    tools: dict[str, FunctionTool], backend: Any
) -> None:
    tools["read_document"].call(path="report.pdf", pages="1-2")
    backend.asked.clear()
    tools["search_document"].call(path="report.pdf", query="whale oil", pages="1-2")
    assert backend.asked == []


def test_looking_gives_the_model_a_picture(tools: dict[str, FunctionTool]) -> None:
    output = tools["look_at"].call(path="report.pdf", page=2, box=[0.1, 0.1, 0.9, 0.2])
    text, picture = output.blocks
    assert isinstance(text, TextBlock)
    assert text.text.startswith("report.pdf, page 2, box [0.100, 0.100, 0.900, 0.200].")
    assert isinstance(picture, ImageBlock)
    assert picture.image_mimetype == "image/png"
    with Image.open(io.BytesIO(picture.resolve_image().read())) as image:
        assert image.format == "PNG"
        assert image.width > 4 * image.height


async def test_an_output_with_a_picture_is_json_and_has_it_once(
    tools: dict[str, FunctionTool],
) -> None:
    arguments: dict[str, Any] = {"path": "report.pdf", "page": 2, "box": [0.1, 0.1, 0.9, 0.2]}
    first = tools["look_at"].call(**arguments)
    for output in (first, await tools["look_at"].acall(**arguments)):
        text, picture = output.blocks
        assert isinstance(picture, ImageBlock)
        assert isinstance(text, TextBlock)
        assert isinstance(picture.image, bytes)
        stored = output.model_dump_json()
        assert stored.count(picture.image.decode()) == 1
        again = ToolOutput.model_validate_json(stored)
        assert again.blocks == output.blocks
        assert again.raw_output == text.text
        message = ChatMessage(role="tool", blocks=output.blocks)
        assert ChatMessage.model_validate_json(message.model_dump_json()) == message


def test_tools_pickle_and_copy(folder: Path) -> None:
    spec = DeepSeekOCRToolSpec(folder, backend="lite")
    for copy in (deepcopy, lambda made: pickle.loads(pickle.dumps(made))):
        for tool in (*copy(spec).to_tool_list(), *copy(spec.to_tool_list())):
            answer = tool.call(path="../secret.pdf", query="q", what="w", page=1)
            assert answer.tool_name == tool.metadata.name


def test_locating_gives_pages_and_boxes(tools: dict[str, FunctionTool], backend: Any) -> None:
    backend.replies = {
        **backend.replies,
        2: "<|ref|>the lamp<|/ref|><|det|>[[200, 300, 400, 500]]<|/det|>",
    }
    found = tools["locate"].call(path="report.pdf", what="the lamp", pages="2")
    assert "page 2, box [0.200, 0.300, 0.400, 0.501]" in found.content


@pytest.mark.parametrize(
    ("name", "values", "hint"),
    [
        ("search_document", {"query": " "}, "few words"),
        ("search_document", {"query": "lamp", "offset": -1}, "0 or more"),
        ("locate", {"what": ""}, "few words"),
        ("look_at", {"page": 9}, "from 1 to 4"),
        ("look_at", {"page": 1, "box": [10, 10, 90, 20]}, "fractions"),
        ("look_at", {"page": 1, "box": [0.1, 0.2]}, "fractions"),
    ],
)
def test_the_other_tools_never_raise(
    tools: dict[str, FunctionTool], name: str, values: dict[str, Any], hint: str
) -> None:
    output = tools[name].call(path="report.pdf", **values)
    assert output.content.startswith("The document was not read.")
    assert hint in output.content


def test_invalid_settings_are_refused_when_the_spec_is_created(folder: Path, core: Reader) -> None:
    for values in ({"max_chars": 5}, {"resolution": "huge"}, {"reader": core, "task": "ocr"}):
        with pytest.raises(ConfigurationError):
            DeepSeekOCRToolSpec(folder, **values)


def asks(number: int, **values: Any) -> ChatMessage:
    block = ToolCallBlock(
        tool_call_id=f"call-{number}", tool_name="read_document", tool_kwargs=values
    )
    return ChatMessage(role="assistant", blocks=[block])


@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning")
async def test_an_agent_continues_after_a_failed_call(tool: FunctionTool) -> None:
    script = [
        asks(1, path="reprot.pdf"),
        asks(2, path="report.pdf", pages="2"),
        ChatMessage(role="assistant", content="Whale oil (page 2)."),
    ]

    def says(messages: Any, **kwargs: Any) -> ChatMessage:
        return script.pop(0)

    agent = FunctionAgent(
        tools=[tool], llm=MockFunctionCallingLLM(response_generator=says), streaming=False
    )
    handler = agent.run("What does the lamp burn?")
    results = [e async for e in handler.stream_events() if isinstance(e, ToolCallResult)]
    failed, read = (result.tool_output for result in results)
    assert "Check the spelling" in failed.content
    assert not failed.is_error
    assert "The lamp burns whale oil." in read.content
    assert str(await handler) == "Whale oil (page 2)."


class Endless:
    """Finishes a page only when it is cancelled."""

    name = "endless"
    model = "none"
    needs_image = False
    reads_text_layer = False

    def __init__(self) -> None:
        self.started = threading.Event()
        self.left = threading.Event()

    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        for request in requests:
            unwanted = threading.Event()
            with request.cancellation.on_cancel(unwanted.set):
                self.started.set()
                unwanted.wait(600)
            self.left.set()
            yield Reply(request.key, "too late")

    def close(self) -> None:
        pass


@pytest.mark.parametrize("name", ["read_document", "search_document"])
async def test_a_cancelled_call_stops_reading(folder: Path, name: str) -> None:
    backend = Endless()
    (tool,) = DeepSeekOCRToolSpec(folder, reader=Reader(backend)).to_tool_list([name])
    query = {"query": "lamp"} if name == "search_document" else {}
    task = asyncio.create_task(tool.acall(path="report.pdf", **query))
    assert await asyncio.to_thread(backend.started.wait, 120)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(backend.left.wait, 120)
