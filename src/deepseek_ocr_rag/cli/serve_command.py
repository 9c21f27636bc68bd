"""``dsocr serve-command``: the shell command that starts a server with the right options."""

from __future__ import annotations

import re
import shlex
from typing import Final

from ..errors import ConfigurationError

__all__ = ["SERVERS", "Release", "release_of", "serve_command"]

SERVERS: Final = ("vllm", "sglang")
"""Servers for which :func:`serve_command` has a command."""

Release = tuple[int, ...]
"""The numbers of a version: ``(0, 11, 1)``."""

FIRST_VLLM: Final = (0, 11, 1)
"""The first release that has the model and accepts lists in ``vllm_xargs``."""

FIRST_VLLM_WITH_NEW_RUNNER: Final = (0, 31)
"""The first release whose default model runner refuses the n-gram processor."""

_PROCESSOR: Final = "vllm.model_executor.models.deepseek_ocr:NGramPerReqLogitsProcessor"


def serve_command(
    server: str,
    *,
    version: str | None = None,
    port: int = 8000,
    model: str = "deepseek-ai/DeepSeek-OCR",
) -> str:
    """The shell command for a server, with comments that explain its options.

    Args:
        server: One of :data:`SERVERS`.
        version: Version of the server ("0.32.0"). Without it, the command works with
            any release that has the model.
        port: The port on 127.0.0.1 where it listens.
        model: Repository or folder of the weights.

    Returns:
        Lines for a POSIX shell. Sources: vLLM's recipe for DeepSeek-OCR and
        SGLang's page about it.

    Raises:
        ConfigurationError: If an argument is invalid, or the version does not have
            the model.
    """
    if not 1 <= port <= 65535:
        raise ConfigurationError(
            f"{port} is not a valid port", remedy="Choose one from 1 to 65535."
        )
    if not model.strip() or model.startswith("-") or not model.isprintable():
        raise ConfigurationError(
            f"{model!r} is not a valid model", remedy="Give a repository or a folder."
        )
    if server == "vllm":
        return _vllm(_vllm_release(version), port, shlex.quote(model))
    if server == "sglang":
        return _sglang(port, shlex.quote(model))
    raise ConfigurationError(
        f"the server {server!r} is unknown",
        remedy=f"Choose one of {', '.join(SERVERS)}.",
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
    options = (
        f"--host 127.0.0.1 --port {port}",
        f"--logits-processors {_PROCESSOR}",
        "--no-enable-prefix-caching",
        "--mm-processor-cache-gb 0",
    )
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
