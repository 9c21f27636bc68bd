"""Runs the published code of DeepSeek-OCR, for comparison and for users who need exactly that.

The code comes with the weights and is not ours: it runs only if the caller allows
it, in a process of its own (:mod:`.published_code`), which is not a sandbox. It needs
transformers 4.47 or older, while :class:`~deepseek_ocr_rag.TransformersBackend`
needs a newer one; so it usually runs in another interpreter.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from ...concurrency.cancellation import Cancellation
from ...concurrency.fair_turns import FairSemaphore
from ...errors import (
    BackendError,
    BackendReplyError,
    BackendUnavailableError,
    ConfigurationError,
    SourceError,
    TurnCancelledError,
)
from ...model.families import FAMILIES, Family, family_of
from ...model.loops.detector import RepetitionWatch
from ...model.prompts import END_TOKEN
from ...setting_names import with_known_settings
from ...text.excerpt import excerpt
from ..attempts import Attempt, AttemptSettings
from ..base import PageRequest, Reply
from ..fingerprints import fingerprint, model_files
from ..known_failures import failure_named
from ..page_images import png_bytes
from ..retry_ladder import RetryLadder
from .failures import TESTED_TRANSFORMERS, explained, failed_page, loading_error
from .published_code_process import WorkerProcess

__all__ = ["OfficialBackend"]

LOST_IN_A_ROW: Final = 2
"""Reading ends after this many pages in a row at which the process died or hung."""

_COMMIT = re.compile(r"[0-9a-f]{40}")

_log = logging.getLogger("deepseek_ocr_rag")


@dataclass(frozen=True, slots=True)
class _LoadRequest:
    """The model that the process loads, and how; see :mod:`.published_code`."""

    model: str
    revision: str | None
    device: str | None
    dtype: str | None
    attention: str | None
    allow_remote_code: bool


@with_known_settings()
class OfficialBackend:
    """Reads pages with the published ``infer``, one after the other.

    The process starts with the first page. A page at which the code raises is a failed page. So is
    a page at which the process dies or hangs, and the next page gets a new process; if that is lost
    as well, reading ends with an error. Threads may share a backend: their pages queue for its one
    process. The code cannot be interrupted, so cancelling a page ends the process, and the next
    page waits until the model is loaded again.

    A page that repeats itself is ended, its repeats are cut, and it carries a warning, as
    in every backend. It is not asked for again: the published code offers no other way to read it.

    Args:
        model: A folder with weights and code, or a hub id, which is downloaded, or one of
            "deepseek-ocr", "deepseek-ocr-2", "unlimited-ocr".
        allow_remote_code: Must be True: whoever wrote the code in ``model`` can
            do with this account whatever its user can.
        python: An interpreter (3.11 or newer) with the packages of the extra "official"; without
            it, the current one. ``--backend official`` takes it from ``DSOCR_OFFICIAL_PYTHON``.
        revision: Commit of a hub id, 40 hex digits; the published models have a default.
        device: "cuda", "cuda:1"; without it the first GPU. The published code runs on
            CUDA only; "cpu" is for copies of it that do not.
        dtype: "bfloat16" or "float32"; without it bfloat16 on CUDA, else float32. The published
            code makes its pictures in bfloat16, so that float16 weights fail at each page.
        attention: "flash_attention_2", "eager", or "auto" for the former if
            flash-attn is installed.
        timeout: Longest time for one page in seconds.
        load_timeout: Longest time for loading in seconds, including a download.

    Raises:
        ConfigurationError: If remote code is not allowed, or an argument is invalid.

    Example:
        >>> backend = OfficialBackend(  # doctest: +SKIP
        ...     "models/DeepSeek-OCR",
        ...     allow_remote_code=True,
        ...     python="official-env/bin/python",
        ... )
    """

    name = "official"
    needs_image = True
    sends_png = True
    reads_text_layer = False

    def __init__(
        self,
        model: str | Path = FAMILIES["deepseek-ocr"].hub_id,
        *,
        allow_remote_code: bool = False,
        python: str | Path | None = None,
        revision: str | None = None,
        device: str | None = None,
        dtype: Literal["bfloat16", "float32"] | None = None,
        attention: Literal["auto", "flash_attention_2", "eager"] = "auto",
        timeout: float = 900.0,
        load_timeout: float = 1800.0,
    ) -> None:
        if allow_remote_code is not True:
            raise ConfigurationError(
                f"the backend 'official' runs the Python code that comes with the weights of "
                f"{model}, with all permissions of your user account",
                remedy="If you trust its authors, set allow_remote_code=True "
                "(--allow-remote-code). The backend 'transformers' reads with the same weights "
                "and runs none of that code.",
            )
        if not timeout > 0 or not load_timeout > 0:
            raise ConfigurationError(
                "timeout and load_timeout must be above 0",
                remedy="Leave them out for the defaults.",
            )
        if dtype not in (None, "bfloat16", "float32"):
            raise ConfigurationError(
                f"the published code does not run in {dtype!r}", remedy="Use bfloat16 or float32."
            )
        if attention not in ("auto", "flash_attention_2", "eager"):
            raise ConfigurationError(
                f"attention={attention!r} is not supported",
                remedy='Use "flash_attention_2", "eager" or "auto".',
            )
        location, commit = _located(model, revision)
        self.model = Path(model).name if commit is None else location
        self.timeout = timeout
        self.load_timeout = load_timeout
        self._load_request = _LoadRequest(
            location, commit, device, dtype, None if attention == "auto" else attention, True
        )
        self._python = str(python or sys.executable)
        self._slots = FairSemaphore(1)
        self._worker: WorkerProcess | None = None
        self._family: Family | None = None
        self._lost = 0
        self._closed = False

    def __repr__(self) -> str:
        return f"OfficialBackend({self._load_request.model!r}, allow_remote_code=True)"

    @property
    def fingerprint(self) -> str:
        """The weights and the code, and how they are run."""
        load = self._load_request
        return fingerprint(
            model=model_files(load.model, load.revision),
            device=load.device,
            dtype=load.dtype,
            attention=load.attention,
            python=self._python,
        )

    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        """Read pages; see :meth:`Backend.read`.

        Raises:
            BackendError: If the model cannot be loaded, or two pages in a row end its process.
            MissingExtraError: If the interpreter lacks a package.
            ConfigurationError: If the model does not support the requests' mode.
        """
        reading = object()
        for request in requests:
            try:
                yield self._read_page(request, reading)
            except TurnCancelledError:
                continue

    def close(self) -> None:
        """End the process; a page that another thread is reading fails."""
        self._closed = True
        if (worker := self._worker) is not None:
            worker.stop()

    def _read_page(self, request: PageRequest, reading: object) -> Reply:
        try:
            png = png_bytes(request)
        except (BackendReplyError, SourceError) as error:
            return request.failed(error)
        with self._slots.slot(reading, request.cancellation):
            worker, family = self._loaded(request.cancellation)
            question = _question(worker, family, request, png)
            watch = RepetitionWatch()
            try:
                answer = worker.ask(
                    question,
                    self.timeout,
                    request.cancellation,
                    lambda piece: watch.feed(piece) is not None,
                )
            except BackendError as error:
                self._stop_worker()
                return self._lost_page(
                    request, explained(error, worker, "Raise OfficialBackend(timeout=...).")
                )
            except BaseException:
                # The code goes on working: its answer would be taken for that of the next page.
                self._stop_worker()
                raise
            self._lost = 0
            if answer.get("broken"):
                self._stop_worker()
        return _reply(request, answer, family.prompt_warnings(request.task))

    def _lost_page(self, request: PageRequest, error: BackendError) -> Reply:
        if self._closed:
            raise BackendUnavailableError("the backend was closed while it was reading") from error
        self._lost += 1
        if self._lost >= LOST_IN_A_ROW:
            self._lost = 0
            raise error
        error.source, error.page = request.source, request.page
        return request.failed(error)

    def _loaded(self, cancellation: Cancellation) -> tuple[WorkerProcess, Family]:
        """Return the process and its model's family; start the process if there is none."""
        if self._closed:
            raise BackendUnavailableError(
                "the backend was closed", remedy="Make a new OfficialBackend."
            )
        if self._worker is not None and self._family is not None:
            return self._worker, self._family
        # A folder has no revision and needs no download.
        offline = self._load_request.revision is None
        worker = self._worker = WorkerProcess(self._python, offline=offline)
        try:
            if self._closed:
                raise BackendUnavailableError("the backend was closed while it was starting")
            facts = worker.ask(asdict(self._load_request), self.load_timeout, cancellation)
        except BackendError as error:
            self._stop_worker()
            slow = (
                f"Raise OfficialBackend(load_timeout=...). {failure_named('very slow load').cure}"
            )
            raise explained(error, worker, slow, "loading the model: ") from error
        except BaseException:
            self._stop_worker()
            raise
        if "error" in facts:
            self._stop_worker()
            raise loading_error(facts, self._python)
        if facts.get("transformers") != TESTED_TRANSFORMERS:
            _log.warning(
                "official: transformers %s is not %s, which the published code was tested with",
                excerpt(str(facts.get("transformers"))),
                TESTED_TRANSFORMERS,
            )
        self._family = _family(facts.get("config"))
        return worker, self._family

    def _stop_worker(self) -> None:
        worker, self._worker, self._family = self._worker, None, None
        if worker is not None:
            worker.stop()


def _located(model: str | Path, revision: str | None) -> tuple[str, str | None]:
    """Return the absolute path of a folder and None, or a hub id and its commit."""
    folder = Path(model).expanduser()
    if folder.is_dir():
        if revision is not None:
            raise ConfigurationError(
                "a folder has no revision",
                source=str(model),
                remedy="Leave revision out, or name a hub id.",
            )
        return str(folder.absolute()), None
    name = FAMILIES[str(model)].hub_id if str(model) in FAMILIES else str(model)
    published = {family.hub_id.lower(): family.revision for family in FAMILIES.values()}
    commit = revision or published.get(name.lower())
    if commit is None or not _COMMIT.fullmatch(commit):
        raise ConfigurationError(
            "this is not a folder, and as a hub id it has no pinned commit, so that its code could "
            "change at any time",
            source=str(model),
            remedy="Name a folder, or set revision= to the 40 hex digits of a commit whose code "
            "you have reviewed.",
        )
    return name, commit


def _family(config: object) -> Family:
    try:
        return family_of(config if isinstance(config, dict) else {})
    except (ConfigurationError, AttributeError, TypeError):
        # A derivative under another name: all of them derive from the first model.
        return FAMILIES["deepseek-ocr"]


def _question(
    worker: WorkerProcess, family: Family, request: PageRequest, png: bytes
) -> dict[str, Any]:
    """Make the message for a page; write its picture to the process's folder."""
    side, tile = family.view_sides(request.resolution)
    image = worker.folder / "page.png"
    try:
        image.write_bytes(png)
    except OSError as error:
        raise BackendUnavailableError(
            f"the page's picture cannot be written to {worker.folder} ({error.strerror})",
            remedy="Free some space there, or set TMPDIR.",
        ) from error
    return {
        "prompt": f"<image>{family.prompt(request.task)}",
        "image": str(image),
        "base_size": side,
        "image_size": tile or request.resolution.image_size,
        "crop_mode": request.resolution.crop,
    }


def _reply(request: PageRequest, answer: Mapping[str, Any], warnings: tuple[str, ...]) -> Reply:
    text, tokens = answer.get("text"), answer.get("tokens")
    if not isinstance(text, str):
        return failed_page(request, answer)
    ladder = RetryLadder(request, AttemptSettings(request.task, request.resolution), attempts=1)
    ladder.add(
        Attempt(
            ladder.settings,
            text.removesuffix(END_TOKEN),
            "length" if answer.get("ended") is False else "stop",
            tokens=tokens if isinstance(tokens, int) and tokens >= 0 else None,
            warnings=warnings,
        )
    )
    return ladder.reply()
