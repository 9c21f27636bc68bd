"""Finds a model's configuration, tokenizer and weights, and never anything executable.

Only ``config.json``, ``tokenizer.json`` and ``*.safetensors`` are opened or
downloaded; pickled weights (``.bin``, ``.pt``) and published Python files are not.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..errors import BackendUnavailableError, ConfigurationError, MissingExtraError
from ..installing import install_command
from .families import FAMILIES, Family, family_of

__all__ = ["Checkpoint", "find_checkpoint"]

WANTED: Final = ("config.json", "tokenizer.json", "*.safetensors", "*.safetensors.index.json")
"""The files that are downloaded from a hub."""

JSON_BYTES: Final = 64 * 2**20
"""Largest JSON file that is read; a tokenizer has 10 MB."""

_COMMIT = re.compile(r"[0-9a-f]{40}")
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")

_log = logging.getLogger("deepseek_ocr_rag")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model on this machine."""

    name: str  # the user's name for it
    folder: Path
    family: Family
    config: Mapping[str, Any]
    tokenizer: Path
    weights: tuple[Path, ...]  # safetensors files
    revision: str | None = None  # the commit that it was downloaded from; None for a folder


def find_checkpoint(
    name: str | Path,
    *,
    revision: str | None = None,
    tokenizer: str | Path | None = None,
    download: bool = True,
) -> Checkpoint:
    """Find a model in a folder, in the hub's cache, or on the hub.

    Args:
        name: A folder, a hub id (``deepseek-ai/DeepSeek-OCR``) or the name of a family
            (``deepseek-ocr``).
        revision: A commit (40 hex digits), or a branch, which may change. None for the default of a
            published model.
        tokenizer: Another tokenizer file. None for ``tokenizer.json`` beside the weights.
        download: Whether files that are not cached may be downloaded.

    Raises:
        ConfigurationError: If the revision is missing or not allowed, or the model is not of the
            DeepSeek-OCR family.
        MissingExtraError: If ``huggingface_hub`` is not installed.
        BackendUnavailableError: If the model is not found or cannot be downloaded, or one of its
            files is missing or cannot be used.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        if revision is not None:
            raise ConfigurationError(
                "revision was given for a folder",
                source=str(name),
                remedy="Leave revision out, or give a hub id.",
            )
        return _read(str(name), folder, tokenizer, None)
    hub_id = FAMILIES[str(name)].hub_id if str(name) in FAMILIES else str(name)
    if not _HUB_ID.fullmatch(hub_id):
        raise BackendUnavailableError(
            "not a folder, and not a hub id",
            source=str(name),
            remedy="Give the folder of a model, or a hub id such as deepseek-ai/DeepSeek-OCR.",
        )
    commit = revision or _pinned(hub_id)
    if not _COMMIT.fullmatch(commit):
        _log.warning("model %s: revision %r is not pinned and may change", hub_id, commit)
    found = _from_hub(hub_id, commit, download=download)
    return _read(hub_id, found, tokenizer, found.name if _COMMIT.fullmatch(found.name) else commit)


def _pinned(hub_id: str) -> str:
    for family in FAMILIES.values():
        if family.hub_id.lower() == hub_id.lower():
            return family.revision
    raise ConfigurationError(
        f"no revision is known for {hub_id}",
        remedy="Give revision=, the 40 hex digits of a commit from the model's page on the hub.",
    )


def _from_hub(hub_id: str, revision: str, *, download: bool) -> Path:
    try:
        from huggingface_hub import constants
    except ImportError as error:
        raise MissingExtraError(
            "huggingface_hub is not installed",
            remedy=f"Install it: {install_command('local')}",
        ) from error
    # Checked here, because the hub's client takes half a second to say that the folder is missing.
    folder = Path(constants.HF_HUB_CACHE, f"models--{hub_id.replace('/', '--')}")
    if folder.is_dir() and (cached := _cached(hub_id, revision)) is not None:
        return cached
    if not download:
        raise BackendUnavailableError(
            f"{hub_id} is not on this machine",
            remedy=f"Download it: hf download {hub_id} --revision {revision}",
        )
    return _downloaded(hub_id, revision)


def _cached(hub_id: str, revision: str) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        cached = snapshot_download(
            hub_id, revision=revision, allow_patterns=list(WANTED), local_files_only=True
        )
    except LocalEntryNotFoundError:
        return None
    return Path(cached) if _has_all_weights(Path(cached)) else None


def _downloaded(hub_id: str, revision: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    _check_hub_answers(hub_id, revision)
    _log.info("model %s: downloading revision %s", hub_id, revision)
    try:
        return Path(snapshot_download(hub_id, revision=revision, allow_patterns=list(WANTED)))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        raise BackendUnavailableError(
            f"cannot download {hub_id}: {str(error).splitlines()[0] if str(error) else error!r}",
            remedy="Check the name, the network and the free space, or give a folder.",
        ) from error


def _check_hub_answers(hub_id: str, revision: str) -> None:
    """Raise BackendUnavailableError if the hub does not answer one request.

    The hub's client would retry for most of a minute. This waits once, as long as the client waits
    for one answer: ``HF_HUB_ETAG_TIMEOUT``, by default ten seconds.
    """
    from huggingface_hub import constants, get_session

    try:
        # Any answer will do; the client's own session knows the proxies and certificates.
        get_session().head(constants.ENDPOINT, timeout=constants.HF_HUB_ETAG_TIMEOUT)
    except Exception as error:  # of requests, httpx or httpx2, by the version of the client
        raise BackendUnavailableError(
            f"{hub_id} is not on this machine, and {constants.ENDPOINT} cannot be reached "
            f"({str(error) or type(error).__name__})",
            remedy=f"Check the network, or run `hf download {hub_id} --revision {revision}` where there "
            "is one and give the folder.",
        ) from error


def _has_all_weights(folder: Path) -> bool:
    """Whether every file that a folder's index names is there: a download may have been interrupted."""
    try:
        return bool(_weights(folder, folder.name))
    except BackendUnavailableError:
        return False


def _read(
    name: str, folder: Path, tokenizer: str | Path | None, revision: str | None
) -> Checkpoint:
    config = _json(folder / "config.json", name)
    family = family_of(config)
    tokens = Path(tokenizer) if tokenizer is not None else folder / "tokenizer.json"
    if not tokens.is_file():
        raise BackendUnavailableError(
            f"there is no {tokens.name}",
            source=name,
            remedy="Download the model's folder again, or give tokenizer=.",
        )
    return Checkpoint(name, folder, family, config, tokens, _weights(folder, name), revision)


def _weights(folder: Path, name: str) -> tuple[Path, ...]:
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        listed = _json(index, name).get("weight_map")
        if not isinstance(listed, dict) or not listed:
            raise BackendUnavailableError(
                f"{index.name} lists no weights",
                source=name,
                remedy="Download the model's folder again.",
            )
        names = sorted({str(file) for file in listed.values()})
    else:
        names = sorted(path.name for path in folder.glob("*.safetensors"))
    if not names:
        pickled = any(folder.glob("*.bin")) or any(folder.glob("*.pt"))
        raise BackendUnavailableError(
            "the weights are pickled, and loading a pickle can run any code"
            if pickled
            else "there are no weights",
            source=name,
            remedy="Download the model.safetensors files that are published with it.",
        )
    for file in names:
        # The index is untrusted: it must not point out of the folder.
        if Path(file).name != file or not file.endswith(".safetensors"):
            raise BackendUnavailableError(
                f"{index.name} names {file!r}, which is not a safetensors file in the folder",
                source=name,
                remedy="Download the model again, from a publisher that you trust.",
            )
        if not (folder / file).is_file():
            raise BackendUnavailableError(
                f"{file} is missing",
                source=name,
                remedy="Download the model's folder again; the download may be incomplete.",
            )
    return tuple(folder / file for file in names)


def _json(path: Path, name: str) -> dict[str, Any]:
    try:
        if path.stat().st_size > JSON_BYTES:
            raise BackendUnavailableError(
                f"{path.name} is larger than {JSON_BYTES >> 20} MiB",
                source=name,
                remedy="Download the model's folder again.",
            )
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BackendUnavailableError(
            f"cannot read {path.name}: {error}",
            source=name,
            remedy="Give the folder of a whole model: config.json, tokenizer.json, *.safetensors.",
        ) from error
    if not isinstance(data, dict):
        raise BackendUnavailableError(
            f"{path.name} is not a JSON object",
            source=name,
            remedy="Download the model's folder again.",
        )
    return data
