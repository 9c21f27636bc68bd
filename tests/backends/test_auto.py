"""Chooses a backend, and says why not the others."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from waiting import LONG

from deepseek_ocr_rag.backends import auto
from deepseek_ocr_rag.backends.auto import BackendStatus, choose_backend, probe_backends
from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.installing import install_command
from deepseek_ocr_rag.model.families import FAMILIES

pytest.importorskip("deepseek_ocr_rag.backends.lite.backend")


@pytest.fixture(autouse=True)
def no_ollama(monkeypatch: pytest.MonkeyPatch, refused_url: str) -> None:
    """Makes sure that nothing listens on Ollama's port unless a test starts one."""
    monkeypatch.setenv("OLLAMA_HOST", refused_url)


def by_name() -> dict[str, BackendStatus]:
    return {status.name: status for status in probe_backends()}


def test_without_any_server_lite_is_chosen_and_the_reason_names_what_is_missing() -> None:
    choice = choose_backend()
    assert choice.backend.name == "lite"
    assert "DSOCR_SERVER_URL" in choice.reason
    assert "Ollama is not running" in choice.reason
    choice.backend.close()


def test_an_ollama_with_the_model_is_chosen(
    ollama_server: Any, monkeypatch: pytest.MonkeyPatch, page_request: Any
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", ollama_server.url)
    choice = choose_backend()
    assert (choice.backend.name, choice.backend.model) == ("ollama", "deepseek-ocr:latest")
    assert "deepseek-ocr:latest" in choice.reason
    assert [reply.text for reply in choice.backend.read([page_request(4)])] == ["Page 4 ß"]
    choice.backend.close()


def test_a_server_that_is_named_and_answers_goes_first(
    openai_server: Any, ollama_server: Any, monkeypatch: pytest.MonkeyPatch, page_request: Any
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", ollama_server.url)
    monkeypatch.setenv("DSOCR_SERVER_URL", openai_server.url)
    choice = choose_backend()
    assert (choice.backend.name, choice.backend.model) == ("server", "deepseek-ai/DeepSeek-OCR")
    assert openai_server.url in choice.reason
    assert [reply.text for reply in choice.backend.read([page_request(4)])] == ["Page 4 ß"]
    choice.backend.close()


def test_a_named_server_that_does_not_answer_is_in_the_reason(
    ollama_server: Any, refused_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", ollama_server.url)
    monkeypatch.setenv("DSOCR_SERVER_URL", refused_url.replace("//", "//user:hunter2@"))
    choice = choose_backend()
    assert choice.backend.name == "ollama"
    assert refused_url in choice.reason
    assert "hunter2" not in choice.reason


@pytest.mark.parametrize("url", ["not a url", "127.0.0.1:8000", "http://[1"])
def test_an_invalid_server_address_is_a_finding_and_not_a_crash(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("DSOCR_SERVER_URL", url)
    assert choose_backend().backend.name == "lite"
    assert not by_name()["server"].works


def test_an_ollama_without_the_model_is_passed_over_and_the_remedy_pulls_it(
    ollama_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", ollama_server.url)
    ollama_server.answers["/api/tags"] = lambda e: e.json({"models": [{"model": "gemma3:4b"}]})
    assert choose_backend().backend.name == "lite"
    assert by_name()["ollama"].remedy == "Get it with `ollama pull deepseek-ocr`."


def test_an_ollama_that_is_too_old_is_passed_over(
    ollama_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", ollama_server.url)
    ollama_server.answers["/api/version"] = lambda e: e.json({"version": "0.12.0"})
    choice = choose_backend()
    assert choice.backend.name == "lite"
    assert "too old" in choice.reason


@pytest.mark.parametrize(
    "entry",
    [
        {"model": "deepseek-ocr:cloud"},
        {"model": "deepseek-ocr:3b", "remote_host": "https://ollama.com:443"},
        {"model": "deepseek-ocr:3b", "remote_model": "deepseek-ocr"},
    ],
)
def test_a_model_that_runs_elsewhere_is_passed_over_whichever_field_says_so(
    ollama_server: Any, monkeypatch: pytest.MonkeyPatch, entry: dict[str, str]
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", ollama_server.url)
    ollama_server.answers["/api/tags"] = lambda e: e.json({"models": [entry]})
    assert choose_backend().backend.name == "lite"


def test_the_published_model_goes_before_copies_of_it(
    ollama_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", ollama_server.url)
    names = ["hf.co/some/DeepSeek-OCR-GGUF:Q8", "deepseek-ocr:3b", "deepseek-ocr:latest"]
    ollama_server.answers["/api/tags"] = lambda e: e.json({"models": [{"name": n} for n in names]})
    assert choose_backend().backend.model == "deepseek-ocr:3b"


def test_an_ollama_on_another_machine_is_not_even_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "http://ollama.example:11434")

    def no_network(*args: object, **kwargs: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr("deepseek_ocr_rag.backends.remote.ollama_models.fetch_json", no_network)
    choice = choose_backend()
    assert choice.backend.name == "lite"
    assert "another machine" in choice.reason


@pytest.mark.parametrize("answer", [{"models": "many"}, {"models": [3]}, [], None])
def test_an_ollama_that_answers_oddly_is_a_finding_and_not_a_crash(
    ollama_server: Any, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", ollama_server.url)
    ollama_server.answers["/api/tags"] = lambda e: e.json(answer)
    status = by_name()["ollama"]
    assert not status.works
    assert status.remedy


def test_servers_that_do_not_answer_cost_little_time(
    ollama_server: Any, openai_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auto, "ANSWER_SECONDS", 0.3)
    monkeypatch.setenv("OLLAMA_HOST", ollama_server.url)
    monkeypatch.setenv("DSOCR_SERVER_URL", openai_server.url)
    ollama_server.answers["/api/tags"] = lambda e: e.stall()
    openai_server.answers["/v1/models"] = lambda e: e.stall()
    started = time.monotonic()
    assert choose_backend().backend.name == "lite"
    assert time.monotonic() - started < LONG / 2  # they say nothing for longer


def test_every_status_works_or_says_what_to_do(
    ollama_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", ollama_server.url)
    statuses = probe_backends()
    names = [status.name for status in statuses]
    assert names == ["server", "local", "transformers", "ollama", "lite"]
    assert [status.works for status in statuses] == [False, False, False, True, True]
    assert all(status.detail for status in statuses)
    assert all(bool(status.remedy) != status.works for status in statuses)


@pytest.fixture
def downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """DeepSeek-OCR in the hub's cache, with the files that are checked before loading."""
    family = FAMILIES["deepseek-ocr"]
    name = f"models--{family.hub_id.replace('/', '--')}"
    snapshot = tmp_path / name / "snapshots" / family.revision
    snapshot.mkdir(parents=True)
    config = {"model_type": "deepseek_vl_v2", "vision_config": {"model_name": "deeplip_b_l"}}
    (snapshot / "config.json").write_text(json.dumps(config))
    (snapshot / "tokenizer.json").write_text("{}")
    (snapshot / "model.safetensors").write_bytes(b"")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    return family.hub_id


def test_a_model_on_the_disk_and_an_nvidia_gpu_are_for_the_engine(
    downloaded: str, ollama_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", ollama_server.url)
    monkeypatch.setattr(auto, "engine_problem", lambda: None)
    choice = choose_backend()
    assert repr(choice.backend) == "LocalBackend('deepseek-ocr')"
    assert downloaded in choice.reason
    choice.backend.close()


def test_a_gpu_on_which_the_engine_does_not_run_is_for_transformers(
    downloaded: str, ollama_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", ollama_server.url)
    problem = ConfigurationError("Tesla T4 has compute capability 7.5", remedy="It needs 8.0.")
    monkeypatch.setattr(auto, "engine_problem", lambda: problem)
    monkeypatch.setattr(auto, "gpu_name", lambda: "NVIDIA H200")
    choice = choose_backend()
    assert choice.backend.name == "transformers"
    assert downloaded in choice.reason
    assert "NVIDIA H200" in choice.reason
    assert "compute capability 7.5" in choice.reason
    choice.backend.close()


@pytest.mark.usefixtures("downloaded")
def test_a_model_on_the_disk_without_a_gpu_is_passed_over_and_the_reason_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(auto, "gpu_name", lambda: None)
    assert choose_backend().backend.name == "lite"
    assert "no GPU" in by_name()["transformers"].detail
    assert "--backend transformers" in by_name()["transformers"].remedy


def test_without_a_model_on_the_disk_nothing_is_downloaded_and_torch_stays_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    for asks_torch in ("gpu_name", "engine_problem"):
        monkeypatch.setattr(auto, asks_torch, lambda: pytest.fail("torch was asked"))
    status = by_name()["transformers"]
    assert not status.works
    assert "hf download deepseek-ai/DeepSeek-OCR" in status.remedy


def test_a_model_may_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSOCR_MODEL", str(tmp_path / "nothing"))
    assert (
        str(tmp_path) in by_name()["transformers"].detail
        or "folder" in by_name()["transformers"].detail
    )


def test_without_torch_the_pip_line_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto, "find_spec", lambda name: None)
    assert install_command("local") in by_name()["transformers"].remedy


def test_only_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = auto.find_spec
    monkeypatch.setattr(auto, "find_spec", lambda name: None if name == "torch" else real("json"))
    assert by_name()["transformers"].detail == "torch is not installed"
