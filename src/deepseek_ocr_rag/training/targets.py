"""Turns a sample into what the model sees and the tokens that it learns to write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ..document.grammar.parser import parse_page
from ..errors import ConfigurationError, SourceError
from ..model.families import Family
from ..model.loops.detector import find_loops
from ..model.prompts import mode_named
from ..model.tokenizer import BOS, EOS, IMAGE, PAD, ModelTokenizer, prompt_ids
from ..model.views import PageViews, page_views
from ..sources.source import open_source
from .samples import SampleProblem, SampleSet, TrainingSample

__all__ = ["EncodedPage", "encode", "encode_all"]

RESERVED: Final = frozenset({BOS, EOS, PAD, IMAGE})
SHOWN: Final = 40
"""How many characters of a loop a note shows."""


@dataclass(frozen=True, slots=True)
class EncodedPage:
    """A sample as the model sees it.

    Attributes:
        sample: The sample that it is made from.
        ids: Tokens of prompt, picture and answer, and one end token.
        prompt: How many of these tokens are the prompt and the picture; the others are learnt.
        views: The page's pixels.
    """

    sample: TrainingSample
    ids: tuple[int, ...]
    prompt: int
    views: PageViews

    @property
    def answer(self) -> int:
        """Number of tokens that are learnt, the end token included."""
        return len(self.ids) - self.prompt


def encode(
    sample: TrainingSample,
    tokenizer: ModelTokenizer,
    family: Family,
    *,
    mode: str,
    max_positions: int,
) -> EncodedPage:
    """Render a sample's page and turn its text into tokens.

    Args:
        sample: The sample.
        tokenizer: The model's tokenizer.
        family: The model's family.
        mode: Resolution for samples that have none of their own.
        max_positions: Most tokens of prompt, picture and answer.

    Raises:
        ConfigurationError: If the answer or the prompt cannot be learnt; the message says why.
        SourceError: If the picture cannot be read.
    """
    resolution = mode_named(sample.mode or mode)
    answer = sample.answer.strip()
    _check_answer(sample, answer, family)
    with open_source(sample.image) as document:
        image = document.render(sample.image_page, resolution.long_side)
    views = page_views(image, resolution, family)
    prompt = prompt_ids(
        tokenizer, family.prompt(sample.task), family.image_tokens(views.side, views.grid)
    )
    written = tokenizer.encode(answer)
    _check_tokens(answer, written, tokenizer)
    ids = (*prompt, *written, EOS)
    if len(ids) > max_positions:
        raise ConfigurationError(
            f"{len(ids)} tokens ({len(prompt)} of prompt and picture), and the model takes "
            f"{max_positions}; {len(ids) - max_positions} would be lost",
            remedy="Use a smaller mode, or cut the page.",
        )
    return EncodedPage(sample, ids, len(prompt), views)


def _check_answer(sample: TrainingSample, answer: str, family: Family) -> None:
    if not answer:
        raise ConfigurationError("the answer is empty")
    if not sample.prompt.strip():
        raise ConfigurationError("the prompt is empty")
    boxes = "<|det|>" in answer
    either = sample.prompt.strip() == family.document_prompt  # it does not say
    if boxes and not sample.grounded and not either:
        raise ConfigurationError(
            "the answer has boxes, but the prompt does not ask for any",
            remedy="Put <|grounding|> before the prompt, or take the boxes out.",
        )
    if sample.grounded and not boxes:
        raise ConfigurationError(
            "the prompt asks for boxes, and the answer has none",
            remedy='Ask "Free OCR." for texts without boxes.',
        )
    if boxes:
        broken = [
            each
            for each in parse_page(answer, recorded=False).warnings
            if "broken" in each or "list" in each
        ]
        if broken:
            raise ConfigurationError(f"the answer's tags: {'; '.join(broken)}")


def _check_tokens(answer: str, written: Sequence[int], tokenizer: ModelTokenizer) -> None:
    reserved = RESERVED.intersection(written)
    if reserved:
        raise ConfigurationError(
            "the answer contains a token of the model's own (start, end, padding or <image>)",
            remedy="Take it out: training adds the one end token itself.",
        )
    back = tokenizer.decode(written)
    if back != answer:
        lost = Counter(answer) - Counter(back)
        shown = "".join(sorted(lost))[:20]
        raise ConfigurationError(
            f"{sum(lost.values())} characters are lost, which the vocabulary does not have: {shown!r}"
        )


def encode_all(
    samples: Sequence[TrainingSample],
    tokenizer: ModelTokenizer,
    family: Family,
    *,
    mode: str,
    max_positions: int,
) -> tuple[tuple[EncodedPage, ...], SampleSet]:
    """Encode every sample, and collect those that cannot be learnt, each with its reason.

    An answer that repeats itself is noted: it may be a form, but it may also teach the model to loop.
    """
    pages: list[EncodedPage] = []
    problems: list[SampleProblem] = []
    notes: list[str] = []
    for sample in samples:
        try:
            pages.append(encode(sample, tokenizer, family, mode=mode, max_positions=max_positions))
        except (ConfigurationError, SourceError) as error:
            problems.append(SampleProblem(sample.id, str(error)))
            continue
        if loops := find_loops(sample.answer):
            repeated = sample.answer[loops[0].start :].lstrip(" \n.,;:")[:SHOWN]
            notes.append(
                f"{sample.id} repeats itself, which teaches a model to loop: {repeated!r} "
                f"{loops[0].copies:.0f} times"
            )
    return tuple(pages), SampleSet(
        tuple(page.sample for page in pages), tuple(problems), tuple(notes)
    )
