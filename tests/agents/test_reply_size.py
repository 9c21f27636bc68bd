"""Portions follow the context of the model that reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pypdfium2
import pytest

from deepseek_ocr_rag import Reader
from deepseek_ocr_rag.agents import AgentReader, context_length_of
from deepseek_ocr_rag.backends import PageRequest, Reply
from deepseek_ocr_rag.errors import ConfigurationError, SourceNotFoundError
from deepseek_ocr_rag.text.token_count import estimate_tokens

DENSE = "\n".join(
    f"2024-{n:03d} | 1,234.{n % 100:02d} | 汉字漢字 | 98.{n % 10} %" for n in range(400)
)
"""A table of figures: some 13,000 characters, and nearly as many tokens."""


class Dense:
    """A backend whose every page is a table of figures."""

    name = model = "dense"
    needs_image = False
    reads_text_layer = False

    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        for request in requests:
            yield Reply(
                request.key,
                f"<|ref|>text<|/ref|><|det|>[[10, 10, 900, 900]]<|/det|>\n{DENSE}",
            )

    def close(self) -> None:
        pass


@pytest.fixture
def root(tmp_path: Path) -> Path:
    pdf = pypdfium2.PdfDocument.new()
    for _ in range(3):
        pdf.new_page(595, 842)
    pdf.save(tmp_path / "report.pdf")
    pdf.close()
    for number in range(300):
        (tmp_path / f"1234567890 {number}.png").touch()
    return tmp_path


def replies(agent: AgentReader) -> list[str]:
    with pytest.raises(SourceNotFoundError) as caught:
        agent.read("1234567890 " + "9" * 200)
    return [
        agent.read("report.pdf").text,
        agent.search("report.pdf", "2024").text,
        agent.locate("report.pdf", "2024").text,
        agent.list_documents().text,
        agent.explain(caught.value),
    ]


@pytest.mark.parametrize("context", [2048, 4096, 8192])
def test_no_portion_takes_more_than_a_quarter_of_the_context(root: Path, context: int) -> None:
    agent = AgentReader(Reader(Dense()), root_dir=root, context_length=context)
    for text in replies(agent):
        assert estimate_tokens(text) <= context // 4
        assert len(text) > 100


def test_without_a_known_context_a_portion_has_so_many_characters(root: Path) -> None:
    texts = replies(AgentReader(Reader(Dense()), root_dir=root))
    assert all(len(text) <= 8000 for text in texts)
    assert estimate_tokens(texts[0]) > 4096  # what Ollama's own context could not hold


def test_portions_of_a_small_context_join_without_a_gap(root: Path) -> None:
    agent = AgentReader(Reader(Dense()), root_dir=root, context_length=4096)
    whole = ""
    start = 0
    while True:
        reply = agent.read("report.pdf", "1", start)
        line = reply.text.split("\n")[3]
        whole += reply.text.split(f"\n{line}\n")[1]
        if reply.next_start == 0:
            break
        start = reply.next_start
    assert whole.rstrip("\n") == DENSE


def test_a_context_without_room_is_refused_at_once(root: Path) -> None:
    with pytest.raises(ConfigurationError, match="num_ctx"):
        AgentReader(Reader(Dense()), root_dir=root, context_length=1024)


@dataclass
class Bound:
    """As RunnableBinding of langchain_core: the model below, and what is passed with each call."""

    bound: object
    kwargs: dict[str, Any]


def test_the_context_is_what_the_model_itself_says() -> None:
    chat = pytest.importorskip("langchain_ollama").ChatOllama
    index = pytest.importorskip("llama_index.llms.ollama").Ollama
    mock = pytest.importorskip("llama_index.core.llms.mock").MockLLM
    assert context_length_of(chat(model="qwen3", num_ctx=16384)) == 16384
    assert context_length_of(chat(model="qwen3")) == 4096
    bound = chat(model="qwen3", num_ctx=16384).bind_tools([])
    assert context_length_of(bound) == 16384
    assert context_length_of(Bound(chat(model="qwen3"), {"options": {"num_ctx": 9000}})) == 9000
    assert context_length_of(index(model="qwen3", context_window=8192)) == 8192
    assert context_length_of(mock()) == mock().metadata.context_window
    assert context_length_of(SimpleNamespace(profile={"max_input_tokens": 200_000})) == 200_000
    assert context_length_of(object()) is None
    assert context_length_of(None) is None


def test_tools_of_both_frameworks_take_the_model_or_its_context(root: Path) -> None:
    toolkit = pytest.importorskip("langchain_deepseek_ocr").DeepSeekOCRToolkit
    spec = pytest.importorskip("llama_index.tools.deepseek_ocr").DeepSeekOCRToolSpec
    chat = pytest.importorskip("langchain_ollama").ChatOllama(model="qwen3")
    reader = Reader(Dense())
    for settings in ({"llm": chat}, {"context_length": 4096}):
        read = toolkit(root_dir=root, reader=reader, **settings).get_tools()[2]
        assert estimate_tokens(read.invoke({"path": "report.pdf"})) <= 1024
        text = spec(root, reader=reader, **settings).read_document("report.pdf")
        assert estimate_tokens(text) <= 1024
