"""LlamaIndex's LLMs write answers for DocumentQA; AnswerVerifier checks anybody's answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseGen,
    LLMMetadata,
    ThinkingBlock,
)
from llama_index.core.base.response.schema import Response
from llama_index.core.llms import CustomLLM
from llama_index.core.node_parser import TokenTextSplitter
from llama_index.core.schema import BaseNode, MetadataMode, NodeWithScore, TextNode
from llama_index.readers.deepseek_ocr import (
    AnswerVerifier,
    DeepSeekOCRNodeParser,
    DeepSeekOCRReader,
    language_model,
)

from deepseek_ocr_rag import DocumentQA, Reader
from deepseek_ocr_rag.answering import Message
from deepseek_ocr_rag.errors import ConfigurationError, LanguageModelReplyError

ANSWER = "The lamp burns whale oil. It costs 40 pounds."
ASKED = [Message("system", "Answer."), Message("user", "What does the lamp burn?")]


class Scripted(CustomLLM):
    """Says a text; may be unable to stream, or fail."""

    text: str = "The lamp burns whale oil [1]. It costs 40 pounds [1]."
    max_tokens: int = 7
    streams: bool = True
    failure: bool = False

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(context_window=2048, model_name="scripted")

    def complete(self, prompt: str, formatted: bool = False, **_: Any) -> CompletionResponse:
        raise NotImplementedError

    def stream_complete(
        self, prompt: str, formatted: bool = False, **_: Any
    ) -> CompletionResponseGen:
        raise NotImplementedError

    def _message(self) -> ChatMessage:
        message = ChatMessage(role="assistant", content=self.text)
        message.blocks.insert(0, ThinkingBlock(content="Hm."))
        return message

    def chat(self, messages: Any, **_: Any) -> ChatResponse:
        assert [message.role.value for message in messages] == ["system", "user"]
        return ChatResponse(message=self._message())

    def stream_chat(self, messages: Any, **_: Any) -> ChatResponseGen:
        if not self.streams:
            raise NotImplementedError
        raw = {"done_reason": "length" if self.max_tokens == 5 else "stop"}

        def parts() -> ChatResponseGen:
            for word in self.text.split(" "):
                yield ChatResponse(message=self._message(), delta=f"{word} ", raw=raw)
            if self.failure:
                raise RuntimeError("the GPU is gone")

        return parts()


@pytest.mark.parametrize("streams", [True, False])
def test_an_llm_writes_a_checked_answer(pdf: Path, core: Reader, streams: bool) -> None:
    qa = DocumentQA(core.read(pdf, pages="1,2"), llm=Scripted(streams=streams))
    answer = qa.ask("What does the lamp burn?")
    assert (answer.llm, answer.thinking) == ("scripted", "Hm.")
    assert [s.status for s in answer.sentences] == ["supported", "unsupported"]
    assert (answer.citations[0].page, len(answer.citations[0].boxes)) == (2, 1)


def test_limits_and_ends_of_replies() -> None:
    model = Scripted()
    reply: Any = language_model(model).stream(ASKED, max_tokens=5)
    assert "".join(reply).strip() == model.text
    assert reply.finish_reason == "length"
    assert (model.max_tokens, language_model(model).context_length) == (7, 2048)
    failing = language_model(Scripted(text="a", failure=True)).stream(ASKED, max_tokens=9)
    assert next(failing) == "a "
    with pytest.raises(LanguageModelReplyError, match="the GPU is gone"):
        next(failing)
    with pytest.raises(ConfigurationError, match="llm cannot be a str"):
        language_model("gemma3")  # type: ignore[arg-type]


# --- somebody else's answers ------------------------------------------------------------------


@pytest.fixture(params=["none", "ours", "theirs"])
def nodes(pdf: Path, core: Reader, request: pytest.FixtureRequest) -> list[NodeWithScore]:
    documents = DeepSeekOCRReader(reader=core, pages="1,2").load_data(pdf)
    parsers: dict[str, Any] = {
        "ours": DeepSeekOCRNodeParser(),
        "theirs": TokenTextSplitter(chunk_size=75, chunk_overlap=0, tokenizer=list),
    }
    found: list[BaseNode] = list(documents)
    if request.param != "none":
        found = parsers[request.param].get_nodes_from_documents(documents)
    return [NodeWithScore(node=node, score=0.5) for node in found]


def test_a_response_is_checked_against_its_source_nodes(nodes: list[NodeWithScore]) -> None:
    checked = AnswerVerifier().verify(Response(ANSWER, source_nodes=nodes))
    assert [s.status for s in checked.sentences] == ["supported", "unsupported"]
    ((page, boxes),) = [(c.page, len(c.boxes)) for c in checked.citations]
    assert (page, boxes) == (2, 1)


def test_the_post_processor_keeps_the_nodes_that_support_the_answer(
    nodes: list[NodeWithScore],
) -> None:
    (kept,) = AnswerVerifier(answer=ANSWER).postprocess_nodes(nodes, query_str="What?")
    assert "whale oil" in kept.node.get_content()
    (entry,) = kept.node.metadata["verified"]
    assert (entry["sentence"], entry["page"]) == ("The lamp burns whale oil.", 2)
    assert entry["boxes"] == [[0.1001, 0.1001, 0.900901, 0.2002]]
    assert "verified" not in kept.node.get_metadata_str(MetadataMode.LLM)
    assert all("verified" not in node.node.metadata for node in nodes)


def test_a_missing_answer_or_node_is_told() -> None:
    with pytest.raises(ConfigurationError, match="no answer to check"):
        AnswerVerifier().postprocess_nodes([], query_str="What?")
    with pytest.raises(ConfigurationError, match="no nodes"):
        AnswerVerifier().verify("It is red.")


def test_what_is_not_compared_in_time_is_unchecked_and_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A sentence with hundreds of numbers would take minutes."""
    numbers = " and ".join(map(str, range(10, 260)))
    rows = "\n".join(f"| Ward {n} | {n} | {n + 1} |" for n in range(200))
    table = TextNode(text=f"| Ward | Beds | Staff |\n| --- | --- | --- |\n{rows}")
    nodes = [NodeWithScore(node=table)]
    answer = f"The total was {numbers}."
    checked = AnswerVerifier(max_seconds=0.5).verify(answer, nodes)
    assert [s.status for s in checked.sentences] == ["unchecked"]
    assert AnswerVerifier(answer=answer, max_seconds=0.5).postprocess_nodes(nodes) == []
    assert "1 of 1 sentences were not checked" in caplog.text
