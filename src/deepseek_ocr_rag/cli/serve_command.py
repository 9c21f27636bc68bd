"""``dsocr serve-command``: the shell command that starts a server with the right options."""

from __future__ import annotations

import argparse
import re
import shlex
from typing import Final

from ..errors import ConfigurationError
from .output import print_output

__all__ = ["SERVERS", "Release", "print_serve_command", "release_of", "serve_command"]

SERVERS: Final = ("vllm", "sglang", "llama.cpp", "ollama")
"""Servers for which :func:`serve_command` has a command."""

PUBLISHED: Final = "deepseek-ai/DeepSeek-OCR"
"""The weights that vLLM and SGLang load; other servers need other formats."""

FIRST_LLAMA_CPP: Final = (9587,)
"""The first build of llama.cpp that runs deepseek-ocr correctly."""

FIRST_OLLAMA: Final = (0, 13)
"""The first Ollama that runs deepseek-ocr."""

CONTEXT: Final = 8192
"""The model's context in tokens: picture, prompt and reply."""

SLOTS: Final = 4
"""Pages that llama.cpp and Ollama read at once in the printed commands."""

OLLAMA_PORT: Final = 11434

Release = tuple[int, ...]
"""The numbers of a version: ``(0, 11, 1)``."""

FIRST_VLLM: Final = (0, 11, 1)
"""The first release that has the model and accepts lists in ``vllm_xargs``."""

FIRST_VLLM_WITH_NEW_RUNNER: Final = (0, 31)
"""The first release whose default model runner refuses the n-gram processor."""

VLLM_WITH_RENDERER_WORKERS: Final = (0, 26)
"""The first release with which ``--renderer-num-workers`` was tried."""

_PROCESSOR: Final = "vllm.model_executor.models.deepseek_ocr:NGramPerReqLogitsProcessor"


def print_serve_command(options: argparse.Namespace) -> int:
    """``dsocr serve-command``: print the command."""
    print_output(
        serve_command(
            options.server, version=options.version, port=options.port, model=options.model
        )
    )
    return 0


def serve_command(
    server: str, *, version: str | None = None, port: int | None = None, model: str | None = None
) -> str:
    """The shell command for a server, with comments that explain its options.

    Without a ``version`` ("0.32.0"), the command works with any release that has the model. It
    listens on 127.0.0.1 at ``port``; without it 8000, for Ollama 11434. ``model`` is the repository
    or folder of the weights; for llama.cpp the GGUF file, for Ollama the name in its library.

    Sources: vLLM's recipe for DeepSeek-OCR, SGLang's page about it, the help of llama.cpp's server,
    and what was measured with each.
    """
    if port is not None and not 1 <= port <= 65535:
        raise ConfigurationError(
            f"{port} is not a valid port", remedy="Choose one from 1 to 65535."
        )
    if model is not None and (
        not model.strip() or model.startswith("-") or not model.isprintable()
    ):
        raise ConfigurationError(
            f"{model!r} is not a valid model", remedy="Give a repository, a folder or a file."
        )
    if server == "vllm":
        return _vllm(_vllm_release(version), port or 8000, shlex.quote(model or PUBLISHED))
    if server == "sglang":
        return _sglang(port or 8000, shlex.quote(model or PUBLISHED))
    if server == "llama.cpp":
        return _llama_cpp(version, port or 8000, model or "deepseek-ocr-bf16.gguf")
    if server == "ollama":
        return _ollama(version, port or OLLAMA_PORT, shlex.quote(model or "deepseek-ocr"))
    raise ConfigurationError(
        f"the server {server!r} is unknown", remedy=f"Choose one of {', '.join(SERVERS)}."
    )


def _vllm(version: Release | None, port: int, model: str) -> str:
    if version is not None and version < FIRST_VLLM:
        raise ConfigurationError(
            f"vLLM {'.'.join(map(str, version))} does not have DeepSeek-OCR",
            remedy='Install 0.11.1 or newer: pip install "vllm>=0.11.1"',
        )
    lines = []
    environment = ""
    if version is None or version >= FIRST_VLLM_WITH_NEW_RUNNER:
        environment = "VLLM_USE_V2_MODEL_RUNNER=0 "
        lines.append("# The new model runner of vLLM 0.31 and newer refuses the n-gram processor;")
        lines.append(
            "# older versions ignore this variable."
            if version is None
            else "# this variable selects the old one."
        )
    lines.append("# The n-gram processor keeps the model from repeating itself endlessly.")
    lines.append("# Pages do not repeat, so caching them would only cost memory.")
    options: tuple[str, ...] = (
        f"--host 127.0.0.1 --port {port}",
        f"--logits-processors {_PROCESSOR}",
        "--no-enable-prefix-caching",
        "--mm-processor-cache-gb 0",
    )
    if version is None or version >= VLLM_WITH_RENDERER_WORKERS:
        lines.append("# One thread that prepares pictures holds up the card; four gave 7.7 pages a")
        lines.append("# second in place of 4.5 (vLLM 0.26, one H200, 64 pages in flight).")
        if version is None:
            lines.append("# Leave the last option out where an older vLLM does not know it.")
        options = (*options, "--renderer-num-workers 4")
    lines.append(" \\\n  ".join((f"{environment}vllm serve {model}", *options)))
    return "\n".join(lines)


def _sglang(port: int, model: str) -> str:
    return "\n".join(
        (
            "# --trust-remote-code runs Python code out of the model's repository.",
            "# SGLang accepts an n-gram processor only as pickled code in each request, which",
            "# we do not send: some pages will repeat themselves until the token limit.",
            f"python -m sglang.launch_server --model-path {model} \\",
            f"  --trust-remote-code --host 127.0.0.1 --port {port}",
        )
    )


def _llama_cpp(version: str | None, port: int, model: str) -> str:
    build = release_of((version or "").strip().removeprefix("b"))
    if version is not None and build[:1] < FIRST_LLAMA_CPP:
        raise ConfigurationError(
            f"llama.cpp {version!r} does not read DeepSeek-OCR rightly",
            remedy=f"Install build {FIRST_LLAMA_CPP[0]} or newer; `llama-server --version` says it.",
        )
    folder, slash, name = model.rpartition("/")
    projector = f"{folder}{slash}mmproj-{name}"
    return "\n".join(
        (
            f"# From build {FIRST_LLAMA_CPP[0]} on (llama-server --version). Two files: the language",
            "# model and, as --mmproj, the picture encoder, without which it cannot see. Take BF16,",
            "# or Q8_0 for half the memory.",
            "# --special: without it the server withholds the marks of boxes and table cells.",
            f"# --parallel: pages at once; --ctx-size is that of all of them, {CONTEXT} each.",
            f"llama-server --model {shlex.quote(model)} \\",
            f"  --mmproj {shlex.quote(projector)} \\",
            f"  --special --parallel {SLOTS} --ctx-size {SLOTS * CONTEXT} \\",
            f"  --host 127.0.0.1 --port {port}",
        )
    )


def _ollama(version: str | None, port: int, model: str) -> str:
    release = release_of((version or "").strip().removeprefix("v"))
    if version is not None and release != (0, 0, 0) and release < FIRST_OLLAMA:
        raise ConfigurationError(
            f"Ollama {version!r} does not have deepseek-ocr",
            remedy="Install 0.13 or newer: https://ollama.com/download",
        )
    host = "" if port == OLLAMA_PORT else f"OLLAMA_HOST=127.0.0.1:{port} "
    lines = [
        f"# OLLAMA_NUM_PARALLEL: pages at once; read with --concurrency {SLOTS} then.",
        f"{host}OLLAMA_NUM_PARALLEL={SLOTS} ollama serve",
        "# In another terminal, once:",
        f"{host}ollama pull {model}",
    ]
    if version is None or release == (0, 0, 0) or release >= (0, 30):
        lines += [
            "# Ollama 0.30 and newer keep back the marks of boxes and table cells; this makes a",
            "# second model that writes them:",
            f"{host}dsocr ollama-model --from {model}",
        ]
    return "\n".join(lines)


def _vllm_release(version: str | None) -> Release | None:
    if version is None:
        return None
    release = release_of(version.strip().removeprefix("v"))
    if len(release) < 2:
        raise ConfigurationError(
            f"{version!r} is not a version of vLLM", remedy="Write it like 0.32.0."
        )
    return release


def release_of(version: str) -> Release:
    """The leading numbers of a version; what follows them is ignored."""
    match = re.match(r"\d{1,6}(?:\.\d{1,6}){0,5}", version)
    return tuple(int(number) for number in match[0].split(".")) if match else ()
