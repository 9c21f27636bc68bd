"""DeepSeekOCRToolkit: reading, searching, locating and looking share their pages."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool
from langchain_deepseek_ocr import (
    DeepSeekOCRToolkit,
    LocateTool,
    LookAtTool,
    SearchDocumentTool,
)
from langchain_tests.integration_tests import ToolsIntegrationTests
from langchain_tests.unit_tests import ToolsUnitTests
from PIL import Image
from pydantic import ValidationError

from deepseek_ocr_rag import LiteBackend, Reader
from deepseek_ocr_rag.agents import AgentReader


class _Standard:
    """The tool under LangChain's standard tests."""

    kind: type[BaseTool]
    example: dict[str, Any]

    @pytest.fixture(autouse=True)
    def _folder(self, folder: Path, reader: Reader) -> None:
        self._params = {"root_dir": folder, "reader": reader}

    @property
    def tool_constructor(self) -> type[BaseTool]:
        return self.kind

    @property
    def tool_constructor_params(self) -> dict[str, Any]:
        return self._params

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return {"path": "report.pdf", **self.example}


class _Search(_Standard):
    kind = SearchDocumentTool
    example = {"query": "What does the lamp burn?", "pages": "1-2"}  # noqa: RUF012


class _Locate(_Standard):
    kind = LocateTool
    example = {"what": "the lamp", "pages": "2"}  # noqa: RUF012


class _LookAt(_Standard):
    kind = LookAtTool
    example = {"page": 1, "box": [0.1, 0.1, 0.5, 0.5]}  # noqa: RUF012


class TestSearchUnit(_Search, ToolsUnitTests):
    pass


class TestSearchIntegration(_Search, ToolsIntegrationTests):
    pass


class TestLocateUnit(_Locate, ToolsUnitTests):
    pass


class TestLocateIntegration(_Locate, ToolsIntegrationTests):
    pass


class TestLookAtUnit(_LookAt, ToolsUnitTests):
    pass


class TestLookAtIntegration(_LookAt, ToolsIntegrationTests):
    pass


@pytest.fixture
def tools(folder: Path, reader: Reader) -> dict[str, BaseTool]:
    toolkit = DeepSeekOCRToolkit(root_dir=folder, reader=reader)
    return {tool.name: tool for tool in toolkit.get_tools()}


def ask(tool: BaseTool, **values: Any) -> ToolMessage:
    args = {"path": "report.pdf", **values}
    message = tool.invoke({"type": "tool_call", "id": "call-1", "name": tool.name, "args": args})
    assert isinstance(message, ToolMessage)
    return message


def test_the_toolkit_has_six_tools_and_without_pictures_five(folder: Path, reader: Reader) -> None:
    toolkit = DeepSeekOCRToolkit(root_dir=folder, reader=reader)
    names = ["list_documents", "search_documents", "read_document", "search_document", "locate"]
    assert [tool.name for tool in toolkit.get_tools()] == [*names, "look_at"]
    blind = DeepSeekOCRToolkit(root_dir=folder, reader=reader, pictures=False)
    assert [tool.name for tool in blind.get_tools()] == names


def test_the_schemas_describe_every_argument(tools: dict[str, BaseTool]) -> None:
    for tool in tools.values():
        assert all(len(field["description"]) > 30 for field in tool.args.values())


def test_the_tools_share_the_pages_that_they_read(tools: dict[str, BaseTool], backend: Any) -> None:
    ask(tools["read_document"], pages="1-2")
    backend.asked.clear()
    ask(tools["search_document"], query="whale oil", pages="1-2")
    assert backend.asked == []


def test_search_gives_passages_with_page_and_boxes(tools: dict[str, BaseTool]) -> None:
    message = ask(tools["search_document"], query="What does the lamp burn?")
    assert "1. page 2, under The lighthouse, boxes [0.100, 0.100, 0.901, 0.200]" in message.text
    assert "Not read and not searched: page 3." in message.text
    best = message.artifact[0]
    assert best.page_content == "The lamp burns whale oil."
    assert (best.metadata["page"], best.metadata["source"]) == (1, "report.pdf")
    (box,) = best.metadata["boxes"]
    assert best.page_content[box["start"] : box["end"]] == best.page_content


def test_flat_metadata_has_only_scalars_in_search_results(folder: Path, reader: Reader) -> None:
    tool = SearchDocumentTool(root_dir=folder, reader=reader, flat_metadata=True)
    message = ask(tool, query="lamp")
    values = message.artifact[0].metadata.values()
    assert all(isinstance(value, str | int | float | bool) for value in values)


def test_looking_gives_the_model_an_image_block(tools: dict[str, BaseTool]) -> None:
    message = ask(tools["look_at"], page=2, box="[0.1, 0.1, 0.9, 0.2]")
    text, picture = message.content_blocks
    assert text["type"] == "text"
    assert text["text"].startswith("report.pdf, page 2, box [0.100, 0.100, 0.900, 0.200].")
    assert picture["type"] == "image"
    assert picture["mime_type"] == "image/png"
    with Image.open(io.BytesIO(base64.b64decode(picture["base64"]))) as image:
        assert image.width > 4 * image.height
    assert message.artifact["page"] == 2


def test_the_model_is_asked_to_locate(tools: dict[str, BaseTool], backend: Any) -> None:
    backend.replies[2] = "<|ref|>the lamp<|/ref|><|det|>[[200, 300, 400, 500]]<|/det|>"
    message = ask(tools["locate"], what="the lamp", pages="2")
    assert "found by looking at the pages" in message.text
    assert "page 2, box [0.200, 0.300, 0.400, 0.501]" in message.text
    assert message.artifact == [
        {"page": 2, "boxes": [pytest.approx([0.2, 0.3, 0.4, 0.5], abs=0.001)], "text": ""}
    ]


@pytest.mark.filterwarnings("ignore::deepseek_ocr_rag.backends.LiteBackendWarning")
def test_a_backend_that_cannot_locate_falls_back_to_words(sample: Path) -> None:
    tool = LocateTool(root_dir=sample.parent, backend=LiteBackend())
    args = {"path": "sample.pdf", "what": "Table 1", "pages": "3"}
    message = tool.invoke({"type": "tool_call", "id": "1", "name": "locate", "args": args})
    assert "found by the words of the text" in message.text
    assert "Pages were not looked at" in message.text
    assert any("Table 1." in place["text"] for place in message.artifact)


@pytest.mark.parametrize(
    ("name", "values", "hint"),
    [
        ("search_document", {"query": " "}, "few words"),
        ("search_document", {}, "query"),
        ("locate", {"what": "", "pages": "1"}, "few words"),
        ("locate", {"what": "lamp", "pages": "9"}, "9"),
        ("look_at", {"page": 9}, "from 1 to 5"),
        ("look_at", {"page": 1, "box": [10, 10, 90, 20]}, "fractions"),
        ("look_at", {"page": 1, "box": "the top"}, "box"),
        ("look_at", {"page": 1, "path": "../report.pdf"}, "'..'"),
        ("locate", {"what": "lamp", "path": "/etc/passwd"}, "leads out"),
        ("search_document", {"query": "lamp", "path": "https://example.com/a.pdf"}, "URLs"),
    ],
)
def test_every_failure_is_a_message_that_says_what_to_do(
    tools: dict[str, BaseTool], folder: Path, name: str, values: dict[str, Any], hint: str
) -> None:
    message = ask(tools[name], **values)
    assert message.status == "error"
    assert hint in message.text
    assert str(folder) not in message.text


def test_settings_together_with_a_shared_reader_are_refused(folder: Path, reader: Reader) -> None:
    shared = AgentReader(reader, root_dir=folder)
    assert ask(LookAtTool(agent=shared), page=1).status == "success"
    with pytest.raises(ValidationError, match="root_dir"):
        LookAtTool(agent=shared, root_dir=folder)
