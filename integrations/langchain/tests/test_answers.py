"""LangChain's models write answers for DocumentQA; AnswerVerifier checks anybody's answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from langchain_deepseek_ocr import (
    AnswerVerifier,
    DeepSeekOCRLoader,
    LayoutTextSplitter,
    language_model,
)
from langchain_text_splitters import RecursiveCharacterTextSplitter

from deepseek_ocr_rag import DocumentQA, Reader
from deepseek_ocr_rag.answering import Message
from deepseek_ocr_rag.errors import ConfigurationError, LanguageModelReplyError

ASKED = [Message("system", "Answer."), Message("user", "What does the lamp burn?")]


class Scripted(BaseChatModel):
    """Streams some parts; then fails, if it shall."""

    parts: list[Any]
    max_tokens: int = 7
    failure: bool = False

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(self, *values: Any, **named: Any) -> ChatResult:
        raise NotImplementedError

    def _stream(
        self, messages: list[BaseMessage], *_: Any, **__: Any
    ) -> Iterator[ChatGenerationChunk]:
        assert [message.type for message in messages] == ["system", "human"]
        for part in self.parts:
            metadata = {"finish_reason": "length"} if self.max_tokens == 5 else {}
            chunk = AIMessageChunk(content=part, response_metadata=metadata)
            yield ChatGenerationChunk(message=chunk)
        if self.failure:
            raise RuntimeError("the GPU is gone")


def test_a_chat_model_writes_a_checked_answer(pdf: Path, reader: Reader) -> None:
    said = "The lamp burns whale oil [1]. It costs 40 pounds [1]."
    model = GenericFakeChatModel(messages=iter([AIMessage(said)] * 2))
    qa = DocumentQA(reader.read(pdf, pages="1,2"), llm=model)
    answer = qa.ask("What does the lamp burn?")
    assert answer.llm == "GenericFakeChatModel"
    assert [s.status for s in answer.sentences] == ["supported", "unsupported"]
    assert (answer.citations[0].page, len(answer.citations[0].boxes)) == (2, 1)


def test_thoughts_limits_and_ends_are_kept_apart() -> None:
    parts = [
        [{"type": "reasoning", "reasoning": "Hm."}],
        "Whale",
        [{"type": "text", "text": " oil"}],
    ]
    model = Scripted(parts=parts)
    reply: Any = language_model(model).stream(ASKED, max_tokens=5)
    assert "".join(reply) == "Whale oil"
    assert (reply.thinking, reply.finish_reason) == ("Hm.", "length")
    assert model.max_tokens == 7


def test_a_failure_is_typed_and_says_what_to_do() -> None:
    reply = language_model(Scripted(parts=["a"], failure=True)).stream(ASKED, max_tokens=9)
    assert next(reply) == "a"
    with pytest.raises(LanguageModelReplyError, match=r"the GPU is gone.*model.invoke"):
        next(reply)


def test_name_and_context_are_those_of_the_model() -> None:
    ollama = pytest.importorskip("langchain_ollama")
    model = language_model(ollama.ChatOllama(model="gemma3:4b", num_ctx=2048))
    assert (model.name, model.context_length) == ("gemma3:4b", 2048)
    assert language_model(Scripted(parts=[])).context_length == 4096
    assert language_model(Scripted(parts=[]), context_length=9000).context_length == 9000
    with pytest.raises(ConfigurationError, match="llm cannot be a str"):
        language_model("gemma3")  # type: ignore[arg-type]


# --- somebody else's answers ------------------------------------------------------------------

ANSWER = "The lamp burns whale oil. It costs 40 pounds. Four ships were lost [2]."


@pytest.fixture
def pages(pdf: Path, reader: Reader) -> list[Document]:
    return DeepSeekOCRLoader(pdf, reader=reader, pages="2,4").load()


@pytest.mark.parametrize("splitter", ["none", "ours", "theirs"])
async def test_sentences_get_their_status_page_and_box(
    pages: list[Document], splitter: str
) -> None:
    split = {
        "none": lambda given: given,
        "ours": LayoutTextSplitter().split_documents,
        "theirs": RecursiveCharacterTextSplitter(chunk_size=60, chunk_overlap=0).split_documents,
    }
    chain = (
        RunnablePassthrough.assign(context=RunnableLambda(lambda _: split[splitter](pages)))
        | RunnablePassthrough.assign(answer=RunnableLambda(lambda _: AIMessage(ANSWER)))
        | AnswerVerifier()
    )
    checked = chain.invoke({"input": "What does the lamp burn?"})
    assert [s.status for s in checked.sentences] == ["supported", "unsupported", "supported"]
    where = [(c.source, c.page, len(c.boxes)) for c in checked.citations]
    source = pages[0].metadata["source"]
    assert where == [(source, 2, 1), (source, 4, 1)]
    again = await chain.ainvoke({"input": "What does the lamp burn?"})
    assert again.to_dict() == checked.to_dict()


def test_chunks_of_a_whole_file_are_cited_on_their_pages(pdf: Path, reader: Reader) -> None:
    whole = DeepSeekOCRLoader(pdf, reader=reader, mode="document").load()
    chunks = RecursiveCharacterTextSplitter(chunk_size=60, chunk_overlap=0).split_documents(whole)
    checked = AnswerVerifier().invoke({"answer": "Four ships were lost.", "context": chunks})
    assert [(c.page, len(c.boxes)) for c in checked.citations] == [(4, 1)]
    start, end = checked.citations[0].span
    assert reader.read(pdf, pages="4").pages[0].markdown[start:end] == "Four ships were lost."


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"answer": "a"}, "no 'context'"),
        ({"context": []}, "no 'answer'"),
        ({"answer": 7, "context": []}, "cannot be a int"),
        ({"answer": "a", "context": ["text"]}, "against a str"),
    ],
)
def test_a_wrong_input_is_told(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        AnswerVerifier().invoke(given)


def test_what_is_not_compared_in_time_is_unchecked() -> None:
    """A sentence with hundreds of numbers would take minutes."""
    numbers = " and ".join(map(str, range(10, 260)))
    rows = "\n".join(f"| Ward {n} | {n} | {n + 1} |" for n in range(200))
    table = Document(f"| Ward | Beds | Staff |\n| --- | --- | --- |\n{rows}")
    checked = AnswerVerifier(max_seconds=0.5).invoke(
        {"answer": f"The total was {numbers}.", "context": [table]}
    )
    assert [s.status for s in checked.sentences] == ["unchecked"]
    with pytest.raises(ConfigurationError, match="max_seconds"):
        AnswerVerifier(max_seconds=0).invoke({"answer": "a", "context": []})
