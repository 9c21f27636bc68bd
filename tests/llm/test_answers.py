"""Answers by a real, small model: the plumbing, the context and the form of citations.

The model is far too weak for its words to be asserted.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from deepseek_ocr_rag.answering.language_model import Message
from deepseek_ocr_rag.answering.models.model_choice import choose_language_model
from deepseek_ocr_rag.answering.models.ollama_model import OllamaModel
from deepseek_ocr_rag.answering.prompt import build_prompt
from deepseek_ocr_rag.answering.qa import Answer, DocumentQA
from deepseek_ocr_rag.answering.structured_reply import reply_schema
from deepseek_ocr_rag.document.types import Block, Box, OcrDocument, Page
from deepseek_ocr_rag.errors import LanguageModelUnavailableError
from deepseek_ocr_rag.retrieval.retriever import Retriever

pytestmark = [pytest.mark.llm, pytest.mark.slow]


@pytest.fixture(autouse=True)
def same_marker(monkeypatch: pytest.MonkeyPatch) -> None:
    """The marker around the sources: a model this weak writes nothing at all after some of them."""
    monkeypatch.setattr(
        "deepseek_ocr_rag.answering.prompt.secrets.token_hex", lambda size: "5e" * size
    )


BOX = Box(0.1, 0.2, 0.9, 0.3)


def page(number: int, text: str) -> Page:
    return Page(number, text, (Block("text", text, (BOX,), (0, len(text))),))


LIGHTHOUSE = OcrDocument(
    "lighthouse.pdf",
    (
        page(1, "The lighthouse was built in 1871. It is 40 metres high."),
        page(2, "Ann Lee has kept the lamp of the lighthouse since 1902."),
    ),
    2,
)


def check(answer: Answer, document: OcrDocument) -> None:
    """Everything that must hold whatever the model wrote."""
    assert answer.text.strip() == answer.text != ""
    numbers = [int(n) for n in re.findall(r"\[(\d+)\]", answer.text)]
    assert set(numbers) == set(range(1, len(answer.citations) + 1))
    for citation in answer.citations:
        assert document.page(citation.page).markdown[slice(*citation.span)] == citation.quote
        assert citation.boxes == (BOX,)
    assert "://" not in answer.text


def qa(ollama: Any, document: OcrDocument = LIGHTHOUSE, **options: Any) -> DocumentQA:
    options = {"num_ctx": 1024, "top_k": 2, **options}
    return DocumentQA(document, f"ollama/{ollama.model}", host=ollama.url, **options)


def test_a_question_is_answered_from_the_pages(ollama: Any) -> None:
    answer = qa(ollama).ask("Who keeps the lamp of the lighthouse?")
    check(answer, LIGHTHOUSE)
    assert answer.llm == f"ollama/{ollama.model}"
    assert answer.passages[0].page == 2
    assert answer.timings.writing > 0


def test_the_model_is_held_to_json_with_sources_that_exist(ollama: Any) -> None:
    model = OllamaModel(ollama.model, host=ollama.url, num_ctx=1024)
    assert model.structured
    prompt = build_prompt(
        "Who keeps the lamp?",
        Retriever.from_documents([LIGHTHOUSE]).search("Who keeps the lamp?", 2),
        model.context_length,
        structured=True,
    )
    reply = model.stream_json(
        prompt.messages, schema=reply_schema(prompt.used), max_tokens=prompt.max_tokens
    )
    written = "".join(reply)
    if any("was cut" in warning for warning in reply.warnings):
        pytest.skip("the model did not end its reply")
    sentences = json.loads(written)["sentences"]
    assert all(isinstance(sentence["text"], str) for sentence in sentences)
    assert {number for s in sentences for number in s["sources"]} <= {1, 2}


def test_a_server_without_schemas_is_asked_for_marks(ollama: Any) -> None:
    model = OllamaModel(ollama.model, host=ollama.url, num_ctx=1024, structured=False)
    check(DocumentQA(LIGHTHOUSE, model, top_k=2).ask("Who keeps the lamp?"), LIGHTHOUSE)


def test_the_answer_streams(ollama: Any) -> None:
    stream = qa(ollama).stream("How high is the lighthouse?")
    pieces = list(stream)
    assert len(pieces) > 1
    assert "".join(pieces) == stream.answer.text
    check(stream.answer, LIGHTHOUSE)


async def test_the_answer_comes_to_a_waiting_task(ollama: Any) -> None:
    check(await qa(ollama).aask("When was the lighthouse built?"), LIGHTHOUSE)


def test_a_long_document_is_packed_into_a_short_context(ollama: Any) -> None:
    pages = tuple(
        page(n, f"Lamp {n}. " + "The lamp of the lighthouse burns rape oil at night. " * 12)
        for n in range(1, 5)
    )
    document = OcrDocument("lamps.pdf", pages, 4)
    answer = qa(ollama, document, num_ctx=768, top_k=4).ask("What does the lamp burn?")
    check(answer, document)
    assert "of 4 passages" in answer.warnings[0]
    # Nothing was cut by the server: the estimate of tokens was no underestimate.
    assert not any("filled the context" in warning for warning in answer.warnings)


def test_a_reply_is_cut_at_its_limit_and_says_so(ollama: Any) -> None:
    model = OllamaModel(ollama.model, host=ollama.url, num_ctx=512)
    stream = model.stream([Message("user", "Tell a very long story.")], max_tokens=3)
    assert "".join(stream)
    assert any("was cut" in warning for warning in stream.warnings)


def test_leaving_early_frees_the_model_for_the_next_question(ollama: Any) -> None:
    model = OllamaModel(ollama.model, host=ollama.url, num_ctx=512)
    stream = model.stream([Message("user", "Tell a very long story.")], max_tokens=400)
    next(stream)
    stream.close()
    again = model.stream([Message("user", "Say hello.")], max_tokens=8)
    assert "".join(again)


def test_the_context_is_that_of_the_model(ollama: Any) -> None:
    model = OllamaModel(ollama.model, host=ollama.url, num_ctx=10**9)
    if not ollama.ours:
        assert 0 < model.context_length < 10**9
        return
    assert model.context_length == 8192
    # More than was loaded here: Ollama's own words reach the user.
    with pytest.raises(LanguageModelUnavailableError, match="system memory"):
        list(model.stream([Message("user", "Hello")], max_tokens=8))


def test_a_model_that_is_not_installed_is_offered(ollama: Any) -> None:
    missing = OllamaModel("no-such-model", host=ollama.url)
    with pytest.raises(LanguageModelUnavailableError, match="ollama pull no-such-model"):
        list(missing.stream([Message("user", "Hello")], max_tokens=8))


def test_an_installed_model_is_chosen(ollama: Any) -> None:
    assert choose_language_model(ollama.url) == (f"ollama/{ollama.model}", "")
