"""Chooses the backend that reads best on this machine, and says why.

It tries, in this order: the server that ``DSOCR_SERVER_URL`` names; a model on this
machine's disk, if there is a GPU for it (through our own engine if that runs here,
else through transformers); an Ollama on this machine that has a deepseek-ocr model;
and ``lite``, which always works. Nothing is downloaded. An ``OLLAMA_HOST`` on
another machine is never chosen: page images would be sent there unasked.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

from .. import backends
from ..errors import BackendUnavailableError, ConfigurationError, DeepSeekOCRError
from ..hosts import is_this_machine
from ..installing import install_command
from ..model.checkpoint import Checkpoint, find_checkpoint
from ..model.families import FAMILIES
from ..model.ollama_names import MODEL, meant_model
from ..ollama_address import ollama_headers, ollama_url
from .base import Backend
from .layout_model.layout_model import hides_layout
from .local.backend import LocalBackend, engine_problem
from .local.devices import devices_of_environment
from .remote.json_exchange import without_credentials
from .remote.ollama import OllamaBackend
from .remote.ollama_models import OllamaFacts
from .remote.server import ServerBackend
from .transformers.backend import TransformersBackend, gpu_name

__all__ = ["BackendChoice", "BackendStatus", "choose_backend", "probe_backends"]

CONNECT_SECONDS: Final = 0.5
ANSWER_SECONDS: Final = 2.0
"""Limits of a probe, short so that a user without a server hardly waits."""


@dataclass(frozen=True, slots=True)
class BackendStatus:
    """The state of one backend on this machine.

    Attributes:
        name: As in ``Reader(backend=...)``.
        works: Whether it can read pages now.
        detail: What was found.
        remedy: What to do to make it work ("" if it does).
    """

    name: str
    works: bool
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class BackendChoice:
    """The backend to use.

    Attributes:
        backend: The caller owns and closes it.
        reason: Why it was chosen, and why the better ones were not.
    """

    backend: Backend
    reason: str


def choose_backend() -> BackendChoice:
    """Choose the best backend that works here.

    Two probes use the network, which takes a few milliseconds on a machine without servers.

    Returns:
        The backend, and why it was chosen.
    """
    passed_over: list[str] = []
    for probe in _PROBES.values():
        try:
            backend, detail = probe()
        except DeepSeekOCRError as error:
            # Two backends may lack the same thing.
            if error.problem not in passed_over:
                passed_over.append(error.problem)
        else:
            return BackendChoice(backend, "; ".join([detail, *passed_over]))
    reason = "; ".join(
        [*passed_over, "so the built-in reader is used: text layers, else a small OCR"]
    )
    return BackendChoice(backends.LiteBackend(), reason)


def probe_backends() -> tuple[BackendStatus, ...]:
    """Return the status of every backend that could be chosen, best first."""
    return tuple(_status(*probe) for probe in (*_PROBES.items(), ("lite", _probe_lite)))


def _status(name: str, probe: _Probe) -> BackendStatus:
    try:
        backend, detail = probe()
    except DeepSeekOCRError as error:
        return BackendStatus(name, works=False, detail=error.problem, remedy=error.remedy or "")
    backend.close()
    return BackendStatus(name, works=True, detail=detail)


def _probe_server() -> tuple[Backend, str]:
    url = os.environ.get("DSOCR_SERVER_URL", "").strip()
    if not url:
        raise BackendUnavailableError(
            "DSOCR_SERVER_URL is not set",
            remedy="Start a server (`dsocr serve-command` prints how) and set DSOCR_SERVER_URL to its "
            "address.",
        )
    backend = ServerBackend(url)
    model = backend.find_model(connect_seconds=CONNECT_SECONDS, seconds=ANSWER_SECONDS)
    return backend, f"the server at {backend.base_url} (DSOCR_SERVER_URL) serves {model}"


def _probe_local() -> tuple[Backend, str]:
    found = _model_on_disk("torch")
    # Last, because importing torch takes seconds.
    if (problem := engine_problem()) is not None:
        raise BackendUnavailableError(
            f"{found.name} is on this machine, but {problem.problem}", remedy=problem.remedy
        )
    backend = LocalBackend(
        _wanted_model() or found.family.name, devices=devices_of_environment(), download=False
    )
    return backend, f"{found.name} is on this machine, and an NVIDIA GPU for it"


def _probe_transformers() -> tuple[Backend, str]:
    found = _model_on_disk("torch", "transformers")
    gpu = gpu_name()
    if gpu is None:
        raise BackendUnavailableError(
            f"there is no GPU for {found.name}, and a CPU takes minutes a page",
            remedy="To use the CPU anyway: --backend transformers",
        )
    backend = TransformersBackend(_wanted_model() or found.family.name, download=False)
    return backend, f"{found.name} is on this machine, and {gpu}"


def _wanted_model() -> str:
    return os.environ.get("DSOCR_MODEL", "").strip()


def _model_on_disk(*modules: str) -> Checkpoint:
    """Find the model on this machine, for a backend that needs these modules."""
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise BackendUnavailableError(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed",
            remedy=f"For a GPU of your own: {install_command('local')}",
        )
    wanted = _wanted_model()
    first: DeepSeekOCRError | None = None
    for name in (wanted,) if wanted else FAMILIES:
        try:
            return find_checkpoint(name, download=False)
        except DeepSeekOCRError as error:
            first = first or error
    raise first or ConfigurationError("no model is named")


def _probe_ollama() -> tuple[Backend, str]:
    url = ollama_url()
    shown = without_credentials(url)
    if not is_this_machine(url):
        raise BackendUnavailableError(
            f"OLLAMA_HOST is another machine ({shown}), and nothing is sent there without permission",
            remedy="Use OllamaBackend(host=..., allow_remote=True) if pages may go there.",
        )
    facts = OllamaFacts(
        url,
        connect_seconds=CONNECT_SECONDS,
        seconds=ANSWER_SECONDS,
        headers=ollama_headers(),
    )
    model = meant_model([model.name for model in facts.models() if not model.remote])
    if model is None:
        raise facts.missing(MODEL)
    version = facts.check_version()
    facts.check_sees(model, facts.show(model))
    detail = f"Ollama at {shown} has {model}"
    if hides_layout(facts, model, version):
        detail += " (it drops box marks and table cells: run `dsocr ollama-model` once)"
    return OllamaBackend(model), detail


def _probe_lite() -> tuple[Backend, str]:
    return backends.LiteBackend(), "text layers, else a small OCR"


_Probe = Callable[[], tuple[Backend, str]]
"""Returns a backend and what was found; raises a DeepSeekOCRError if the backend does not work."""

_PROBES: Final[Mapping[str, _Probe]] = {
    "server": _probe_server,
    "local": _probe_local,
    "transformers": _probe_transformers,
    "ollama": _probe_ollama,
}
"""Best first."""
