"""DeepSeekOCRTool: what an agent can and cannot read."""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import BaseTool, ToolException
from langchain_deepseek_ocr import DeepSeekOCRTool
from langchain_tests.integration_tests import ToolsIntegrationTests
from langchain_tests.unit_tests import ToolsUnitTests
from PIL import Image
from pydantic import Field, SecretStr, ValidationError

from deepseek_ocr_rag import Reader
from deepseek_ocr_rag.backends import PageRequest, Reply
from deepseek_ocr_rag.errors import BackendUnavailableError


def call(path: str, **values: Any) -> dict[str, Any]:
    return {
        "type": "tool_call",
        "id": "call-1",
        "name": "read_document",
        "args": {"path": path, **values},
    }


@pytest.fixture
def tool(folder: Path, reader: Reader) -> DeepSeekOCRTool:
    return DeepSeekOCRTool(root_dir=folder, reader=reader)


class _Standard:
    """The tool under LangChain's standard tests."""

    @pytest.fixture(autouse=True)
    def _folder(self, folder: Path, reader: Reader) -> None:
        self._params = {"root_dir": folder, "reader": reader}

    @property
    def tool_constructor(self) -> type[BaseTool]:
        return DeepSeekOCRTool

    @property
    def tool_constructor_params(self) -> dict[str, Any]:
        return self._params

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return {"path": "report.pdf", "pages": "1-2"}


class TestStandardUnit(_Standard, ToolsUnitTests):
    pass


class TestStandardIntegration(_Standard, ToolsIntegrationTests):
    pass


def test_the_message_is_short_and_the_artifact_has_full_documents(tool: DeepSeekOCRTool) -> None:
    message = tool.invoke(call("report.pdf", pages="1-2"))
    assert isinstance(message, ToolMessage)
    assert message.status == "success"
    assert message.text.startswith("report.pdf: pages 1-2 of 5.")
    assert re.search(r"\[page 1\]\n(=+[0-9a-f]{16}=+)\n# The lighthouse", message.text)
    assert [d.metadata["page"] for d in message.artifact] == [0, 1]
    assert message.artifact[0].metadata["boxes"][0]["kind"] == "title"
    assert message.artifact[0].metadata["source"] == "report.pdf"


def test_a_reply_is_bounded_and_the_next_pages_can_be_asked_for(
    folder: Path, reader: Reader, backend: Any
) -> None:
    backend.replies = dict.fromkeys(range(1, 6), "word " * 100)
    tool = DeepSeekOCRTool(root_dir=folder, reader=reader, max_chars=1200)
    first = tool.invoke(call("report.pdf"))
    assert len(first.text) <= 1200
    assert first.text.endswith('[There is more. To go on, call again with pages="2-5".]')
    assert "page 2 of 5" in tool.invoke(call("report.pdf", pages="2-5")).text


def test_pages_are_not_read_twice(tool: DeepSeekOCRTool, backend: Any) -> None:
    tool.invoke(call("report.pdf", pages="1"))
    tool.invoke(call("report.pdf", pages="1-2"))
    assert backend.asked == [1, 2]


@pytest.mark.parametrize("pages", [2, [2], "2", "2-2"])
def test_pages_are_accepted_as_models_write_them(tool: DeepSeekOCRTool, pages: Any) -> None:
    assert "page 2 of 5" in tool.invoke(call("report.pdf", pages=pages)).text


FAILING = [
    ({"path": "missing.pdf"}, "no such file"),
    ({"path": "broken.pdf"}, "broken.pdf"),
    ({"path": "../report.pdf"}, "'..'"),
    ({"path": "/etc/passwd"}, "leads out"),
    ({"path": "~/report.pdf"}, "~"),
    ({"path": "C:\\report.pdf"}, "drive letter"),
    ({"path": "report.pdf\x00"}, "control character"),
    ({"path": "https://example.com/a.pdf"}, "URLs"),
    ({"path": "report.pdf", "pages": "9"}, "9"),
    ({"path": "report.pdf", "pages": "first"}, "first"),
    ({"path": "report.pdf", "start": 9999, "pages": "1"}, "without start"),
]


@pytest.mark.parametrize(("arguments", "hint"), FAILING)
async def test_every_failure_is_a_message_that_says_what_to_do(
    tool: DeepSeekOCRTool, folder: Path, arguments: dict[str, Any], hint: str
) -> None:
    for message in (
        tool.invoke(call(**arguments)),
        await tool.ainvoke(call(**arguments)),
    ):
        assert message.status == "error"
        assert hint in message.text
        assert str(folder) not in message.text
        assert message.text.count(". ") >= 1


@pytest.mark.parametrize("arguments", [{}, {"path": None}, {"path": "report.pdf", "start": -1}])
async def test_wrong_arguments_become_a_message(
    tool: DeepSeekOCRTool, arguments: dict[str, Any]
) -> None:
    request = {**call(""), "args": arguments}
    for message in (tool.invoke(request), await tool.ainvoke(request)):
        assert message.status == "error"
        assert message.text.startswith("The document was not read. ")
        assert "path" in message.text or "start" in message.text


def test_an_unavailable_backend_becomes_a_message(folder: Path) -> None:
    class Missing:
        name, model, needs_image, reads_text_layer = "missing", "none", False, False

        def read(self, requests: Any) -> Any:
            raise BackendUnavailableError("no server", remedy="Start it.")

        def close(self) -> None:
            pass

    message = DeepSeekOCRTool(root_dir=folder, backend=Missing()).invoke(call("report.pdf"))
    assert message.status == "error"
    assert message.text == "The document was not read. no server. Start it."


def test_a_link_out_of_the_folder_is_refused(tool: DeepSeekOCRTool, folder: Path) -> None:
    outside = folder.parent / "outside.pdf"
    outside.write_bytes((folder / "report.pdf").read_bytes())
    (folder / "link.pdf").symlink_to(outside)
    assert "leads out" in tool.invoke(call("link.pdf")).text


def test_failures_can_be_raised_as_exceptions(folder: Path, reader: Reader) -> None:
    tool = DeepSeekOCRTool(root_dir=folder, reader=reader, handle_tool_error=False)
    with pytest.raises(ToolException, match="no such file"):
        tool.invoke(call("missing.pdf"))


def test_without_root_dir_it_reads_the_current_directory(
    folder: Path, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert (
        "page 1 of 5" in DeepSeekOCRTool(reader=reader).invoke(call("report.pdf", pages="1")).text
    )


@pytest.mark.parametrize(
    "values", [{"max_chars": 5}, {"root_dir": "no such folder"}, {"resolution": "huge"}]
)
def test_invalid_settings_are_refused_when_the_tool_is_created(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DeepSeekOCRTool(**values)


def test_the_schema_describes_every_argument(tool: DeepSeekOCRTool) -> None:
    assert set(tool.args) == {"path", "pages", "start"}
    assert all(len(field["description"]) > 30 for field in tool.args.values())
    assert tool.args["pages"]["type"] == "string"


def test_the_password_is_not_shown(folder: Path, reader: Reader) -> None:
    tool = DeepSeekOCRTool(root_dir=folder, reader=reader, password=SecretStr("open sesame"))
    assert "sesame" not in repr(tool)
    assert "sesame" not in str(tool.model_dump())


async def test_simultaneous_calls_share_pages(tool: DeepSeekOCRTool, backend: Any) -> None:
    messages = await asyncio.gather(
        *(tool.ainvoke(call("report.pdf", pages="1-2")) for _ in range(4))
    )
    assert len({message.text for message in messages}) == 1
    assert backend.asked == [1, 2]


class Echo:
    """Answers every page with the hash of its file."""

    name = "echo"
    model = "echo"
    needs_image = False
    reads_text_layer = False

    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        for request in requests:
            time.sleep(random.uniform(0, 0.01))
            yield Reply(request.key, f"The nonce of page {request.page} is {request.sha256}.")

    def close(self) -> None:
        pass


async def test_64_simultaneous_calls_are_not_mixed_up(tmp_path: Path) -> None:
    nonces = {}
    for number in range(64):
        file = tmp_path / f"{number}.png"
        Image.new("L", (9, 9), number).save(file)
        nonces[number] = hashlib.sha256(file.read_bytes()).hexdigest()
    tool = DeepSeekOCRTool(root_dir=tmp_path, reader=Reader(Echo()))
    messages = await asyncio.gather(*(tool.ainvoke(call(f"{n}.png")) for n in nonces))
    wrong = [
        number
        for number, message in zip(nonces, messages, strict=True)
        if f"The nonce of page 1 is {nonces[number]}." not in message.text
        or message.artifact[0].metadata["source"] != f"{number}.png"
    ]
    print(f"64 concurrent tool calls with nonces: {len(wrong)} mixed up")
    assert wrong == []


class Endless(Echo):
    """Finishes a page only when it is cancelled."""

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


async def test_a_cancelled_call_stops_reading(folder: Path) -> None:
    backend = Endless()
    tool = DeepSeekOCRTool(root_dir=folder, reader=Reader(backend))
    task = asyncio.create_task(tool.ainvoke(call("report.pdf")))
    assert await asyncio.to_thread(backend.started.wait, 120)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(backend.left.wait, 120)


class Scripted(BaseChatModel):
    """A chat model that follows a script and records its input."""

    script: list[AIMessage]
    heard: list[list[BaseMessage]] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        assert [tool.name for tool in tools] == ["read_document"]
        return self

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        self.heard.append(messages)
        message = self.script[len(self.heard) - 1]
        return ChatResult(generations=[ChatGeneration(message=message)])


def asks(path: str, number: int, **values: Any) -> AIMessage:
    return AIMessage("", tool_calls=[{**call(path, **values), "id": f"call-{number}"}])


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_an_agent_continues_after_a_failed_call(
    tool: DeepSeekOCRTool, asynchronous: bool
) -> None:
    model = Scripted(
        script=[
            asks("reprot.pdf", 1),
            asks("report.pdf", 2, pages="4"),
            AIMessage("Four ships (page 4)."),
        ]
    )
    agent = create_agent(model, tools=[tool])
    question: Any = {"messages": [HumanMessage("How many ships were lost?")]}
    result = await agent.ainvoke(question) if asynchronous else agent.invoke(question)
    failed, read = (m for m in result["messages"] if isinstance(m, ToolMessage))
    assert (failed.status, read.status) == ("error", "success")
    assert "Check the spelling" in failed.text
    assert "Four ships were lost." in read.text
    assert read.artifact[0].metadata["page_label"] == "4"
    assert result["messages"][-1].text == "Four ships (page 4)."
    assert model.heard[1][-1].text == failed.text
