"""Fine-tunes a model with a LoRA adapter, and keeps the one that writes best."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import ConfigurationError, OutputError
from ..model.checkpoint import Checkpoint, find_checkpoint
from ..model.tokenizer import ModelTokenizer
from .finetuning_settings import FineTuning
from .judging.judgements import Judge, Judgement
from .judging.scores import Scores
from .processes import Processes, started_processes
from .sample_folders import read_samples, split_samples
from .samples import TrainingSample
from .targets import EncodedPage, encode_all
from .training_run import TrainingRun
from .training_state import STATE, pages_digest

__all__ = ["TrainingResult", "fine_tune"]

_log = logging.getLogger("deepseek_ocr_rag")


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """The result of a training.

    Attributes:
        adapter: The folder of the best adapter.
        steps: Steps done.
        before: Scores of the held-out pages before training; None without such pages.
        best: Scores of the kept adapter.
        best_step: The step of the kept adapter; 0 if none wrote better than the model itself.
        trained: Number of trained weights.
        regression_before: Scores of the regression set before training; None without one.
        regression: Its scores with the kept adapter.
    """

    adapter: Path
    steps: int
    before: Scores | None
    best: Scores | None
    best_step: int
    trained: int
    regression_before: Scores | None = None
    regression: Scores | None = None


def fine_tune(
    base: str | Path,
    data: str | Path,
    output: str | Path,
    settings: FineTuning | None = None,
    *,
    regression: str | Path | None = None,
    revision: str | None = None,
    resume: bool = False,
    told: Callable[[str], None] = _log.info,
) -> TrainingResult:
    """Train an adapter.

    The model writes the held-out pages and the regression set before, during and after training. The
    adapter that writes the held-out pages best is kept, whatever the loss says, unless it has
    forgotten too much of the regression set. If started by ``accelerate launch`` or ``torchrun``,
    several processes train together, and the result does not depend on their number.

    Args:
        base: The model: a folder, a hub id, or the name of a family.
        data: See :func:`~deepseek_ocr_rag.training.read_samples`.
        output: Folder of the adapter; ``report.html`` in it shows the pages side by side.
        settings: How to train.
        regression: Ordinary pages with their correct text, in the same forms as ``data``, that the
            model reads well and must not forget.
        revision: Commit of a hub id.
        resume: Whether to go on with the training in the folder ``output``.
        told: Called with lines about the progress.

    Raises:
        SourceError: If a sample cannot be used; all of them are named before anything is trained.
        ConfigurationError: If a setting does not fit the model or the data, or a training is
            resumed with other settings or data.
        BackendError: If the model cannot be loaded.
        OutputError: If ``output`` holds something else.
        MissingExtraError: If a package of the extra "train" is missing.
    """
    settings = settings or FineTuning()
    processes = started_processes(settings.device)
    if settings.accumulate % processes.count:
        raise ConfigurationError(
            f"accumulate is {settings.accumulate}, for {processes.count} processes",
            remedy="Use a multiple of their number.",
        )
    folder = _output(Path(output), resume, processes)
    checkpoint = find_checkpoint(base, revision=revision)
    tokenizer = ModelTokenizer.from_file(checkpoint.tokenizer)
    tell = told if processes.first else lambda line: None
    found = read_samples(data)
    sides = split_samples(found.checked(), settings.held_out)
    for note in found.notes:
        tell(note)
    learnt, held = (_encoded(checkpoint, tokenizer, each, settings.mode, tell) for each in sides)
    ordinary = () if regression is None else read_samples(regression).checked()
    judge = Judge(
        held[: settings.judged],
        _encoded(checkpoint, tokenizer, ordinary, settings.mode, tell)[: settings.judged],
        settings.forgetting,
    )
    if not judge.pages:
        tell("no page is held out: the last adapter is kept, whatever it writes")
    # A training may be resumed on other devices.
    said = {name: value for name, value in asdict(settings).items() if name != "device"}
    digest = pages_digest(said, learnt, judge.held, judge.regression)
    run = TrainingRun(checkpoint, tokenizer, settings, folder, processes, tell)
    result = run.run(learnt, judge, digest, resume=resume)
    before, best = result.before, result.best
    return TrainingResult(
        adapter=folder,
        steps=result.steps,
        before=_held(before),
        best=_held(best),
        best_step=best.step if best else result.steps,
        trained=result.trained,
        regression_before=_ordinary(before),
        regression=_ordinary(best),
    )


def _held(judgement: Judgement | None) -> Scores | None:
    return judgement.held.scores if judgement and judgement.held else None


def _ordinary(judgement: Judgement | None) -> Scores | None:
    return judgement.regression.scores if judgement and judgement.regression else None


def _output(folder: Path, resume: bool, processes: Processes) -> Path:
    if resume:
        if not (folder / STATE).is_file():
            raise OutputError(
                f"holds no {STATE}", source=str(folder), remedy="Start without --resume."
            )
    elif folder.exists() and any(folder.iterdir()):
        raise OutputError(
            "is not empty", source=str(folder), remedy="Name a new folder, or use --resume."
        )
    processes.wait()  # until all processes have looked
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _encoded(
    checkpoint: Checkpoint,
    tokenizer: ModelTokenizer,
    samples: Sequence[TrainingSample],
    mode: str,
    tell: Callable[[str], None],
) -> tuple[EncodedPage, ...]:
    most = checkpoint.family.max_positions
    pages, found = encode_all(samples, tokenizer, checkpoint.family, mode=mode, max_positions=most)
    if samples:
        found.checked()
    for note in found.notes:
        tell(note)
    return pages
