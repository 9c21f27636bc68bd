"""Answers of language models in both Ollamas, whose fakes say what the real ones were seen to say."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from waiting import LONG

pytest.importorskip("gguf")

from fake_ollama import FakeModel, Ollama024, Ollama033, Written, deepseek_ocr, write_small_file

from deepseek_ocr_rag import Answer, DocumentQA, OllamaModel
from deepseek_ocr_rag.answering.models.model_choice import choose_language_model
from deepseek_ocr_rag.answering.query_rewriting import standalone_question
from deepseek_ocr_rag.document.types import Block, Box, OcrDocument, Page
from deepseek_ocr_rag.errors import (
    ConfigurationError,
    EmbeddingModelUnavailableError,
    LanguageModelError,
    LanguageModelReplyError,
)
from deepseek_ocr_rag.retrieval import OllamaEmbeddings

QUESTION = "Who keeps the lamp?"
QUOTE = "Ann Lee has kept the lamp since 1902."
BOX = Box(0.1, 0.2, 0.9, 0.3)
DOCUMENT = OcrDocument("light.pdf", (Page(1, QUOTE, (Block("text", QUOTE, (BOX,), (0, 37)),)),), 1)
SENTENCE = "Ann Lee has kept the lamp since 1902"
ITEM = json.dumps({"text": f"{SENTENCE}.", "sources": [1]})
JSON, MARKS = f'{{"sentences": [{ITEM}', f"{SENTENCE} [1]."
"""A reply with one whole sentence, in both forms."""

SHOWN = {JSON: f"{SENTENCE}. [1]", MARKS: f"{SENTENCE} [1]."}
OPEN = {JSON: ', {"text": "It is', MARKS: " It is"}
ENDED = "The model repeated itself, and Ollama ended its reply."
BROKEN_OFF = "The reply broke off before its end: only its whole sentences are kept."

FakeOllama = Ollama024 | Ollama033
Say = Callable[[Written], FakeOllama]


class FromSource(Ollama033):
    """Built without a version."""

    version = "0.0.0"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_file(tmp_path_factory.mktemp("blobs") / "model.gguf")


@pytest.fixture(params=[Ollama024, Ollama033], ids=["0.24", "0.33"])
def ollama(request: pytest.FixtureRequest, file: Path, tmp_path: Path) -> Iterator[FakeOllama]:
    embedding = FakeModel(
        "all-minilm:latest", None, lambda body: Written(""), ("embedding",), "bert", 512
    )
    reader = deepseek_ocr(file, {})
    copy = replace(reader, name="pages:latest")
    with request.param(tmp_path, embedding, reader, copy) as server:
        yield server


@pytest.fixture
def say(ollama: FakeOllama) -> Say:
    """Give the Ollama a language model that writes this."""

    def install(written: Written, *capabilities: str) -> FakeOllama:
        able = ("completion", *capabilities)
        ollama.models["tiny:latest"] = FakeModel("tiny:latest", None, lambda body: written, able)
        return ollama

    return install


def answers(ollama: FakeOllama, begun: str, **options: Any) -> list[Answer]:
    """Of ``ask`` and of a stream."""
    model = OllamaModel("tiny", host=ollama.url, timeout=LONG, structured=begun == JSON)
    qa = DocumentQA(DOCUMENT, model, **options)
    stream = qa.stream(QUESTION)
    text = "".join(stream)
    assert text == stream.answer.text
    return [qa.ask(QUESTION), stream.answer]


# --- what holds -----------------------------------------------------------------------------


def test_an_answer_comes_through_a_schema_is_checked_and_has_its_boxes(say: Say) -> None:
    ollama = say(Written(f"{JSON}]}}"))
    answer = DocumentQA(DOCUMENT, "ollama/tiny", host=ollama.url).ask(QUESTION)
    assert answer.text == SHOWN[JSON]
    assert [sentence.status for sentence in answer.sentences] == ["supported"]
    assert [(c.quote, c.page, c.boxes) for c in answer.citations] == [(QUOTE, 1, (BOX,))]
    (asked,) = ollama.asked("/api/chat")
    assert asked["format"]["properties"]["sentences"]["type"] == "array"
    assert answer.warnings == ()


def test_an_ollama_built_from_source_is_held_to_the_schema_too(tmp_path: Path) -> None:
    tiny = FakeModel("tiny:latest", None, lambda body: Written(f"{JSON}]}}"))
    with FromSource(tmp_path, tiny) as ollama:
        answer = DocumentQA(DOCUMENT, "ollama/tiny", host=ollama.url).ask(QUESTION)
    assert answer.text == SHOWN[JSON]
    assert "format" in ollama.asked("/api/chat")[0]


def test_an_embedding_model_of_ollama_searches(say: Say) -> None:
    ollama = say(Written(f"{JSON}]}}"))
    vectors = OllamaEmbeddings("all-minilm", host=ollama.url).embed_documents(["a", "b", "a"])
    assert vectors[0] == vectors[2] != vectors[1]
    qa = DocumentQA(DOCUMENT, "ollama/tiny", embeddings="ollama/all-minilm", host=ollama.url)
    assert qa.ask(QUESTION).citations
    assert ollama.asked("/api/embed")[-1]["input"] == [QUESTION]


@pytest.mark.parametrize(
    "form", ["127.0.0.1:{}", "localhost:{}", "http://127.0.0.1:{}", "http://localhost:{}/"]
)
def test_every_form_of_a_host_finds_it(
    say: Say, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = form.format(urlsplit(say(Written("")).url).port)
    assert OllamaModel("tiny", host=host).context_length == 8192
    monkeypatch.setenv("OLLAMA_HOST", host)
    assert OllamaModel("tiny").context_length == 8192


def test_the_address_that_a_server_listens_on_means_this_machine(
    say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", f"0.0.0.0:{urlsplit(say(Written('')).url).port}")
    assert choose_language_model() == ("ollama/tiny:latest", "")


def test_what_a_model_thinks_is_not_its_answer(say: Say) -> None:
    ollama = say(Written(f"{JSON}]}}", thinking="Who may that be? "), "thinking")
    assert {answer.text for answer in answers(ollama, JSON)} == {SHOWN[JSON]}


# --- ends without a last part ---------------------------------------------------------------


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("begun", [JSON, MARKS], ids=["json", "marks"])
@pytest.mark.parametrize("loop", [" so", "\n"], ids=["a word", "white space"])
def test_what_was_whole_before_a_loop_is_checked_and_shown(
    say: Say, begun: str, loop: str, strict: bool
) -> None:
    written = begun if loop == "\n" else begun + OPEN[begun]
    ollama = say(Written(written, loop=loop))
    for answer in answers(ollama, begun, strict=strict):
        # Outside of strict mode the words of a sentence are shown before it is whole.
        cut = " It is so …" if begun == MARKS and loop != "\n" and not strict else ""
        assert answer.text == SHOWN[begun] + cut
        assert [sentence.status for sentence in answer.sentences] == ["supported"]
        assert [citation.boxes for citation in answer.citations] == [(BOX,)]
        assert answer.warnings == (ENDED,)


@pytest.mark.parametrize("begun", [JSON, MARKS], ids=["json", "marks"])
def test_a_loop_without_a_whole_sentence_before_it_leaves_the_passages(
    say: Say, begun: str
) -> None:
    ollama = say(Written('{"sentences": [{"text": "So' if begun == JSON else "So", loop=" so"))
    for answer in answers(ollama, begun, strict=True):
        assert answer.text == (
            "No whole sentence is in what ollama/tiny wrote, so the best passages are quoted:"
            f"\n\n“{QUOTE}” [1]"
        )
        assert answer.warnings == (ENDED,)


def test_a_model_that_loops_in_its_thoughts_leaves_the_passages(say: Say) -> None:
    ollama = say(Written("", thinking="so " * 40), "thinking")
    for answer in answers(ollama, JSON):
        assert (answer.quoted, answer.warnings) == (True, (ENDED,))


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("begun", [JSON, MARKS], ids=["json", "marks"])
@pytest.mark.parametrize("fault", ["dies_after", "torn_after"])
def test_what_was_whole_before_a_reply_broke_off_is_kept_with_a_note(
    say: Say, begun: str, fault: str, strict: bool
) -> None:
    tokens = {JSON: 40, MARKS: 18}[begun]
    written = begun + OPEN[begun] + " lit by rape oil every night" * 3
    ollama = say(Written(written, **{fault: tokens}))
    for answer in answers(ollama, begun, strict=strict):
        assert answer.text.startswith(SHOWN[begun])
        assert [sentence.status for sentence in answer.sentences] == ["supported"]
        assert answer.warnings == (BROKEN_OFF,)


@pytest.mark.parametrize("begun", [JSON, MARKS], ids=["json", "marks"])
@pytest.mark.parametrize("fault", ["dies_after", "torn_after"])
@pytest.mark.parametrize("tokens", [0, 5])
def test_a_reply_that_broke_off_before_its_first_sentence_is_an_error(
    say: Say, begun: str, fault: str, tokens: int
) -> None:
    ollama = say(Written(begun, **{fault: tokens}))
    with pytest.raises(LanguageModelReplyError, match="broke off before"):
        answers(ollama, begun)


def test_a_question_whose_rewriting_loops_is_rewritten_without_the_model(say: Say) -> None:
    ollama = say(Written("Who lit the lamp", loop=" lamp"))
    model = OllamaModel("tiny", host=ollama.url)
    earlier = [Answer("Who keeps the lamp?", SENTENCE)]
    assert standalone_question("And since when?", earlier, model) == (
        "Who keeps the lamp? And since when?"
    )


# --- models that write no answers -----------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("all-minilm", "all-minilm is an embedding model and does not write answers. Name"),
        ("deepseek-ocr", "deepseek-ocr reads pages and does not write answers. Name"),
        ("pages", "pages reads pages and does not write answers. Name"),
    ],
)
def test_a_model_that_writes_no_answers_is_refused_before_the_question_is_sent(
    say: Say, name: str, problem: str
) -> None:
    ollama = say(Written(""))
    qa = DocumentQA(DOCUMENT, f"ollama/{name}", host=ollama.url)
    for ask in (qa.ask, lambda question: list(qa.stream(question))):
        with pytest.raises(ConfigurationError) as refused:
            ask(QUESTION)
        assert str(refused.value).startswith(problem)
    assert not ollama.asked("/api/chat")


def test_none_of_them_is_chosen(ollama: FakeOllama) -> None:
    assert choose_language_model(ollama.url)[0] is None
    assert not ollama.asked("/api/chat")


def test_a_language_model_is_not_taken_for_an_embedding_model(say: Say) -> None:
    with pytest.raises(
        EmbeddingModelUnavailableError, match=r"does not support embeddings.*nomic-embed-text"
    ):
        OllamaEmbeddings("tiny", host=say(Written("")).url).embed_query("lamp")


def test_a_model_that_cannot_be_loaded_says_why(say: Say) -> None:
    ollama = say(Written(""))
    words = "model requires more system memory (666.3 MiB) than is available (558.9 MiB)"
    ollama.models["tiny:latest"] = replace(ollama.models["tiny:latest"], refusal=words)
    with pytest.raises(LanguageModelError, match="more system memory"):
        DocumentQA(DOCUMENT, "ollama/tiny", host=ollama.url).ask(QUESTION)
