"""Rules that apply between two tokens: forbid repeats, keep log-probabilities, end rows.

Everything works on the whole batch, on the device; rows may have different rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from transformers import LogitsProcessor, StoppingCriteria

from ...model.ngrams import NoRepeat
from ...model.page_prompt import End
from ...model.tokenizer import EOS

__all__ = ["EndCheck", "EndRows", "KeepScores", "NoRepeatNGrams", "Steps", "Temperatures"]

EndCheck = Callable[[int, Sequence[int]], bool]
"""Called with a row's number and its tokens since the last call; True ends the row."""

Tensor = torch.Tensor


class NoRepeatNGrams(LogitsProcessor):
    """Forbids tokens that would complete an n-gram a second time, with one rule per row.

    Forbids the same as :func:`deepseek_ocr_rag.model.ngrams.banned_tokens`.
    """

    def __init__(self, rules: Sequence[NoRepeat], vocabulary: int) -> None:
        rows: dict[NoRepeat, list[int]] = {}
        for row, rule in enumerate(rules):
            rows.setdefault(rule, []).append(row)
        self._groups = tuple(rows.items())
        self._vocabulary = vocabulary

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return the scores, ``(rows, vocabulary)``, with forbidden tokens at minus infinity."""
        length = input_ids.shape[1]
        for rule, rows in self._groups:
            # The window does not have enough tokens for an n-gram yet.
            if rule.size == 0 or min(rule.window or length, length) < rule.size:
                continue
            if len(rows) == len(input_ids):
                banned = self._banned(input_ids, rule)
                scores = scores.masked_fill(banned, float("-inf"))
            else:
                banned = self._banned(input_ids[rows], rule)
                scores = scores.clone()
                scores[rows] = scores[rows].masked_fill(banned, float("-inf"))
        return scores

    def _banned(self, tokens: Tensor, rule: NoRepeat) -> Tensor:
        length = tokens.shape[1]
        first = 0 if rule.window is None else max(0, length - rule.window)
        following = tokens[:, first + rule.size - 1 :]
        if rule.size == 1:
            matches = torch.ones_like(following, dtype=torch.bool)
        else:
            earlier = tokens[:, first : length - 1].unfold(1, rule.size - 1, 1)
            newest = tokens[:, None, length - rule.size + 1 :]
            matches = (earlier == newest).all(-1)
        for token in rule.exempt:
            matches &= following != token
        # A token that does not match goes to a column beyond the vocabulary, so that
        # nothing overwrites True with False.
        columns = torch.where(matches, following, self._vocabulary)
        banned = torch.zeros(
            (len(tokens), self._vocabulary + 1), dtype=torch.bool, device=tokens.device
        )
        return banned.scatter_(1, columns, value=True)[:, : self._vocabulary]


class Temperatures(LogitsProcessor):
    """Samples the rows that have a temperature, by adding Gumbel noise before the arg-max.

    Source: Gumbel, 1954: the arg-max of ``score / T + noise`` is distributed as ``softmax(score /
    T)``. The noise has its own seeded generator: results are reproducible, and torch's global
    random state is unchanged.
    """

    def __init__(self, temperatures: Sequence[float], seed: int = 0) -> None:
        self._temperatures = tuple(temperatures)
        self._seed = seed
        self._noise: torch.Generator | None = None

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return the scores, ``(rows, vocabulary)``, with noise in the sampled rows."""
        if not any(self._temperatures):
            return scores
        if self._noise is None:
            self._noise = torch.Generator(scores.device).manual_seed(self._seed)
        uniform = torch.rand(scores.shape, generator=self._noise, device=scores.device)
        gumbel = -torch.log(-torch.log(uniform.clamp_min(1e-20)))
        heat = torch.tensor(self._temperatures, device=scores.device)[:, None]
        return scores + gumbel * heat


class Steps:
    """Records every new token's log-probability and decides which rows have ended.

    ``at_end`` is called only every ``interval`` tokens, because each call waits for the device.
    ``scores`` are the model's own for the current step, before any rule.
    """

    def __init__(
        self,
        limits: Sequence[int],
        at_end: EndCheck,
        *,
        interval: int,
        cancelled: Callable[[], bool],
    ) -> None:
        self._limits = limits
        self._at_end = at_end
        self._interval = interval
        self._cancelled = cancelled
        self._logprobs: list[Tensor] = []
        self._checked = 0
        self._ends: list[End | None] = [None] * len(limits)
        self.scores: Tensor | None = None

    def after(self, input_ids: Tensor) -> Tensor:
        """Take a new token of each row; return which rows have ended, shape ``(rows,)``."""
        if self.scores is not None:
            chosen = self.scores.gather(1, input_ids[:, -1:])[:, 0]
            self._logprobs.append(chosen.float() - self.scores.float().logsumexp(-1))
            self.scores = None
        step = len(self._logprobs)
        if step - self._checked >= self._interval or step >= min(self._limits):
            self._check(input_ids, step)
        if self._cancelled():
            self._ends = [end or End(step, "cancelled") for end in self._ends]
        ended = [end is not None for end in self._ends]
        return torch.tensor(ended, device=input_ids.device)

    def _check(self, input_ids: Tensor, step: int) -> None:
        new = input_ids[:, input_ids.shape[1] - (step - self._checked) :].tolist()
        for row, tokens in enumerate(new):
            if self._ends[row] is not None:
                continue
            text = tokens[: tokens.index(EOS)] if EOS in tokens else tokens
            looping = self._at_end(row, text)
            if len(text) < len(tokens):
                self._ends[row] = End(self._checked + len(text), "stop")
            elif looping:
                self._ends[row] = End(step, "repetition")
            elif step >= self._limits[row]:
                self._ends[row] = End(self._limits[row], "length")
        self._checked = step

    def finish(self, input_ids: Tensor) -> tuple[tuple[End, tuple[float, ...]], ...]:
        """Return how each row ended and its tokens' log-probabilities, after the generation."""
        step = len(self._logprobs)
        self._check(input_ids, step)
        logprobs = torch.stack(self._logprobs, 1).tolist() if step else [[]] * len(self._ends)
        ends = [end or End(step, "length") for end in self._ends]
        return tuple(
            (end, tuple(row[: end.tokens])) for end, row in zip(ends, logprobs, strict=True)
        )


class KeepScores(LogitsProcessor):
    """Hands the model's own scores to :class:`Steps`; it must be the first processor."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return the scores, unchanged."""
        self._steps.scores = scores
        return scores


class EndRows(StoppingCriteria):
    """The stopping criterion: ends the rows for which :class:`Steps` says so."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    def __call__(self, input_ids: Tensor, scores: Tensor, **_: object) -> Tensor:
        """Return True for every row that has ended, shape ``(rows,)``."""
        return self._steps.after(input_ids)
