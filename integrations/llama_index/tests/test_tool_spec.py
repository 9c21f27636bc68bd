"""DeepSeekOCRToolSpec: what an agent gets, and what it never gets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from llama_index.core.agent.workflow import FunctionAgent, ToolCallResult
from llama_index.core.base.llms.types import ChatMessage, ToolCallBlock
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.tools import FunctionTool
from llama_index.tools.deepseek_ocr import DeepSeekOCRToolSpec

from deepseek_ocr_rag import ConfigurationError, Reader


@pytest.fixture
def tool(folder: Path, core: Reader) -> FunctionTool:
    (tool,) = DeepSeekOCRToolSpec(folder, reader=core).to_tool_list()
    return tool


def test_the_model_is_told_what_the_tool_does_and_takes(tool: FunctionTool) -> None:
    assert tool.metadata.name == "read_document"
    assert "Markdown" in tool.metadata.description
    assert tool.metadata.fn_schema is not None
    schema = tool.metadata.fn_schema.model_json_schema()
    assert set(schema["properties"]) == {"path", "pages", "start"}
    assert schema["required"] == ["path"]
    assert all(len(value["description"]) > 30 for value in schema["properties"].values())


def test_a_reply_has_its_pages_and_the_way_to_the_next(folder: Path, core: Reader) -> None:
    spec = DeepSeekOCRToolSpec(folder, reader=core)
    reply = spec.read_document("report.pdf", pages="1-2")
    assert reply.startswith("report.pdf: pages 1-2 of 4.")
    assert "[page 2]\nThe lamp burns whale oil." in reply
    assert str(folder) not in reply


async def test_it_runs_in_both_worlds(tool: FunctionTool) -> None:
    first = tool.call(path="report.pdf", pages="4")
    second = await tool.acall(path="report.pdf", pages="4")
    assert first.content == second.content
    assert "The end." in first.content


def test_pages_that_were_read_are_kept(tool: FunctionTool, backend: Any) -> None:
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


def test_impossible_settings_are_told_when_the_spec_is_made(folder: Path, core: Reader) -> None:
    for values in ({"max_chars": 5}, {"resolution": "huge"}, {"reader": core, "task": "ocr"}):
        with pytest.raises(ConfigurationError):
            DeepSeekOCRToolSpec(folder, **values)


def asks(number: int, **values: Any) -> ChatMessage:
    block = ToolCallBlock(
        tool_call_id=f"call-{number}", tool_name="read_document", tool_kwargs=values
    )
    return ChatMessage(role="assistant", blocks=[block])


@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning")
async def test_an_agent_goes_on_after_a_failing_call(tool: FunctionTool) -> None:
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
