"""Makes backends from the names that users write."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import pytest

from deepseek_ocr_rag.backends.registry import backend_named
from deepseek_ocr_rag.backends.remote.ollama import OllamaBackend
from deepseek_ocr_rag.backends.remote.server import ServerBackend
from deepseek_ocr_rag.errors import BackendUnavailableError, ConfigurationError


def test_lite_needs_nothing() -> None:
    pytest.importorskip("deepseek_ocr_rag.backends.lite.backend")
    backend = backend_named("lite")
    assert backend.name == "lite"
    backend.close()


def test_ollama_is_the_published_model() -> None:
    assert backend_named("ollama").model == "deepseek-ocr"


@pytest.mark.parametrize("model", ["deepseek-ocr:3b", "hf.co/some/model:Q8"])
def test_ollama_with_a_slash_is_that_model(model: str) -> None:
    backend = backend_named(f"ollama/{model}")
    assert isinstance(backend, OllamaBackend)
    assert backend.model == model


def test_server_is_the_one_of_the_environment_else_port_8000(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = backend_named("server")
    monkeypatch.setenv("DSOCR_SERVER_URL", "http://gpu.example:9000")
    there = backend_named("server")
    assert isinstance(here, ServerBackend)
    assert isinstance(there, ServerBackend)
    assert here.base_url == "http://127.0.0.1:8000/v1"
    assert there.base_url == "http://gpu.example:9000"


def test_server_with_a_colon_is_that_address(openai_server: Any, page_request: Any) -> None:
    backend = backend_named(f"server:{openai_server.url}")
    assert [reply.text for reply in backend.read([page_request(2)])] == ["Page 2 ß"]


def test_replay_with_a_colon_is_that_file(tmp_path: Path, page_request: Any) -> None:
    path = tmp_path / "with: colon.jsonl"
    path.write_text('{"page": 1, "text": "recorded"}\n', "utf-8")
    backend = backend_named(f"replay:{path}")
    assert [reply.text for reply in backend.read([page_request(1)])] == ["recorded"]


def test_official_with_a_colon_is_that_folder_if_its_code_may_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, light_transformers: Any, page_request: Any
) -> None:
    folder = light_transformers("return os.environ['PYTHON_USED']", gpu=True)
    with pytest.raises(ConfigurationError, match="--allow-remote-code"):
        backend_named(f"official:{folder}")
    other = tmp_path / "other-python"
    other.write_text(f'#!/bin/sh\nPYTHON_USED=other exec {sys.executable} "$@"\n')
    other.chmod(0o755)
    monkeypatch.setenv("DSOCR_OFFICIAL_PYTHON", str(other))
    backend = backend_named(f"official:{folder}", allow_remote_code=True)
    (reply,) = backend.read([page_request(1)])
    backend.close()
    assert reply.text == "other"


def test_official_alone_is_the_model_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigurationError, match="--allow-remote-code"):
        backend_named("official")
    monkeypatch.setenv("DSOCR_MODEL", str(tmp_path))
    assert backend_named("official", allow_remote_code=True).model == tmp_path.name
    monkeypatch.setenv("DSOCR_MODEL", "deepseek-ocr-2")
    named = backend_named("official", allow_remote_code=True).model
    assert named == "deepseek-ai/DeepSeek-OCR-2"
    monkeypatch.delenv("DSOCR_MODEL")
    named = backend_named("official", allow_remote_code=True).model
    assert named == "deepseek-ai/DeepSeek-OCR"


def test_a_missing_recording_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailableError):
        backend_named(f"replay:{tmp_path / 'missing.jsonl'}")


def test_auto_logs_what_it_chose_and_why(
    refused_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("deepseek_ocr_rag.backends.lite.backend")
    monkeypatch.setenv("OLLAMA_HOST", refused_url)
    with caplog.at_level(logging.INFO, logger="deepseek_ocr_rag"):
        assert backend_named("auto").name == "lite"
    assert "Ollama is not running" in caplog.text


@pytest.mark.parametrize(
    "spec", ["", "psychic", "Lite", "ollama/", "ollama:x", "server:", "replay:", "replay", "auto:"]
)
def test_anything_else_is_an_error_that_lists_the_choices(spec: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        backend_named(spec)
    for choice in ("auto", "lite", "ollama/<model>", "server:<base url>", "replay:<file>"):
        assert choice in str(caught.value)
