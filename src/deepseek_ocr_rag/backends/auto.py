"""Chooses the backend that reads best on this machine, and says why.

In this order: the server that ``DSOCR_SERVER_URL`` names, a model on this
machine's disk where there is a GPU for it (through our own engine where that
runs, else through transformers), an Ollama of this machine that has a
deepseek-ocr model, and ``lite``, which always works. Nothing is downloaded. An
``OLLAMA_HOST`` on another machine is never chosen: page images would go there
unasked.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

from ..errors import ConfigurationError, DeepSeekOCRError
from ..model.checkpoint import Checkpoint, find_checkpoint
from ..model.families import FAMILIES
from ..ollama_server import is_this_machine, ollama_url
from .base import Backend
from .local.backend import LocalBackend, engine_problem
from .remote.json_exchange import without_credentials
from .remote.ollama import OllamaBackend
from .remote.ollama_models import OllamaFacts
from .remote.server import ServerBackend
from .transformers.backend import TransformersBackend, gpu_name

__all__ = ["BackendChoice", "BackendStatus", "choose_backend", "probe_backends"]

CONNECT_SECONDS: Final = 0.5
ANSWER_SECONDS: Final = 2.0
"""A probe must not keep anybody waiting who has no server at all."""


@dataclass(frozen=True, slots=True)
class BackendStatus:
    """What was found out about one backend.

    Attributes:
        name: As in ``Reader(backend=...)``.
        works: Whether it can read pages now.
        detail: What was found.
        remedy: What to do if it should work ("" where it does).
    """

    name: str
    works: bool
    detail: str
    remedy: str


@dataclass(frozen=True, slots=True)
class BackendChoice:
    """The backend to use.

    Attributes:
        backend: It belongs to the caller, who closes it.
        reason: Why this one, and why not the better ones.
    """

    backend: Backend
    reason: str


def choose_backend() -> BackendChoice:
    """The best backend that is there.

    Returns:
        The backend and why it was chosen. Two probes on the network, a few
        milliseconds on a machine without servers.
    """
    passed_over: list[str] = []
    for probe in (_probe_server, _probe_local, _probe_transformers, _probe_ollama):
        backend, status = probe()
        if backend is not None:
            return BackendChoice(backend, "; ".join([status.detail, *passed_over]))
        # Two of them may lack the same.
        if status.detail not in passed_over:
            passed_over.append(status.detail)
    return BackendChoice(
        _lite(), "; ".join([*passed_over, "so text layers and a small OCR are used"])
    )


def probe_backends() -> tuple[BackendStatus, ...]:
    """The status of every backend that could be chosen, best first."""
    probes = (_probe_server, _probe_local, _probe_transformers, _probe_ollama)
    return (*(probe()[1] for probe in probes), _probe_lite())


def _probe_server() -> tuple[Backend | None, BackendStatus]:
    url = os.environ.get("DSOCR_SERVER_URL", "").strip()
    if not url:
        return None, _missing(
            "server",
            "no server is named in DSOCR_SERVER_URL",
            "Start one (`dsocr serve-command vllm`) and set DSOCR_SERVER_URL to its address.",
        )
    try:
        backend = ServerBackend(url)
        model = backend.find_model(connect_seconds=CONNECT_SECONDS, seconds=ANSWER_SECONDS)
    except DeepSeekOCRError as error:
        return None, _broken("server", error)
    detail = f"the server at {backend.base_url} (DSOCR_SERVER_URL) serves {model}"
    return backend, BackendStatus("server", works=True, detail=detail, remedy="")


def _probe_local() -> tuple[Backend | None, BackendStatus]:
    found = _model_on_disk("local", "torch")
    if isinstance(found, BackendStatus):
        return None, found
    # Only now: importing torch takes seconds.
    if (problem := engine_problem()) is not None:
        detail = f"{found.name} is on this machine, but {problem.problem}"
        return None, _missing("local", detail, problem.remedy or "")
    detail = f"{found.name} is on this machine, and an NVIDIA GPU for it"
    backend = LocalBackend(_wanted_model() or found.family.name, download=False)
    return backend, BackendStatus("local", works=True, detail=detail, remedy="")


def _probe_transformers() -> tuple[Backend | None, BackendStatus]:
    found = _model_on_disk("transformers", "torch", "transformers")
    if isinstance(found, BackendStatus):
        return None, found
    gpu = gpu_name()
    if gpu is None:
        detail = f"there is no GPU for {found.name}, and a CPU takes minutes for a page"
        remedy = "To use it all the same: --backend transformers"
        return None, _missing("transformers", detail, remedy)
    detail = f"{found.name} is on this machine, and {gpu}"
    backend = TransformersBackend(_wanted_model() or found.family.name, download=False)
    return backend, BackendStatus("transformers", works=True, detail=detail, remedy="")


def _wanted_model() -> str:
    return os.environ.get("DSOCR_MODEL", "").strip()


def _model_on_disk(backend: str, *modules: str) -> Checkpoint | BackendStatus:
    """The model that a backend would run, or why it could not."""
    if any(find_spec(module) is None for module in modules):
        return _missing(
            backend,
            "torch and transformers are not installed",
            'For a GPU of your own: pip install "deepseek-ocr-rag[local]"',
        )
    model = _wanted_model()
    try:
        return _first_checkpoint((model,) if model else tuple(FAMILIES))
    except DeepSeekOCRError as error:
        return _broken(backend, error)


def _missing(name: str, detail: str, remedy: str) -> BackendStatus:
    return BackendStatus(name, works=False, detail=detail, remedy=remedy)


def _first_checkpoint(names: tuple[str, ...]) -> Checkpoint:
    first: DeepSeekOCRError | None = None
    for name in names:
        try:
            return find_checkpoint(name, download=False)
        except DeepSeekOCRError as error:
            first = first or error
    raise first or ConfigurationError("no model is named")


def _probe_ollama() -> tuple[Backend | None, BackendStatus]:
    try:
        url = ollama_url()
        shown = without_credentials(url)
        if not is_this_machine(url):
            return None, _missing(
                "ollama",
                f"OLLAMA_HOST is another machine ({shown}), to which nothing is sent unasked",
                "Use OllamaBackend(host=..., allow_remote=True) if pages may go there.",
            )
        facts = OllamaFacts(url, connect_seconds=CONNECT_SECONDS, seconds=ANSWER_SECONDS)
        model = _ocr_model(facts)
        facts.check_version()
    except DeepSeekOCRError as error:
        return None, _broken("ollama", error)
    detail = f"Ollama at {shown} has {model}"
    return OllamaBackend(model), BackendStatus("ollama", works=True, detail=detail, remedy="")


def _ocr_model(facts: OllamaFacts) -> str:
    names = [model.name for model in facts.models() if not model.remote]
    found = [name for name in names if "deepseek-ocr" in name.lower()]
    if not found:
        raise facts.missing("deepseek-ocr")
    # The published one before copies and conversions of others.
    return min(found, key=lambda name: (not name.startswith("deepseek-ocr"), found.index(name)))


def _probe_lite() -> BackendStatus:
    try:
        _lite().close()
    except DeepSeekOCRError as error:
        return _broken("lite", error)
    return BackendStatus("lite", works=True, detail="text layers, else a small OCR", remedy="")


def _lite() -> Backend:
    from .lite.backend import LiteBackend

    return LiteBackend()


def _broken(name: str, error: DeepSeekOCRError) -> BackendStatus:
    return _missing(name, error.problem, error.remedy or "")
