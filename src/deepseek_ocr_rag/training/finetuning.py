"""Fine-tunes a model with a LoRA adapter, and keeps the one that writes best."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import torch
from torch import Tensor

from ..backends.transformers.model_loading import load_model
from ..errors import ConfigurationError, OutputError
from ..model.checkpoint import Checkpoint, find_checkpoint
from ..model.prompts import mode_named
from ..model.tokenizer import ModelTokenizer
from .adapters import AdapterSettings, add_adapter, recompute_activations
from .batches import batch_loss, batches
from .loop import LoopSettings, train
from .sample_folders import read_samples, split_samples
from .scores import Scores, summarise
from .targets import EncodedPage, encode_all
from .writing import write_pages

__all__ = ["FineTuning", "TrainingResult", "fine_tune"]

STATE: Final = "training_state.safetensors"
LOG: Final = "training.json"

_log = logging.getLogger("deepseek_ocr_rag")


@dataclass(frozen=True, slots=True)
class FineTuning:
    """How to fine-tune.

    Attributes:
        adapter: What is changed.
        mode: Resolution of samples that have none of their own.
        epochs: How often each page is learnt.
        learning_rate: Peak of the learning rate.
        batch: Pages at once in memory.
        accumulate: Batches in one step.
        held_out: Share of the samples to judge by, where the data does not divide them.
        judge_every: Steps between two judgements.
        judged: Most held-out pages of a judgement.
        patience: Judgements without an improvement after which training ends; 0 never ends it.
        device: As for :class:`~deepseek_ocr_rag.TransformersBackend`.
        gradient_checkpointing: Saves memory, for a third more time.
        seed: Of the adapter and of the order.
    """

    adapter: AdapterSettings = field(default_factory=AdapterSettings)
    mode: str = "base"
    epochs: float = 3.0
    learning_rate: float = 2e-4
    batch: int = 1
    accumulate: int = 8
    held_out: float = 0.1
    judge_every: int = 50
    judged: int = 32
    patience: int = 3
    device: str | None = None
    gradient_checkpointing: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        mode_named(self.mode)
        for name in ("epochs", "learning_rate", "batch", "accumulate", "judge_every", "judged"):
            if not getattr(self, name) > 0:
                raise ConfigurationError(
                    f"{name} is {getattr(self, name)}", remedy="Use more than 0."
                )


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """The result of a training.

    Attributes:
        adapter: The folder of the best adapter.
        steps: Steps done.
        before: Scores of the held-out pages before; None without any.
        best: Scores of the kept adapter.
        best_step: When it was reached.
        trained: Number of trained weights.
    """

    adapter: Path
    steps: int
    before: Scores | None
    best: Scores | None
    best_step: int
    trained: int


def fine_tune(
    base: str | Path,
    data: str | Path,
    output: str | Path,
    settings: FineTuning | None = None,
    *,
    revision: str | None = None,
    resume: bool = False,
    told: Callable[[str], None] = _log.info,
) -> TrainingResult:
    """Train an adapter.

    The held-out pages are written before, during and after; the adapter whose text is best is kept,
    whatever the loss says.

    Args:
        base: The model: a folder, a hub id, or the name of a family.
        data: See :func:`~deepseek_ocr_rag.training.read_samples`.
        output: Folder of the adapter.
        settings: How to train.
        revision: Commit of a hub id.
        resume: Go on with the training whose folder ``output`` is.
        told: Called with lines about the progress.

    Raises:
        SourceError: If a sample cannot be used; all of them are named before anything is trained.
        ConfigurationError: If a setting does not fit the model or the data.
        BackendError: If the model cannot be loaded.
        OutputError: If ``output`` holds something else.
        MissingExtraError: If a package of the extra "train" is missing.
    """
    settings = settings or FineTuning()
    folder = _output(Path(output), resume)
    checkpoint = find_checkpoint(base, revision=revision)
    tokenizer = ModelTokenizer.from_file(checkpoint.tokenizer)
    learnt, held = _pages(checkpoint, tokenizer, data, settings)
    training = _Training(checkpoint, tokenizer, settings, folder, told)
    return training.run(learnt, held[: settings.judged], resume)


def _output(folder: Path, resume: bool) -> Path:
    if resume:
        if not (folder / STATE).is_file():
            raise OutputError(
                f"holds no {STATE}", source=str(folder), remedy="Start without --resume."
            )
    elif folder.exists() and any(folder.iterdir()):
        raise OutputError(
            "is not empty", source=str(folder), remedy="Name a new folder, or use --resume."
        )
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _pages(
    checkpoint: Checkpoint, tokenizer: ModelTokenizer, data: str | Path, settings: FineTuning
) -> tuple[tuple[EncodedPage, ...], tuple[EncodedPage, ...]]:
    sides = split_samples(read_samples(data).checked(), settings.held_out)
    most = checkpoint.family.max_positions
    both = []
    for samples in sides:
        pages, found = encode_all(
            samples, tokenizer, checkpoint.family, mode=settings.mode, max_positions=most
        )
        if samples:
            found.checked()
        both.append(pages)
    return both[0], both[1]


class _Training:
    """One training."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        tokenizer: ModelTokenizer,
        settings: FineTuning,
        folder: Path,
        told: Callable[[str], None],
    ) -> None:
        self._settings, self._folder, self._told = settings, folder, told
        self._tokenizer, self._rule = tokenizer, checkpoint.family.no_repeat
        device = torch.device(settings.device or ("cuda" if torch.cuda.is_available() else "cpu"))
        kind = torch.bfloat16 if device.type == "cuda" else torch.float32
        torch.manual_seed(settings.seed)
        self.model = load_model(checkpoint, dtype=kind, device_map={"": device})
        self._changed = add_adapter(self.model, settings.adapter)
        self._vision = bool({"vision", "projector"} & set(settings.adapter.targets))
        if settings.gradient_checkpointing:
            recompute_activations(self.model)
        self._weights = {
            name: weight
            for name, weight in self._changed.named_parameters()
            if weight.requires_grad
        }
        self._half = torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")
        self._log: list[dict[str, Any]] = []
        self._best: tuple[float, int, Scores | None] = (float("inf"), 0, None)

    def run(
        self, learnt: Sequence[EncodedPage], held: Sequence[EncodedPage], resume: bool
    ) -> TrainingResult:
        settings = self._settings
        count = sum(weight.numel() for weight in self._weights.values())
        total = sum(weight.numel() for weight in self._changed.parameters())
        steps = max(
            1, round(settings.epochs * len(learnt) / (settings.batch * settings.accumulate))
        )
        self._told(
            f"training {count:,} of {total:,} weights ({', '.join(settings.adapter.targets)}) on "
            f"{len(learnt)} pages, {sum(page.answer for page in learnt):,} tokens, in {steps} steps; "
            f"judged by {len(held)} pages"
        )
        optimizer = torch.optim.AdamW(
            self._weights.values(), lr=settings.learning_rate, weight_decay=0.0
        )
        first = self._load(optimizer) if resume else 0
        before = self._log[0]["scores"] if self._log else None
        if held and not resume:
            before = self._judge(held, 0, 0.0).to_dict()
        order = batches(
            len(learnt), settings.batch, seed=settings.seed, first=first * settings.accumulate
        )
        self.model.train()
        bad = 0

        def gradients_of(number: int) -> Tensor:
            pages = [learnt[index] for index in next(order)]
            with self._half:
                loss = batch_loss(self.model, pages, vision=self._vision)
            (loss / settings.accumulate).backward()  # type: ignore[no-untyped-call]
            return loss.detach()

        def after(step: int, loss: Tensor) -> bool:
            nonlocal bad
            done = step + 1
            if done % settings.judge_every and done != steps:
                return False
            if held:
                last = self._best[1]
                self._judge(held, done, float(loss))
                bad = 0 if self._best[1] != last else bad + 1
            else:
                self._told(f"step {done} of {steps}: loss {float(loss):.4f}")
                self._keep()
            self._store(optimizer, done)
            return 0 < settings.patience <= bad

        done = train(
            gradients_of,
            [optimizer],
            progress=lambda step: step / steps,
            settings=LoopSettings(accumulate=settings.accumulate, ramp=min(10, steps)),
            after_step=after,
            first_step=first,
        )
        scores = None if before is None else Scores(**before)
        return TrainingResult(self._folder, done, scores, self._best[2], self._best[1], count)

    def _judge(self, held: Sequence[EncodedPage], step: int, loss: float) -> Scores:
        """Write the held-out pages; keep the adapter if they are the best so far."""
        written = write_pages(
            self.model, self._tokenizer, held, rule=self._rule, batch=self._settings.batch
        )
        scores = summarise([each.score for each in written])
        self._log.append({"step": step, "loss": loss, "scores": scores.to_dict()})
        self._told(
            f"step {step}: loss {loss:.4f}, character error rate {scores.cer:.4f}, "
            f"words {scores.wer:.4f}, loops {scores.loops}, without end {scores.without_end}"
        )
        if scores.cer < self._best[0] or not (self._folder / "adapter_config.json").exists():
            self._best = (scores.cer, step, scores)
            self._keep()
        (self._folder / LOG).write_text(
            json.dumps({"settings": asdict(self._settings), "judgements": self._log}, indent=1),
            "utf-8",
        )
        return scores

    def _keep(self) -> None:
        # Embeddings are unchanged; without this, PEFT would ask the hub about them.
        self._changed.save_pretrained(str(self._folder), save_embedding_layers=False)

    def _store(self, optimizer: torch.optim.Optimizer, step: int) -> None:
        """What a resumed training needs: weights, moments, the step."""
        from safetensors.torch import save_file

        tensors = {
            f"weight:{name}": weight.detach().cpu() for name, weight in self._weights.items()
        }
        for name, weight in self._weights.items():
            for key, value in optimizer.state.get(weight, {}).items():
                tensors[f"{key}:{name}"] = torch.as_tensor(value).detach().cpu()
        note = {"step": step, "best": [self._best[0], self._best[1]], "log": self._log}
        part = self._folder / f"{STATE}.part"
        save_file(tensors, part, {"state": json.dumps(note)})
        part.replace(self._folder / STATE)

    def _load(self, optimizer: torch.optim.Optimizer) -> int:
        from safetensors import safe_open

        with safe_open(self._folder / STATE, "pt") as stored:
            note = json.loads((stored.metadata() or {})["state"])
            for name, weight in self._weights.items():
                weight.data.copy_(stored.get_tensor(f"weight:{name}"))
                optimizer.state[weight] = {
                    key: stored.get_tensor(f"{key}:{name}").to(
                        weight.device if key != "step" else "cpu"
                    )
                    for key in ("step", "exp_avg", "exp_avg_sq")
                }
        self._log = note["log"]
        best = next((each["scores"] for each in self._log if each["step"] == note["best"][1]), None)
        self._best = (note["best"][0], note["best"][1], None if best is None else Scores(**best))
        return cast("int", note["step"])
