"""The printed command is the one that a shell should run."""

from __future__ import annotations

import shlex

import pytest

from deepseek_ocr_rag.cli.serve_command import serve_command
from deepseek_ocr_rag.errors import ConfigurationError


def words(command: str) -> list[str]:
    """The command as a POSIX shell splits it, without its comments."""
    return shlex.split(command.replace("\\\n", " "), comments=True)


def option(command: str, name: str) -> str:
    split = words(command)
    return split[split.index(name) + 1]


def test_vllm_gets_the_options_of_its_recipe_for_the_model() -> None:
    command = serve_command("vllm", version="0.20.0")
    assert words(command)[:3] == ["vllm", "serve", "deepseek-ai/DeepSeek-OCR"]
    assert option(command, "--logits-processors") == (
        "vllm.model_executor.models.deepseek_ocr:NGramPerReqLogitsProcessor"
    )
    assert "--no-enable-prefix-caching" in words(command)
    assert option(command, "--mm-processor-cache-gb") == "0"


def test_vllm_prepares_pictures_in_several_threads_where_that_was_tried() -> None:
    for version, there in (("0.20.0", False), ("0.26.0", True), (None, True)):
        command = serve_command("vllm", version=version)
        assert ("--renderer-num-workers" in words(command)) is there
        assert ("7.7 pages" in command) is there
    assert option(serve_command("vllm"), "--renderer-num-workers") == "4"


def test_llama_cpp_gets_its_encoder_the_layout_marks_and_a_whole_context_for_each_slot() -> None:
    command = serve_command("llama.cpp", version="b11549", model="/models/deepseek-ocr-Q8_0.gguf")
    assert words(command)[0] == "llama-server"
    assert option(command, "--model") == "/models/deepseek-ocr-Q8_0.gguf"
    assert option(command, "--mmproj") == "/models/mmproj-deepseek-ocr-Q8_0.gguf"
    assert "--special" in words(command)
    assert int(option(command, "--ctx-size")) == 8192 * int(option(command, "--parallel"))
    assert "build 9587" in command


@pytest.mark.parametrize(("version", "needed"), [("0.24.0", False), ("0.30.1", True), (None, True)])
def test_ollama_gets_the_model_and_a_layout_model_where_it_keeps_marks_back(
    version: str | None, needed: bool
) -> None:
    command = serve_command("ollama", version=version)
    assert "OLLAMA_NUM_PARALLEL=4 ollama serve" in command
    assert "ollama pull deepseek-ocr" in command
    assert ("dsocr ollama-model" in command) is needed
    assert "OLLAMA_HOST" not in command
    assert "OLLAMA_HOST=127.0.0.1:9 " in serve_command("ollama", port=9)


@pytest.mark.parametrize("server", ["vllm", "sglang", "llama.cpp"])
def test_the_server_listens_on_this_machine_only(server: str) -> None:
    command = serve_command(server, port=9000)
    assert option(command, "--host") == "127.0.0.1"
    assert option(command, "--port") == "9000"


@pytest.mark.parametrize(
    ("version", "needed"),
    [
        ("0.11.1", False),
        ("0.30.2", False),
        ("0.31.0", True),
        ("v0.32.1rc2", True),
        ("0.33", True),
        ("0.34.0", True),
        ("1.31.0", True),
        (None, True),
    ],
)
def test_the_old_model_runner_is_used_if_the_new_one_refuses_the_processor(
    version: str | None, needed: bool
) -> None:
    command = serve_command("vllm", version=version)
    assert (words(command)[0] == "VLLM_USE_V2_MODEL_RUNNER=0") is needed
    assert ("VLLM_USE_V2_MODEL_RUNNER" in command) is needed


def test_without_a_version_a_comment_explains_the_variable() -> None:
    comments = [line for line in serve_command("vllm").splitlines() if line.startswith("#")]
    assert any("0.31 and newer" in line for line in comments)


@pytest.mark.parametrize("version", ["0.11.0", "0.8.5"])
def test_a_vllm_without_the_model_is_refused(version: str) -> None:
    with pytest.raises(ConfigurationError, match=r"0\.11\.1"):
        serve_command("vllm", version=version)


def test_the_model_is_quoted_for_the_shell() -> None:
    model = "/models/my model; rm -rf $HOME"
    for server in ("vllm", "sglang"):
        assert model in words(serve_command(server, model=model))


@pytest.mark.parametrize(
    "wrong",
    [
        {"server": "tgi"},
        {"server": "llama.cpp", "version": "b9586"},
        {"server": "ollama", "version": "0.12.9"},
        {"server": "vllm", "port": 0},
        {"server": "vllm", "port": 65536},
        {"server": "vllm", "version": "new"},
        {"server": "vllm", "model": ""},
        {"server": "vllm", "model": "--trust-remote-code"},
        {"server": "vllm", "model": "a\nb"},
    ],
)
def test_invalid_arguments_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        serve_command(**wrong)  # type: ignore[arg-type]
