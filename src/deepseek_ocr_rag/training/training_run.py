"""Runs one training: steps, judgements, and keeping the adapter that writes best."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from ..backends.transformers.model_loading import load_model
from ..model.checkpoint import Checkpoint
from ..model.tokenizer import ModelTokenizer
from .adapters import add_adapter, recompute_activations
from .batches import FrozenVision, batch_loss, batches
from .finetuning_settings import FineTuning
from .judging.evaluation import Evaluation, write_report
from .judging.judgements import Judge, Judgement
from .loop import LoopSettings, train
from .processes import Processes
from .targets import EncodedPage
from .training_state import (
    TrainingNotes,
    keep_adapter,
    load_state,
    save_state,
    write_errors,
)

__all__ = ["RunResult", "TrainingRun"]

LOG: Final = "training.json"
RAMP: Final = 10
"""Most steps in which the learning rate rises at the start."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a training ended: its steps, and what was written before and by the kept adapter."""

    steps: int
    before: Judgement | None
    best: Judgement | None
    trained: int


class TrainingRun:
    """A model with the adapter that is trained."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        tokenizer: ModelTokenizer,
        settings: FineTuning,
        folder: Path,
        processes: Processes,
        told: Callable[[str], None],
    ) -> None:
        self._settings, self._folder, self._processes = settings, folder, processes
        self._told = told
        self._tokenizer, self._rule = tokenizer, checkpoint.family.no_repeat
        device = processes.device
        kind = torch.bfloat16 if device.type == "cuda" else torch.float32
        torch.manual_seed(settings.seed)
        self._model = load_model(checkpoint, dtype=kind, device_map={"": device})
        self._changed = add_adapter(self._model, settings.adapter)
        self._vision = bool({"vision", "projector"} & set(settings.adapter.targets))
        if settings.gradient_checkpointing:
            recompute_activations(self._model)
        self._weights: dict[str, Tensor] = {
            name: weight
            for name, weight in self._changed.named_parameters()
            if weight.requires_grad
        }
        self._half = torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")
        self._notes = TrainingNotes("")
        self._before: Judgement | None = None
        self._best: Judgement | None = None

    def run(
        self, learnt: Sequence[EncodedPage], judge: Judge, data: str, *, resume: bool
    ) -> RunResult:
        """Train on some pages; ``data`` is the digest of all that the result depends on."""
        settings = self._settings
        steps = max(
            1, round(settings.epochs * len(learnt) / (settings.batch * settings.accumulate))
        )
        count = self._begin(learnt, judge, steps)
        optimizer = torch.optim.AdamW(
            self._weights.values(), lr=settings.learning_rate, weight_decay=0.0
        )
        self._notes.data = data
        if resume:
            self._notes = load_state(self._folder, self._weights, optimizer, data)
            if self._notes.before:
                self._before = judge.judgement(self._notes.before, 0, 0.0)
                self._best = judge.judgement(self._notes.best, self._notes.best_step, 0.0)
        else:
            if judge.pages:
                self._judge(judge, 0, 0.0)
            # A training that is interrupted before its next judgement can be resumed, too.
            self._save_state(optimizer)
        own = self._own_batches(len(learnt))
        frozen = None if self._vision else FrozenVision(self._model, learnt)
        self._model.train()

        def gradients_of(_: int) -> Tensor:
            number, batch = next(own)
            pages = [learnt[index] for index in batch]
            # What dropout drops must not depend on earlier steps or on the number of processes.
            torch.manual_seed(random.Random(f"{settings.seed} {number}").getrandbits(63))  # noqa: S311 - no secret
            with self._half:
                features = [frozen.features(index) for index in batch] if frozen else None
                loss = batch_loss(self._model, pages, features, vision=self._vision)
            (loss / self._accumulate).backward()  # type: ignore[no-untyped-call]
            return loss.detach()

        def after(step: int, loss: Tensor) -> bool:
            done = step + 1
            if done % settings.judge_every and done != steps:
                return False
            mean = float(self._processes.mean(loss))
            if judge.pages:
                self._judge(judge, done, mean)
            else:
                self._told(f"step {done} of {steps}: loss {mean:.4f}")
                self._keep()
            self._notes.step = done
            self._save_state(optimizer)
            return self._impatient

        done = train(
            gradients_of,
            [optimizer],
            progress=lambda step: 1.0 if self._impatient else step / steps,
            settings=LoopSettings(accumulate=self._accumulate, ramp=min(RAMP, steps)),
            before_step=lambda: self._processes.average_gradients(self._weights.values()),
            after_step=after,
            first_step=self._notes.step,
            ramp_from=0,  # a resumed optimizer has its history
        )
        self._processes.wait()
        return RunResult(done, self._before, self._best, count)

    @property
    def _impatient(self) -> bool:
        """Whether the training ends early, or had already ended early before it was resumed."""
        return 0 < self._settings.patience <= self._notes.bad

    @property
    def _accumulate(self) -> int:
        """Batches of this process in one step."""
        return self._settings.accumulate // self._processes.count

    def _own_batches(self, pages: int) -> Iterator[tuple[int, list[int]]]:
        """Yield this process's numbered batches; all processes together have those of one."""
        every = self._settings.accumulate
        first = self._notes.step * every
        order = batches(pages, self._settings.batch, seed=self._settings.seed, first=first)
        for number, batch in enumerate(order, first):
            if number % every // self._accumulate == self._processes.index:
                yield number, batch

    def _begin(self, learnt: Sequence[EncodedPage], judge: Judge, steps: int) -> int:
        count = sum(weight.numel() for weight in self._weights.values())
        total = sum(weight.numel() for weight in self._changed.parameters())
        together = f" by {self._processes.count} processes" * (self._processes.count > 1)
        self._told(
            f"training {count:,} of {total:,} weights "
            f"({', '.join(self._settings.adapter.targets)}) on {len(learnt)} pages, "
            f"{sum(page.answer for page in learnt):,} tokens, in {steps} steps{together}; judged by "
            f"{len(judge.held)} held-out pages and {len(judge.regression)} of the regression set"
        )
        return count

    def _judge(self, judge: Judge, step: int, loss: float) -> None:
        """Write all pages; keep the adapter if it is the best so far."""
        written = judge.judge(
            self._model,
            self._tokenizer,
            rule=self._rule,
            batch=self._settings.batch,
            processes=self._processes,
        )
        judgement, notes = judge.judgement(written, step, loss), self._notes
        self._told(judgement.line())
        notes.judgements.append(judgement.to_dict())
        before = self._before = self._before or judgement
        cost = judge.cost(judgement, before)
        if self._best is None or cost < judge.cost(self._best, before):
            self._best = judgement
            notes.best, notes.best_step, notes.bad = written, step, 0
            notes.before = notes.before or written
            self._keep()
            self._report(judge)
        else:
            notes.bad += 1
            if cost == float("inf"):
                self._told("too much of the regression set is forgotten: not kept")
        self._log()

    def _keep(self) -> None:
        if self._processes.first:
            keep_adapter(self._changed, self._folder)

    def _save_state(self, optimizer: torch.optim.Optimizer) -> None:
        if self._processes.first:
            save_state(self._folder, self._weights, optimizer, self._notes)

    def _report(self, judge: Judge) -> None:
        """Show pages side by side: the correct text, the text before training, and the kept adapter's."""
        if self._processes.first and self._best and self._before:
            samples = [page.sample for page in judge.pages]
            before = _joined(self._before)
            write_report(_joined(self._best), samples, self._folder, before=before)

    def _log(self) -> None:
        if self._processes.first:
            data = {"settings": asdict(self._settings), "judgements": self._notes.judgements}
            with write_errors(self._folder):
                (self._folder / LOG).write_text(json.dumps(data, indent=1), "utf-8")


def _joined(judgement: Judgement) -> Evaluation:
    """Join both sets of a judgement; the scores are those of the held-out pages, if there are any."""
    both = [each for each in (judgement.held, judgement.regression) if each]
    return Evaluation(
        both[0].scores,
        tuple(page for each in both for page in each.pages),
        tuple(text for each in both for text in each.texts),
    )
