"""Judges a model during training by what it writes for held-out pages and for ordinary ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from transformers import PreTrainedModel

from ...model.ngrams import NoRepeat
from ...model.tokenizer import ModelTokenizer
from ..processes import Processes
from ..targets import EncodedPage
from .evaluation import Evaluation
from .scores import PageScore, summarise
from .writing import write_pages

__all__ = ["Judge", "Judgement"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a model wrote at one step.

    Attributes:
        step: Steps done.
        loss: The loss of the last step.
        held: Scores of the held-out pages; None without such pages.
        regression: Scores of the regression set; None without one.
    """

    step: int
    loss: float
    held: Evaluation | None
    regression: Evaluation | None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values, without the texts."""
        return {
            "step": self.step,
            "loss": self.loss,
            "scores": self.held and self.held.scores.to_dict(),
            "regression": self.regression and self.regression.scores.to_dict(),
        }

    def line(self) -> str:
        """Return it as a line of text for people."""
        told = [f"loss {self.loss:.4f}"] if self.step else []  # before the first one there is none
        if self.held:
            scores = self.held.scores
            told.append(f"character error rate {scores.cer:.4f}, words {scores.wer:.4f}")
            told.append(f"loops {scores.loops}, without end {scores.without_end}")
        if self.regression:
            told.append(f"regression set {self.regression.scores.cer:.4f}")
        return f"step {self.step}: {', '.join(told)}"

    @property
    def written(self) -> list[list[Any]]:
        """Scores and texts of all pages, for JSON."""
        both = [each for each in (self.held, self.regression) if each]
        return [
            [asdict(score), text]
            for each in both
            for score, text in zip(each.pages, each.texts, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class Judge:
    """The pages by which a training is judged.

    Attributes:
        held: Held-out pages: the better they are written, the better the adapter.
        regression: Ordinary pages, which the model could read before and should still read.
        forgetting: Most that the character error rate of the ordinary pages may rise.
    """

    held: Sequence[EncodedPage]
    regression: Sequence[EncodedPage]
    forgetting: float

    @property
    def pages(self) -> list[EncodedPage]:
        """All pages, held-out ones first."""
        return [*self.held, *self.regression]

    def judge(
        self,
        model: PreTrainedModel,
        tokenizer: ModelTokenizer,
        *,
        rule: NoRepeat,
        batch: int,
        processes: Processes,
    ) -> list[list[Any]]:
        """Let the model write all pages, divided among the processes; return scores and texts."""
        pages = self.pages
        mine = write_pages(
            model, tokenizer, pages[processes.index :: processes.count], rule=rule, batch=batch
        )
        sent = processes.gather([[asdict(each.score), each.text] for each in mine])
        return [sent[at % processes.count][at // processes.count] for at in range(len(pages))]

    def judgement(self, written: Sequence[Sequence[Any]], step: int, loss: float) -> Judgement:
        """Make the judgement of what was written at a step."""
        count = len(self.held)
        return Judgement(step, loss, _evaluation(written[:count]), _evaluation(written[count:]))

    def cost(self, judgement: Judgement, before: Judgement) -> float:
        """Return how bad an adapter is; infinite if ordinary pages have become too much worse.

        Without held-out pages, the ordinary ones decide.
        """
        if judgement.regression is None or before.regression is None:
            return judgement.held.scores.cer if judgement.held else 0.0
        cer = judgement.regression.scores.cer
        if cer > before.regression.scores.cer + self.forgetting:
            return float("inf")
        return judgement.held.scores.cer if judgement.held else cer


def _evaluation(written: Sequence[Sequence[Any]]) -> Evaluation | None:
    if not written:
        return None
    # JSON has no tuples.
    scores = tuple(PageScore(**{**sent, "tables": tuple(sent["tables"])}) for sent, _ in written)
    return Evaluation(summarise(scores), scores, tuple(text for _, text in written))
