"""Stores a second model in Ollama that writes its layout tokens: ``dsocr ollama-model``.

Its file is the same, except that eight token types are 4 (user-defined) instead of 3 (control).
Measured on Ollama 0.33: all marks and cells arrive, and the rest of a page is the same byte for
byte. Nothing but the new model is written, and no other host is asked.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ...errors import BackendError, BackendUnavailableError, ConfigurationError
from ...hosts import is_this_machine
from ...model.ollama_names import LAYOUT_MODEL, MODEL, meant_model
from ...ollama_address import ollama_headers, ollama_url
from ..remote.json_exchange import without_credentials
from ..remote.ollama_models import FIRST_HIDING_VERSION, OllamaFacts, ShownModel
from .modelfile import blob_digest, model_paths, parameters
from .ollama_store import OllamaStore
from .shown_file import ModelFile, open_model_file

__all__ = ["LayoutModel", "hides_layout", "make_layout_model"]

SPARE_BYTES: Final = 2**30
"""Bytes of the disk that must stay free once the new file is stored."""


@dataclass(frozen=True, slots=True)
class LayoutModel:
    """The outcome of :func:`make_layout_model`."""

    name: str  # of the model to read pages with
    made: bool  # whether it was stored by this call
    reason: str  # what was done, or why nothing was


def hides_layout(facts: OllamaFacts, model: str, version: tuple[int, ...] | None) -> bool:
    """Return whether an Ollama withholds the layout tokens of a model.

    The model's file decides; if this user cannot read it, Ollama's version (if known) and the
    model's name do.
    """
    if version is not None and version < FIRST_HIDING_VERSION:
        return False
    shown = facts.show(model)
    try:
        with ExitStack() as stack:
            return _model_file(stack, model_paths(shown.modelfile)).hides_layout
    except BackendError:
        return version is not None and not model.startswith(LAYOUT_MODEL)


def make_layout_model(
    *,
    host: str | None = None,
    source: str = MODEL,
    name: str = LAYOUT_MODEL,
    file: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> LayoutModel:
    """Make a model whose layout tokens arrive, if those of the installed one do not.

    Args:
        host: Where Ollama listens; without it ``OLLAMA_HOST``, else port 11434 of this machine.
        source: The installed model.
        name: The new model's name.
        file: A copy of the model's file, if this user cannot read Ollama's own.
        say: Called with a line about each step.

    Raises:
        BackendError: If Ollama does not run, is on another machine or too old, lacks the model, or
            cannot store the new one; or if its file cannot be read.
        ConfigurationError: If the name is invalid or taken, or ``file`` is not the model's.
    """
    url = ollama_url(host)
    if not is_this_machine(url):
        raise BackendUnavailableError(
            f"Ollama at {without_credentials(url)} is another machine, and the model's file is there",
            remedy="Run `dsocr ollama-model` on that machine.",
        )
    if not name.strip() or name.startswith("-") or not name.isprintable():
        raise ConfigurationError(
            f"{name!r} is not a valid name for a model", remedy="Leave --as out."
        )
    headers = ollama_headers(host)
    facts = OllamaFacts(url, headers=headers)
    version = facts.check_version()
    names = [model.name for model in facts.models() if not model.remote]
    installed = meant_model(names, source)
    if installed is None:
        raise facts.missing(source)
    if version is not None and version < FIRST_HIDING_VERSION:
        shown_version = ".".join(map(str, version))
        reason = f"Ollama {shown_version} writes all layout tokens of {installed}: nothing to do"
        return LayoutModel(installed, made=False, reason=reason)
    if (there := meant_model(names, name)) is not None:
        return _already_there(facts, there, installed)
    shown = facts.show(installed)
    facts.check_sees(installed, shown)
    paths = model_paths(shown.modelfile)
    with ExitStack() as stack:
        model_file = _model_file(stack, (file,) if file else paths)
        if not model_file.hides_layout:
            reason = f"{installed} writes all layout tokens: nothing to do"
            return LayoutModel(installed, made=False, reason=reason)
        _store(
            OllamaStore(url, headers), model_file, paths, shown, name, say, copied=file is not None
        )
    facts.check_sees(name, facts.show(name))
    return LayoutModel(
        name,
        made=True,
        reason=f"made {name} from {installed}: the same model, with boxes and table cells",
    )


def _already_there(facts: OllamaFacts, there: str, installed: str) -> LayoutModel:
    if meant_model([there], installed) is not None:
        raise ConfigurationError(
            f"the new model cannot have the name of the old one, {there}", remedy="Leave --as out."
        )
    with ExitStack() as stack:
        try:
            file = _model_file(stack, model_paths(facts.show(there).modelfile))
        except BackendUnavailableError:
            # This user cannot read its file; by its name, an earlier run has made it.
            pass
        else:
            if file.hides_layout:
                raise ConfigurationError(
                    f"Ollama has another model called {there}",
                    remedy="Choose another name with --as, or remove that model: "
                    f"`ollama rm {there}`.",
                )
    reason = f"Ollama already has {there}: nothing to do (to make it again: `ollama rm {there}`)"
    return LayoutModel(there, made=False, reason=reason)


def _model_file(stack: ExitStack, paths: tuple[Path, ...]) -> ModelFile:
    """Open the file with the layout tokens; a model may have its encoder in a second one."""
    problem: BackendError | None = None
    for path in paths:
        try:
            return stack.enter_context(open_model_file(path))
        except BackendUnavailableError as error:
            error.remedy = (
                "If Ollama runs as a service, run this as a user who may read the file: "
                "`sudo $(command -v dsocr) ollama-model`. If it runs in a container, copy the "
                f"file out, `docker cp <container>:{path} model.gguf`, and name the copy: "
                "`dsocr ollama-model --file model.gguf`."
            )
            raise
        except BackendError as error:
            problem = problem or error
    raise problem or BackendUnavailableError("the model has no file")


def _store(
    store: OllamaStore,
    file: ModelFile,
    paths: tuple[Path, ...],
    shown: ShownModel,
    name: str,
    say: Callable[[str], None],
    *,
    copied: bool,
) -> None:
    """Store the new file, and the model that consists of it."""
    known = {blob_digest(path): path for path in paths}
    say(f"reading {file.path} ({_gigabytes(file.size)})")
    old = file.digest() if copied else blob_digest(file.path)
    if old not in known:
        raise ConfigurationError(
            f"{file.path} is not the file of the installed model",
            remedy=f"Copy this one: {paths[0]}.",
        )
    new = file.shown_digest()
    if not store.has(new):
        _check_space(file, known[old].parent, say)
        say("storing a copy in Ollama that writes its layout tokens")
        store.upload(new, file.size, file.shown())
    others = [digest for digest in known if digest != old]
    files = {"model.gguf": new, **{f"part{n}.gguf": digest for n, digest in enumerate(others)}}
    store.create(
        name,
        files,
        template=shown.template,
        parameters=parameters(shown.parameters),
        system=shown.system,
    )


def _check_space(file: ModelFile, folder: Path, say: Callable[[str], None]) -> None:
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        say(f"the free space on Ollama's disk is unknown; {_gigabytes(file.size)} are needed")
        return
    if free < file.size + SPARE_BYTES:
        raise BackendUnavailableError(
            f"the new model needs {_gigabytes(file.size + SPARE_BYTES)} in {folder}, where only "
            f"{_gigabytes(free)} are free",
            remedy="Free some space there.",
        )


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
