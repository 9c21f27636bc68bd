"""Agents of both frameworks call our four tools; page reader and model are in the same Ollama."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tool_calling_ollama import ToolCall, ToolCallingOllama

pytest.importorskip("langchain.agents")
pytest.importorskip("langchain_ollama")
pytest.importorskip("llama_index.llms.ollama")

from langchain.agents import create_agent
from langchain_deepseek_ocr import DeepSeekOCRToolkit
from langchain_ollama import ChatOllama
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.llms.ollama import Ollama
from llama_index.tools.deepseek_ocr import DeepSeekOCRToolSpec
from ollama import AsyncClient

from deepseek_ocr_rag import OllamaBackend

PAGE = (
    "<|ref|>title<|/ref|><|det|>[[108, 62, 489, 95]]<|/det|>\n# Lighthouse report\n\n"
    "<|ref|>text<|/ref|><|det|>[[108, 120, 890, 180]]<|/det|>\nAda Holm keeps the lamp."
)
TEXTS = {
    "<|grounding|>Convert the document to markdown.": PAGE,
    "Locate <|ref|>the lamp<|/ref|> in the image.": (
        "<|ref|>the lamp<|/ref|><|det|>[[500, 120, 600, 180]]<|/det|>"
    ),
}
CALLS = (
    ToolCall("read_document", {"path": "report.pdf"}),
    ToolCall("search_document", {"path": "report.pdf", "query": "who keeps the lamp"}),
    ToolCall("locate", {"path": "report.pdf", "what": "the lamp"}),
    ToolCall("look_at", {"path": "report.pdf", "page": 1, "box": [0.5, 0.1, 0.6, 0.2]}),
)
ANSWER = "Ada Holm keeps the lamp, page 1."


@pytest.fixture
def papers(tmp_path: Path, sample_pdf: Path) -> Path:
    import pypdfium2

    folder = tmp_path / "papers"
    folder.mkdir()
    with pypdfium2.PdfDocument(sample_pdf) as whole, pypdfium2.PdfDocument.new() as one:
        one.import_pages(whole, [0])
        one.save(folder / "report.pdf")
    return folder


@pytest.fixture
def ollama(tmp_path: Path) -> Iterator[ToolCallingOllama]:
    with ToolCallingOllama(tmp_path, TEXTS, CALLS, ANSWER) as server:
        yield server


def with_langchain(ollama: ToolCallingOllama, papers: Path) -> str:
    toolkit = DeepSeekOCRToolkit(root_dir=papers, backend=OllamaBackend(host=ollama.url))
    model = ChatOllama(model="scripted", base_url=ollama.url)
    agent = create_agent(model, tools=toolkit.get_tools())
    said = agent.invoke({"messages": [{"role": "user", "content": "Who keeps the lamp?"}]})
    # The class has no way to close its connections.
    model._client._client.close()
    return str(said["messages"][-1].content)


async def with_llama_index(ollama: ToolCallingOllama, papers: Path) -> str:
    spec = DeepSeekOCRToolSpec(root_dir=papers, backend=OllamaBackend(host=ollama.url))
    client = AsyncClient(host=ollama.url)
    model = Ollama(model="scripted", base_url=ollama.url, async_client=client, context_window=8192)
    agent = FunctionAgent(tools=spec.to_tool_list(), llm=model)
    said = await agent.run("Who keeps the lamp?")
    await client._client.aclose()
    return str(said)


async def with_framework(name: str, ollama: ToolCallingOllama, papers: Path) -> str:
    if name == "LangChain":
        return with_langchain(ollama, papers)
    return await with_llama_index(ollama, papers)


# LlamaIndex looks at all members of its own workflow, also at the deprecated ones.
@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning")
@pytest.mark.parametrize("framework", ["LangChain", "LlamaIndex"])
async def test_an_agent_reads_searches_locates_and_looks_by_real_calls(
    ollama: ToolCallingOllama, papers: Path, framework: str
) -> None:
    said = await with_framework(framework, ollama, papers)
    assert said.strip() == ANSWER
    read, searched, located, looked = ollama.replies()
    assert "# Lighthouse report" in read["content"]
    assert "Ada Holm keeps the lamp." in read["content"]
    assert "page 1" in searched["content"]
    assert "Ada Holm keeps the lamp." in searched["content"]
    assert "page 1, box [0.501, 0.120, 0.601, 0.180]" in located["content"]
    assert picture_of(looked).width > 10
    # The page was read once, and asked once for the lamp's place.
    prompts = [str(body["prompt"]).strip() for body in ollama.asked("/api/generate")]
    assert prompts == list(TEXTS)


def picture_of(reply: dict[str, Any]) -> Image.Image:
    """The picture that came with a tool's reply."""
    (data,) = reply["images"]
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        image.load()
    return image
