"""Explains why the published code cannot be loaded or fails at a page, and what to do."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ...errors import (
    BackendError,
    BackendReplyError,
    BackendTimeoutError,
    BackendUnavailableError,
    DeepSeekOCRError,
    MissingExtraError,
)
from ...installing import install_command
from ...text.excerpt import excerpt
from ..base import PageRequest, Reply
from ..known_failures import remedy_for
from .published_code_process import WorkerProcess

__all__ = ["TESTED_TRANSFORMERS", "explained", "failed_page", "loading_error"]

TESTED_TRANSFORMERS: Final = "4.46.3"
"""The version that the publisher tested the code with."""

_NO_GPU = re.compile(
    r"Torch not compiled with CUDA|Found no NVIDIA driver|No CUDA GPUs are available"
)

_WITHOUT_GPU: Final = (
    'The backend "transformers" reads with the same weights, also without a GPU. If this machine '
    "has one: its torch must be a build for CUDA (dsocr doctor)."
)

_NOTICE = re.compile(
    # Printed by transformers 4.46 and the published code although nothing is wrong.
    r"^\s*$|You are using a model of type|Some weights of|You should probably TRAIN"
    r"|attention mask (and the pad token id were|is) not set|Setting `pad_token_id`"
    r"|Flash Attention 2.0|attention layers in this model are transitioning"
    r"|`(do_sample|temperature|use_fast|torch_dtype|seen_tokens|get_max_cache)`"
    r"|position_ids|generation flags|Special tokens have been added|A new version of the following"
    r"|^- \S+\.py$|Make sure to double-check|Loading checkpoint shards|(Future|User)Warning"
    r"|^\s*warnings\.warn\(|^=+$|^(BASE|PATCHES|NO PATCHES|image|Using device)\b"
)
"""Lines that say nothing about why a process ended."""


def failed_page(request: PageRequest, answer: Mapping[str, Any]) -> Reply:
    """Make the reply to a page at which the code raised an error.

    Raises:
        BackendUnavailableError: If it would raise at every page, because there is no GPU.
    """
    problem = excerpt(f"{answer.get('kind')}: {answer.get('error')}", longest=500)
    if _NO_GPU.search(problem):
        raise BackendUnavailableError(
            f"the published code runs on CUDA only ({problem})", remedy=_WITHOUT_GPU
        )
    error = BackendReplyError(
        f"the published code failed ({problem})",
        source=request.source,
        page=request.page,
        remedy=remedy_for(str(answer.get("error"))),
    )
    return request.failed(error)


def loading_error(facts: Mapping[str, Any], python: str) -> DeepSeekOCRError:
    """Make the error for a model that the interpreter cannot load, from the process's answer."""
    problem = excerpt(f"{facts.get('kind')}: {facts.get('error')}", longest=500)
    text = f"the published code cannot be loaded by {python} ({problem})"
    if "No module named" in problem or "packages that were not found" in problem:
        return MissingExtraError(text, remedy=_environment(python))
    if facts.get("kind") == "NoGpuError":
        return BackendUnavailableError(str(facts.get("error")), remedy=_WITHOUT_GPU)
    found = str(facts.get("transformers") or "")
    known = remedy_for(problem)
    if known is None and found and not found.startswith("4.46."):
        known = f"It has transformers {excerpt(found)}. {_environment(python)}"
    return BackendUnavailableError(text, remedy=known)


def _environment(python: str) -> str:
    """Say how to install the published code's packages without breaking the other backends."""
    if Path(python).absolute() != Path(sys.executable).absolute():
        return f"Run: {install_command('official', pip=f'{python} -m pip')}"
    return (
        f"Make an environment for it (transformers {TESTED_TRANSFORMERS} would break the other "
        "backends in this one): python -m venv official-env; "
        f"{install_command('official', pip='official-env/bin/pip')}. Then set "
        "DSOCR_OFFICIAL_PYTHON=official-env/bin/python, "
        'or OfficialBackend(python="official-env/bin/python").'
    )


def explained(
    error: BackendError, worker: WorkerProcess, timeout_remedy: str, doing: str = ""
) -> BackendError:
    """Return the same error with the last output of the process, and a remedy if one is known."""
    lines = [line for line in worker.last_words.strip().splitlines() if not _NOTICE.search(line)]
    output = excerpt(" / ".join(lines[-3:]), longest=400)
    problem = f"{doing}{error.problem}" + (f"; its last words: {output}" if output else "")
    if isinstance(error, BackendTimeoutError):
        return type(error)(problem, remedy=timeout_remedy)
    return type(error)(problem, remedy=remedy_for(f"{worker.last_words}\n{error.problem}"))
