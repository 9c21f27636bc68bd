"""The command that starts an OpenAI-compatible server which reads pages well."""

from __future__ import annotations

import re
import shlex
from typing import Final

from ..errors import ConfigurationError

__all__ = ["SERVERS", "serve_command"]

SERVERS: Final = ("vllm", "sglang")
"""What :func:`serve_command` knows."""

_FIRST_VLLM: Final = (0, 11, 1)
"""The first release with the model and with lists in ``vllm_xargs``."""

_PROCESSOR: Final = "vllm.model_executor.models.deepseek_ocr:NGramPerReqLogitsProcessor"


def serve_command(
    server: str,
    *,
    version: str | None = None,
    port: int = 8000,
    model: str = "deepseek-ai/DeepSeek-OCR",
) -> str:
    """The shell command for a server, with comment lines that say why it is as it is.

    Args:
        server: One of :data:`SERVERS`.
        version: Version of the server ("0.32.0"); without it the command has
            what any release since the first with the model may need.
        port: Where it listens, on this machine only.
        model: Repository or folder of the weights.

    Returns:
        Lines for a POSIX shell. Sources: vLLM's recipe for DeepSeek-OCR and
        SGLang's page about it.

    Raises:
        ConfigurationError: If an argument cannot be meant, or the version has
            no such model.
    """
    if not 1 <= port <= 65535:
        raise ConfigurationError(f"{port} is no port", remedy="Choose one of 1 to 65535.")
    if not model.strip() or model.startswith("-") or not model.isprintable():
        raise ConfigurationError(f"{model!r} is no model", remedy="Name a repository or a folder.")
    if server == "vllm":
        return _vllm(_numbers(version), port, shlex.quote(model))
    if server == "sglang":
        return _sglang(port, shlex.quote(model))
    raise ConfigurationError(
        f"there is no command for a server {server!r}",
        remedy=f"Choose one of {', '.join(SERVERS)}.",
    )


def _vllm(version: tuple[int, ...] | None, port: int, model: str) -> str:
    if version is not None and version < _FIRST_VLLM:
        raise ConfigurationError(
            f"vLLM {'.'.join(map(str, version))} does not have DeepSeek-OCR",
            remedy='Install 0.11.1 or newer: pip install "vllm>=0.11.1"',
        )
    lines = []
    old_runner = ""
    if version is None or version >= (0, 31):
        old_runner = "VLLM_USE_V2_MODEL_RUNNER=0 "
        lines.append("# The new model runner of vLLM 0.31 and newer refuses the n-gram processor;")
        lines.append(
            "# older versions do not need the variable, and take it."
            if version is None
            else "# the variable selects the old runner."
        )
    lines.append("# The n-gram processor keeps the model from repeating itself without end.")
    lines.append("# Pages do not repeat, so that caching them only costs memory.")
    options = (
        f"--host 127.0.0.1 --port {port}",
        f"--logits-processors {_PROCESSOR}",
        "--no-enable-prefix-caching",
        "--mm-processor-cache-gb 0",
    )
    lines.append(" \\\n  ".join((f"{old_runner}vllm serve {model}", *options)))
    return "\n".join(lines)


def _sglang(port: int, model: str) -> str:
    return "\n".join(
        (
            "# --trust-remote-code runs Python code out of the model's repository.",
            "# SGLang takes its n-gram processor only as pickled code in each request, which",
            "# is not sent: some pages will repeat themselves until the token limit.",
            f"python -m sglang.launch_server --model-path {model} \\",
            f"  --trust-remote-code --host 127.0.0.1 --port {port}",
        )
    )


def _numbers(version: str | None) -> tuple[int, ...] | None:
    if version is None:
        return None
    match = re.match(r"v?(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?", version.strip())
    if match is None:
        raise ConfigurationError(
            f"{version!r} is no version of vLLM", remedy="Write it as in 0.32.0."
        )
    return tuple(int(number or 0) for number in match.groups())
