"""A setting that does not exist is an error that names the one that was meant, everywhere."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest
from langchain_deepseek_ocr import AnswerVerifier as LangChainVerifier
from langchain_deepseek_ocr import (
    DeepSeekOCRLoader,
    DeepSeekOCRParser,
    DeepSeekOCRTool,
    DeepSeekOCRToolkit,
    DocumentRetriever,
    LayoutTextSplitter,
    LocateTool,
    LookAtTool,
    SearchDocumentTool,
)
from llama_index.readers.deepseek_ocr import AnswerVerifier as LlamaIndexVerifier
from llama_index.readers.deepseek_ocr import DeepSeekOCRNodeParser, DeepSeekOCRReader
from llama_index.retrievers.deepseek_ocr import DeepSeekOCRRetriever
from llama_index.tools.deepseek_ocr import DeepSeekOCRToolSpec
from pydantic import BaseModel, ValidationError

import deepseek_ocr_rag
from deepseek_ocr_rag import Page, Reader
from deepseek_ocr_rag.agents import AgentReader
from deepseek_ocr_rag.answering import Verifier
from deepseek_ocr_rag.cli.arguments import argument_parser
from deepseek_ocr_rag.errors import ConfigurationError, UnknownSettingError
from deepseek_ocr_rag.export import AnswerPictures, FolderWriter
from deepseek_ocr_rag.setting_names import near_name

REFUSED = (UnknownSettingError, ValidationError)
"""Pydantic wraps our error in one of its own; both are ValueErrors."""

RESULTS = (BaseException, str, tuple)
"""What is only given to users, never made by them with settings."""

MADE_BY_US = {"Answer", "Block", "Box", "Chunk", "Citation", "Conversation", "OcrDocument"} | {
    *("Page", "Passage", "Sentence", "Table")
}


def classes_with_settings() -> list[type]:
    """Every public class at the top that a user makes, and those of the rooms."""
    top = [getattr(deepseek_ocr_rag, name) for name in deepseek_ocr_rag.__all__]
    made = [
        each
        for each in top
        if inspect.isclass(each)
        and not issubclass(each, RESULTS)
        and each.__name__ not in MADE_BY_US
    ]
    return [*made, AgentReader, AnswerPictures, FolderWriter, Verifier]


INTEGRATIONS = [
    *(DeepSeekOCRLoader, DeepSeekOCRParser, LayoutTextSplitter, DocumentRetriever),
    *(DeepSeekOCRToolkit, DeepSeekOCRTool, SearchDocumentTool, LocateTool, LookAtTool),
    *(DeepSeekOCRReader, DeepSeekOCRNodeParser, DeepSeekOCRRetriever, DeepSeekOCRToolSpec),
    *(LangChainVerifier, LlamaIndexVerifier),
]


def settings_of(cls: type) -> list[str]:
    if issubclass(cls, BaseModel):
        return [name for name, field in cls.model_fields.items() if field.alias is None]
    parameters = list(inspect.signature(cls).parameters.values())
    kinds = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [each.name for each in parameters if each.kind in kinds]


def misspelled(name: str) -> str:
    """Without its second letter; what is too short for that gets one more."""
    return name[0] + name[2:] if len(name) > 5 else f"{name}x"


@pytest.mark.parametrize(
    "cls", [*classes_with_settings(), *INTEGRATIONS], ids=lambda cls: cls.__name__
)
def test_a_misspelled_setting_is_an_error_that_names_the_near_one(cls: Any) -> None:
    names = settings_of(cls)
    for name in names:
        if len(name) < 3 or misspelled(name) in names:
            continue
        with pytest.raises(REFUSED) as caught:
            cls(**{misspelled(name): None})
        assert f"{cls.__name__} has no setting '{misspelled(name)}'" in str(caught.value)
        assert f"Write {name} instead of {misspelled(name)}." in str(caught.value)


@pytest.mark.parametrize(
    "cls", [DeepSeekOCRToolkit, DeepSeekOCRTool, DeepSeekOCRToolSpec, AgentReader]
)
def test_a_wrong_root_never_serves_the_current_directory(
    cls: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "papers").mkdir()
    with pytest.raises(REFUSED, match=r"Write root_dir instead of root\."):
        cls(root="papers")


@pytest.mark.parametrize("cls", [DeepSeekOCRLoader, DeepSeekOCRParser, DeepSeekOCRReader])
def test_a_wrong_backend_is_not_read_with_the_default(cls: Any) -> None:
    positional = ("report.pdf",) if cls is DeepSeekOCRLoader else ()
    with pytest.raises(REFUSED, match="Write backend instead of bakend"):
        cls(*positional, bakend="lite")


def test_splitting_and_indexing_at_once_knows_the_settings_of_both() -> None:
    with pytest.raises(REFUSED, match="Write max_tokens instead of max_token"):
        DocumentRetriever.from_documents([], max_token=100)
    with pytest.raises(REFUSED, match="Write embeddings instead of embedings"):
        DocumentRetriever.from_documents([], embedings="ollama/all-minilm")


def test_what_resembles_nothing_gets_the_list() -> None:
    with pytest.raises(REFUSED) as caught:
        deepseek_ocr_rag.Limits(colour="red")  # type: ignore[call-arg]
    assert "Choose from" in str(caught.value)
    assert "page_seconds" in str(caught.value)


def test_it_is_caught_as_either_kind_of_error() -> None:
    assert issubclass(UnknownSettingError, ConfigurationError)
    assert issubclass(UnknownSettingError, TypeError)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("bakend", "backend"),
        ("root", "root_dir"),
        ("dir", "root_dir"),
        ("Password", "password"),
        ("zzz", None),
    ],
)
def test_a_misspelled_name_has_a_near_name(name: str, meant: str | None) -> None:
    assert near_name(name, ["backend", "mode", "password", "root_dir"]) == meant


def test_a_setting_that_exists_is_taken_as_before(tmp_path: Path) -> None:
    assert DeepSeekOCRToolkit(root_dir=tmp_path, backend="lite").root_dir == tmp_path
    assert str(inspect.signature(deepseek_ocr_rag.Reader)).startswith("(backend")
    assert importlib.import_module("deepseek_ocr_rag.setting_names").__all__


@pytest.mark.parametrize("option", ["--bakend", "--bakend=lite", "--backnd"])
def test_a_misspelled_option_of_a_command_names_the_near_one(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        argument_parser().parse_args(["read", "report.pdf", option, "lite"])
    assert stopped.value.code == 2
    assert f"there is no option {option.split('=')[0]}; write --" in capsys.readouterr().err


# --- renamed settings --------------------------------------------------------------------


def test_resolution_is_taken_by_its_old_name_with_a_warning() -> None:
    with pytest.warns(DeprecationWarning, match="mode= is now resolution="):
        reader = Reader("lite", mode="tiny")  # type: ignore[call-arg]
    assert repr(reader) == repr(Reader("lite", resolution="tiny"))
    with pytest.warns(DeprecationWarning, match="mode= is now resolution="):
        page = Page(1, mode="base")  # type: ignore[call-arg]
    with pytest.warns(DeprecationWarning, match=r"Page\.mode is now Page\.resolution"):
        assert page.mode == page.resolution == "base"


def test_a_page_written_under_the_old_name_is_read() -> None:
    data = Page(1, resolution="base").to_dict()
    data["mode"] = data.pop("resolution")
    assert Page.from_dict(data).resolution == "base"


def test_both_names_at_once_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="both resolution and its old name mode"):
        Reader("lite", resolution="tiny", mode="base")  # type: ignore[call-arg]
