"""Arguments as models write them: what is meant is done, the rest refused by name, nothing raised."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from argument_forms import ACCEPTED, REFUSED, Form
from hypothesis import given, settings
from hypothesis import strategies as st

from deepseek_ocr_rag import OcrDocument, Reader
from deepseek_ocr_rag.agents import (
    FORMS,
    AgentListing,
    AgentLocations,
    AgentPicture,
    AgentReader,
    AgentReply,
    AgentSearch,
    arguments_of,
)
from deepseek_ocr_rag.errors import ConfigurationError

pytest.importorskip("langchain_core")
pytest.importorskip("llama_index.core")

from langchain_deepseek_ocr import DeepSeekOCRToolkit
from llama_index.tools.deepseek_ocr import DeepSeekOCRToolSpec

DEFAULTS = {
    form.name: {each.name: each.default for each in form.arguments if not each.required}
    for form in FORMS.values()
}


class Noting(AgentReader):
    """Notes with which arguments it was called."""

    def __init__(self, root: Path) -> None:
        super().__init__(Reader(Nothing()), root_dir=root)
        self.called: list[dict[str, Any]] = []

    def read(self, path: Any, pages: Any = None, start: Any = 0) -> AgentReply:
        self.called.append({"path": path, "pages": pages, "start": start})
        return AgentReply("done", OcrDocument("a.pdf", (), 1, ""))

    def search(self, path: Any, query: Any, pages: Any = None, offset: Any = 0) -> AgentSearch:
        self.called.append({"path": path, "query": query, "pages": pages, "offset": offset})
        return AgentSearch("done", ())

    def locate(self, path: Any, what: Any, pages: Any = None) -> AgentLocations:
        self.called.append({"path": path, "what": what, "pages": pages})
        return AgentLocations("done", ())

    def look_at(self, path: Any, page: Any, box: Any = None) -> AgentPicture:
        self.called.append({"path": path, "page": page, "box": box})
        return AgentPicture("done", b"png", "a.pdf", 1)

    def list_documents(self, folder: Any = None, offset: Any = 0) -> AgentListing:
        self.called.append({"folder": folder, "offset": offset})
        return AgentListing("done", ())

    def search_documents(self, query: Any, folder: Any = None, offset: Any = 0) -> AgentSearch:
        self.called.append({"query": query, "folder": folder, "offset": offset})
        return AgentSearch("done", ())


class Nothing:
    """A backend that is never asked."""

    name = model = "nothing"
    needs_image = False
    reads_text_layer = False

    def read(self, requests: Any) -> Any:
        raise AssertionError("no page is read here")

    def close(self) -> None:
        pass


Call = Callable[[Form], tuple[str, dict[str, Any] | None]]
"""Calls a tool; its reply, and the arguments that arrived, if it was called."""


def with_langchain(root: Path) -> Call:
    agent = Noting(root)
    tools = {tool.name: tool for tool in DeepSeekOCRToolkit(agent=agent).get_tools()}

    def call(form: Form) -> tuple[str, dict[str, Any] | None]:
        message = tools[form.tool].invoke(
            {"type": "tool_call", "id": "1", "name": form.tool, "args": dict(form.given)}
        )
        assert (message.status == "success") == bool(agent.called)
        return message.text, agent.called.pop() if agent.called else None

    return call


def with_llama_index(root: Path) -> Call:
    spec = DeepSeekOCRToolSpec(root, reader=Reader(Nothing()))
    agent = spec._agent = Noting(root)
    tools = {tool.metadata.get_name(): tool for tool in spec.to_tool_list()}

    def call(form: Form) -> tuple[str, dict[str, Any] | None]:
        output = tools[form.tool].call(**form.given)
        return output.blocks[0].text, agent.called.pop() if agent.called else None

    return call


@pytest.fixture(params=[with_langchain, with_llama_index], ids=["LangChain", "LlamaIndex"])
def call(request: pytest.FixtureRequest, tmp_path: Path) -> Call:
    made: Call = request.param(tmp_path)
    return made


def test_the_table_has_what_models_write() -> None:
    assert len(ACCEPTED) >= 60
    assert len(REFUSED) >= 50
    assert {form.tool for form in ACCEPTED} == {form.tool for form in REFUSED} == set(FORMS)


def test_what_is_plainly_meant_is_done(call: Call) -> None:
    wrong = []
    for form in ACCEPTED:
        reply, arrived = call(form)
        meant = DEFAULTS[form.tool] | dict(form.meant or {})
        if reply != "done" or arrived != meant:
            wrong.append((form.tool, form.given, arrived, reply))
    assert wrong == []


def test_the_rest_is_refused_by_a_sentence_that_names_the_argument(call: Call) -> None:
    wrong = []
    for form in REFUSED:
        reply, arrived = call(form)
        sentences = reply.startswith("The document was not read. ") and reply.endswith((".", "?"))
        if arrived is not None or form.names not in reply or not sentences or len(reply) > 600:
            wrong.append((form.tool, str(form.given)[:80], arrived, reply[:200]))
    assert wrong == []


def test_no_argument_takes_longer_than_it_is_long(call: Call) -> None:
    started = time.thread_time()
    for hostile in ("1" + " " * 10**6 + "-" + " " * 10**6 + "x", "[" * 10**6, "1," * 10**6):
        for tool, name in (
            ("read_document", "pages"),
            ("read_document", "start"),
            ("read_document", "path"),
            ("search_document", "query"),
            ("look_at", "box"),
            ("look_at", "page"),
            ("locate", "what"),
            ("list_documents", "folder"),
        ):
            rest = {} if tool == "list_documents" else {"path": "a.pdf"}
            _, arrived = call(Form(tool, {**rest, name: hostile}))
            assert arrived is None
    assert time.thread_time() - started < 5


@given(
    form=st.sampled_from(list(FORMS.values())),
    data=st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=20)
        | st.sampled_from(
            ["1-3", "[1,2]", '{"a": 1}', "null", "0.5", "ｐ１", "\ud800", "²", "1e5"]
        ),
        lambda inner: (
            st.lists(inner, max_size=5)
            | st.dictionaries(
                st.sampled_from(["path", "page", "value", "x0", "start", "end"]), inner
            )
        ),
        max_leaves=8,
    ),
)
@settings(max_examples=60, deadline=None)
def test_no_value_raises_anything_but_a_refusal(form: Any, data: Any) -> None:
    for argument in form.arguments:
        rest = {each.name: "1" for each in form.arguments if each.required}
        try:
            meant = arguments_of(form, {**rest, argument.name: data})
        except ConfigurationError:
            continue
        assert meant == arguments_of(form, meant)
        assert list(meant) == [each.name for each in form.arguments]


def wire_schemas(root: Path) -> dict[str, list[dict[str, Any]]]:
    """The tools as each framework's Ollama class sends them."""
    ollama = pytest.importorskip("ollama")
    from langchain_core.utils.function_calling import convert_to_openai_tool

    chain = DeepSeekOCRToolkit(root_dir=root, reader=Reader(Nothing())).get_tools()
    index = DeepSeekOCRToolSpec(root, reader=Reader(Nothing())).to_tool_list()
    shown = {
        "LangChain": [convert_to_openai_tool(tool) for tool in chain],
        "LlamaIndex": [tool.metadata.to_openai_tool() for tool in index],
    }
    return {
        name: [ollama.Tool(**tool).model_dump(exclude_none=True)["function"] for tool in tools]
        for name, tools in shown.items()
    }


def test_the_wire_of_ollama_shows_plain_types_and_plain_words(tmp_path: Path) -> None:
    for functions in wire_schemas(tmp_path).values():
        assert [each["name"] for each in functions] == list(FORMS)
        for function in functions:
            form = FORMS[function["name"]]
            assert function["description"] == form.description
            properties = function["parameters"]["properties"]
            assert list(properties) == [each.name for each in form.arguments]
            required = [each.name for each in form.arguments if each.required]
            assert function["parameters"].get("required", []) == required
            for argument in form.arguments:
                shown = properties[argument.name]
                assert shown["type"] in ("string", "integer", "array")
                assert shown["description"] == argument.description
                assert (shown["type"] == "array") == ("items" in shown)
            assert "typing." not in json.dumps(function)
            assert "Annotated" not in json.dumps(function)


def test_both_frameworks_show_models_the_same_tools(tmp_path: Path) -> None:
    schemas = wire_schemas(tmp_path)
    assert schemas["LangChain"] == schemas["LlamaIndex"]


def test_the_whole_call_may_be_a_text(tmp_path: Path) -> None:
    agent = Noting(tmp_path)
    tools = {tool.name: tool for tool in DeepSeekOCRToolkit(agent=agent).get_tools()}
    assert tools["read_document"].invoke("a.pdf") == "done"
    assert tools["read_document"].invoke('{"path": "a.pdf", "pages": [2]}') == "done"
    assert [each["pages"] for each in agent.called] == ["", "2"]
