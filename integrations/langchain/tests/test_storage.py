"""What leaves the process: messages as JSON, checkpoints, pickles and copies."""

from __future__ import annotations

import copy
import json
import pickle
import threading
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.documents.base import Blob
from langchain_core.messages import ToolMessage, message_to_dict, messages_from_dict
from langchain_core.tools import BaseTool
from langchain_deepseek_ocr import (
    DeepSeekOCRLoader,
    DeepSeekOCRParser,
    DeepSeekOCRToolkit,
    boxes_for,
)

from deepseek_ocr_rag import Reader, sample_path
from deepseek_ocr_rag.errors import ConfigurationError

ASKED: dict[str, dict[str, Any]] = {
    "read_document": {"path": "report.pdf", "pages": "1-2"},
    "search_document": {"path": "report.pdf", "query": "lamp", "pages": "1-2"},
    "search_documents": {"query": "lamp"},
    "list_documents": {},
    "locate": {"path": "report.pdf", "what": "lamp", "pages": "2"},
    "look_at": {"path": "report.pdf", "page": 2, "box": [0.1, 0.1, 0.9, 0.2]},
}


@pytest.fixture
def tools(folder: Path, reader: Reader) -> dict[str, BaseTool]:
    kit = DeepSeekOCRToolkit(root_dir=folder, reader=reader)
    return {tool.name: tool for tool in kit.get_tools()}


@pytest.fixture
def message(tools: dict[str, BaseTool], request: pytest.FixtureRequest) -> ToolMessage:
    name: str = request.param
    call = {"type": "tool_call", "id": "1", "name": name, "args": ASKED[name]}
    answered = tools[name].invoke(call)
    assert isinstance(answered, ToolMessage)
    return answered


every_tool = pytest.mark.parametrize("message", ASKED, indirect=True)


def histories(message: ToolMessage) -> list[ToolMessage]:
    """The message after all that stores do with one."""
    jsonplus = pytest.importorskip("langgraph.checkpoint.serde.jsonplus")
    strict = jsonplus.JsonPlusSerializer(allowed_msgpack_modules=None)
    stored = json.loads(json.dumps([message_to_dict(message)]))  # as chat histories do
    return [
        ToolMessage.model_validate_json(message.model_dump_json()),
        *messages_from_dict(stored),  # type: ignore[list-item]
        strict.loads_typed(strict.dumps_typed(message)),
        pickle.loads(pickle.dumps(message)),
    ]


@every_tool
def test_a_message_comes_back_from_every_store_as_it_was(message: ToolMessage) -> None:
    for again in histories(message):
        assert isinstance(again, ToolMessage)
        assert again.content == message.content
        assert as_json(again.artifact) == as_json(message.artifact)


def as_json(artifact: Any) -> Any:
    items = artifact if isinstance(artifact, list) else [artifact]
    return [each.model_dump() if isinstance(each, Document) else each for each in items]


@pytest.mark.parametrize(
    "message", ["read_document", "search_document", "search_documents"], indirect=True
)
def test_an_artifact_that_came_back_still_has_its_boxes(message: ToolMessage) -> None:
    expected = [boxes_for(document) for document in message.artifact]
    assert all(expected)
    for again in histories(message):
        assert [boxes_for(document) for document in again.artifact] == expected


@pytest.mark.parametrize("message", ["look_at"], indirect=True)
def test_the_picture_is_in_the_message_once(message: ToolMessage) -> None:
    assert message.artifact == {"source": "report.pdf", "page": 2, "box": [0.1, 0.1, 0.9, 0.2]}
    picture = message.content_blocks[1]["base64"]  # type: ignore[typeddict-item]
    assert message.model_dump_json().count(picture) == 1


# --- pickles and copies -----------------------------------------------------------------------

MAKERS: dict[str, Any] = {
    "loader": lambda folder: DeepSeekOCRLoader(folder / "report.pdf", backend="lite"),
    "parser": lambda folder: DeepSeekOCRParser(reader=Reader("lite"), pages="1"),
    "toolkit": lambda folder: DeepSeekOCRToolkit(root_dir=folder, backend="lite"),
}


@pytest.mark.filterwarnings("ignore::deepseek_ocr_rag.backends.LiteBackendWarning")
@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))])
def test_loader_parser_and_tools_pickle_and_copy(folder: Path, name: str, copied: Any) -> None:
    made = MAKERS[name](folder)
    again = copied(made)
    if name == "loader":
        assert len(again.load()) == 5
    elif name == "parser":
        assert len(again.parse(Blob.from_path(folder / "report.pdf"))) == 1
    else:
        for tool in map(copied, [*again.get_tools(), *made.get_tools()]):
            answer = tool.invoke(
                {"type": "tool_call", "id": "1", "name": tool.name} | {"args": ASKED[tool.name]}
            )
            assert answer.tool_call_id == "1"
        read, search, *_ = copied(made.get_tools())
        assert read.agent is search.agent


def test_a_reader_keeps_its_settings_in_a_pickle(tmp_path: Path) -> None:
    reader = Reader(
        "lite", resolution="tiny", task="locate: the lamp", cache=tmp_path, most_documents=1
    )
    again = pickle.loads(pickle.dumps(reader))
    assert repr(again) == repr(reader)
    with again.open(sample_path()), pytest.raises(Exception, match="busy with 1 document"):
        again.open(sample_path())


def test_a_backend_that_cannot_be_pickled_is_told(reader: Reader) -> None:
    reader.backend.lock = threading.Lock()  # type: ignore[attr-defined]
    with pytest.raises(ConfigurationError, match=r"cannot be pickled.*Name the backend"):
        pickle.dumps(DeepSeekOCRLoader("a.pdf", reader=reader))
