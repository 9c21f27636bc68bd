"""What can be passed as a language model, and what is said about anything else."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from deepseek_ocr_rag import DocumentQA, OllamaModel, OpenAIModel
from deepseek_ocr_rag.answering import Message
from deepseek_ocr_rag.answering.models.model_choice import language_model, language_model_named
from deepseek_ocr_rag.answering.models.model_fitness import writes_text
from deepseek_ocr_rag.document.types import OcrDocument, Page
from deepseek_ocr_rag.errors import (
    ConfigurationError,
    MissingExtraError,
    RemoteModelRefusedError,
)

DOCUMENT = OcrDocument("light.pdf", (Page(1, "Ann Lee keeps the lamp.", ()),), 1)


class Own:
    """Fits; says nothing."""

    name = "own"

    @property
    def context_length(self) -> int:
        raise AssertionError("a property may ask a server, so it is not read to look at the object")

    def stream(self, messages: Sequence[Message], *, max_tokens: int) -> Iterator[str]:
        yield ""


class WithoutName:
    context_length = 4096

    def stream(self, messages: Sequence[Message], *, max_tokens: int) -> Iterator[str]:
        yield ""


class OtherStream(Own):
    def stream(self, prompt: str) -> Iterator[str]:  # type: ignore[override]
        yield ""


def test_an_object_that_fits_is_taken_as_it_is() -> None:
    own = Own()
    assert language_model(own) is own
    assert DocumentQA(DOCUMENT, llm=own).llm is own


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (42, "llm cannot be a int, which has no name and no context_length and no stream"),
        (["ollama/gemma3:4b"], "llm cannot be a list"),
        (Own, "the class Own: pass an object of it"),
        (WithoutName(), "a WithoutName, which has no name"),
        (OtherStream(), r"whose stream\(\) does not take"),
        (lambda prompt: "Ann", "llm cannot be a function"),
        (object(), "chat model of LangChain"),
    ],
)
def test_anything_else_is_told_before_a_question_is_asked(wrong: object, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        DocumentQA(DOCUMENT, llm=wrong)


@pytest.mark.parametrize(
    ("spec", "meant"),
    [
        ("gemma3", "'ollama/gemma3'"),
        ("gemma3:4b", "'ollama/gemma3:4b'"),
        ("ollama:gemma3", "'ollama/gemma3'"),
        ("http://127.0.0.1:8080", "'openai:http://127.0.0.1:8080'"),
    ],
)
def test_a_name_without_its_provider_is_asked_about(spec: str, meant: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        language_model_named(spec)
    assert f"Did you mean {meant}?" in str(caught.value)


@pytest.mark.parametrize("spec", ["ollama", "ollama/", "openai", "openai:foo", "openai:8000"])
def test_a_provider_alone_is_not_taken_for_a_model(spec: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        language_model_named(spec)
    assert "Did you mean" not in str(caught.value)
    assert "Write 'ollama/<model>'" in str(caught.value)


@pytest.mark.parametrize(
    ("shown", "writes"),
    [({}, True), ({"remote_host": "far"}, False), ({"remote_model": "gpt"}, False)],
)
def test_a_model_that_ollama_runs_elsewhere_is_not_chosen(
    shown: dict[str, str], writes: bool
) -> None:
    server = SimpleNamespace(show=lambda model: {"capabilities": ["completion"], **shown})
    assert writes_text(server, "m") is writes  # type: ignore[arg-type]


def test_ollamas_models_are_named() -> None:
    named = language_model_named("ollama/qwen3:4b", think="low")
    assert isinstance(named, OllamaModel)
    assert (named.model, named.think) == ("qwen3:4b", "low")


@pytest.mark.parametrize("provider", ["openai", "vllm", "llama.cpp", "sglang"])
@pytest.mark.parametrize(
    ("address", "url", "model"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/v1", None),
        ("http://localhost:8080/v1/", "http://localhost:8080/v1", None),
        ("http://localhost:1/v1/chat/completions#a/b:c", "http://localhost:1/v1", "a/b:c"),
    ],
)
def test_any_openai_compatible_server_is_named(
    provider: str, address: str, url: str, model: str | None
) -> None:
    named = language_model_named(f"{provider}:{address}")
    assert isinstance(named, OpenAIModel)
    assert named.server.url == url
    assert model is None or named.model == model


@pytest.mark.parametrize(
    "address",
    ["http://10.0.0.7:8000", "https://api.openai.com/v1#gpt-5", "http://localhost.evil.example"],
)
def test_a_server_that_is_not_this_machine_is_refused(address: str) -> None:
    with pytest.raises(RemoteModelRefusedError, match="allow_remote=True"):
        DocumentQA(DOCUMENT, llm=f"openai:{address}")
    assert language_model_named(f"openai:{address}", allow_remote=True)


@pytest.mark.parametrize(
    "address", ["http://", "ftp://127.0.0.1", "http://127.0.0.1:port", "http://u:secret@127.0.0.1"]
)
def test_an_address_that_is_none_is_refused_and_shows_no_password(address: str) -> None:
    with pytest.raises(ConfigurationError, match="not the address") as caught:
        OpenAIModel(address)
    assert "secret" not in str(caught.value)


def framework_model(package: str) -> Any:
    """An object whose class inherits from one of a framework, as its models do."""
    base = type("BaseChatModel", (), {"__module__": f"{package}.language_models"})
    return type("SomeChatModel", (base,), {"__module__": "somewhere.else"})()


@pytest.mark.parametrize(
    ("package", "module"),
    [
        ("langchain_core", "langchain_deepseek_ocr"),
        ("llama_index", "llama_index.readers.deepseek_ocr"),
    ],
)
def test_a_model_of_a_framework_goes_through_its_integration(
    package: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, given = Own(), []
    door = ModuleType(module)
    door.language_model = lambda model: given.append(model) or own  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module, door)
    model = framework_model(package)
    assert language_model(model) is own
    assert given == [model]


def test_without_the_integration_the_error_has_the_pip_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "langchain_deepseek_ocr", None)
    with pytest.raises(MissingExtraError, match="pip install langchain-deepseek-ocr"):
        DocumentQA(DOCUMENT, llm=framework_model("langchain_core"))
