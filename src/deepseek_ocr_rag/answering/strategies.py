"""The ways in which an answer comes about: nothing is found, passages are quoted, a model writes."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager

from ..errors import LanguageModelReplyError
from ..retrieval.retriever import Passage
from .answer import NOT_FOUND, Sentence
from .cleaner import AnswerCleaner, without_thoughts
from .language_model import LanguageModel, writes_json
from .prompt import AnswerPrompt, build_prompt
from .quotes import Quoter
from .structured_reply import marked_text, reply_schema
from .verification.citation import Citation
from .verification.term_frequencies import TermFrequencies
from .verification.verifier import Verifier
from .writer import AnswerWriter

__all__ = ["AnswerStrategy", "GeneratingStrategy", "QuotingStrategy"]

QUOTES = 3
"""Sentences that an answer without a language model quotes at most."""


class AnswerStrategy:
    """One answer while it comes about; this one says that nothing was found.

    Attributes:
        text: What was given so far.
        sentences: Complete when :meth:`write` is exhausted, as all that follows.
        citations: Those of the sentences.
        warnings: What a user should know.
        llm: Name of the model that wrote.
        checking: Seconds spent on comparing with the sources.
    """

    def __init__(self) -> None:
        self.text = ""
        self.sentences: list[Sentence] = []
        self.citations: list[Citation] = []
        self.warnings: tuple[str, ...] = ()
        self.llm: str | None = None
        self.checking = 0.0

    def write(self) -> Generator[str]:
        """Give the text in pieces.

        Raises:
            LanguageModelError: If a model gave no answer.
            ConfigurationError: If the model's context has no room for a source.
        """
        for piece in self._pieces():
            self.text += piece
            yield piece

    def _pieces(self) -> Generator[str]:
        yield NOT_FOUND


class QuotingStrategy(AnswerStrategy):
    """Quotes the sentences that fit a question best."""

    def __init__(self, passages: tuple[Passage, ...], question: str) -> None:
        super().__init__()
        self._passages = passages
        self._question = question

    def _pieces(self) -> Generator[str]:
        yield "Quoted from the documents (no language model was asked):"
        for place, citation in enumerate(Quoter(self._passages).best(self._question, QUOTES)):
            yield "\n\n"
            text = f"“{citation.quote}” [{place + 1}]"
            span = (len(self.text), len(self.text) + len(text))
            self.citations.append(citation)
            self.sentences.append(
                Sentence(citation.quote, "supported", (place,), (citation.passage,), span=span)
            )
            yield text


class GeneratingStrategy(AnswerStrategy):
    """Has a model write, cleans its words and checks its sentences."""

    def __init__(
        self,
        passages: tuple[Passage, ...],
        question: str,
        model: LanguageModel,
        background: TermFrequencies,
        *,
        strict: bool,
    ) -> None:
        super().__init__()
        self.llm = model.name
        self._model = model
        self._passages = passages
        self._question = question
        self._background = background
        self._strict = strict

    def _pieces(self) -> Generator[str]:
        structured = writes_json(self._model)
        prompt = build_prompt(
            self._question, self._passages, self._model.context_length, structured=structured
        )
        self.warnings += prompt.warnings
        verifier = Verifier(self._passages[: prompt.used], self._question, self._background)
        writer = AnswerWriter(verifier, self._question, strict=self._strict)
        self.sentences, self.citations = writer.sentences, writer.citations
        cleaner = AnswerCleaner(prompt.used)
        with self._reply(prompt) as reply:
            pieces = marked_text(reply) if structured else reply
            for piece in pieces:
                if shown := writer.feed(cleaner.feed(piece)):
                    yield shown
            if shown := writer.feed(cleaner.finish()) + writer.finish():
                yield shown
        self.checking = writer.seconds
        if not writer.text:
            raise LanguageModelReplyError(
                f"{self._model.name} wrote nothing", remedy="Ask again, or take another model."
            )
        removed = [sentence for sentence in writer.sentences if sentence.span is None]
        if removed:
            self.warnings += (f"Left out without support: {len(removed)} of the sentences.",)

    @contextmanager
    def _reply(self, prompt: AnswerPrompt) -> Iterator[Iterator[str]]:
        """What the model says, thoughts left out; leaving it ends the model's work."""
        if writes_json(self._model):
            schema = reply_schema(prompt.used)
            pieces = self._model.stream_json(
                prompt.messages, schema=schema, max_tokens=prompt.max_tokens
            )
        else:
            pieces = self._model.stream(prompt.messages, max_tokens=prompt.max_tokens)
        try:
            yield without_thoughts(pieces)
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                close()
        self.warnings += tuple(getattr(pieces, "warnings", ()))
