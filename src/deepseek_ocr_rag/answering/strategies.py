"""Three ways to answer: nothing was found, quote passages, let a model write."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ..errors import LanguageModelReplyError
from ..retrieval.retriever import Passage
from .answer import Sentence
from .cleaner import AnswerCleaner, without_thoughts
from .fixed_texts import NOT_FOUND
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
"""Most sentences to quote in an answer without a language model."""


@dataclass
class AnswerStrategy:
    """Writes one answer; this base class answers that nothing was found.

    The attributes are complete when :meth:`write` is exhausted.

    Attributes:
        text: The text so far.
        sentences: The sentences of the answer.
        citations: Their citations.
        warnings: What a user should know.
        llm: Name of the model that wrote it, None without a model.
        checking: Seconds spent on comparing sentences with their sources.
    """

    text: str = field(default="", init=False)
    sentences: list[Sentence] = field(default_factory=list, init=False)
    citations: list[Citation] = field(default_factory=list, init=False)
    warnings: tuple[str, ...] = field(default=(), init=False)
    llm: str | None = field(default=None, init=False)
    checking: float = field(default=0.0, init=False)

    def write(self) -> Generator[str]:
        """Yield the text in pieces.

        Raises:
            LanguageModelError: If a model gave no answer.
            ConfigurationError: If the model's context has no room for a source.
        """
        for piece in self._pieces():
            self.text += piece
            yield piece

    def _pieces(self) -> Generator[str]:
        yield NOT_FOUND


@dataclass
class QuotingStrategy(AnswerStrategy):
    """Quotes the sentences that fit a question best."""

    passages: tuple[Passage, ...]
    question: str

    def _pieces(self) -> Generator[str]:
        yield "Quoted from the documents (no language model was asked):"
        for index, citation in enumerate(Quoter(self.passages).best(self.question, QUOTES)):
            yield "\n\n"
            text = f"“{citation.quote}” [{index + 1}]"
            span = (len(self.text), len(self.text) + len(text))
            self.citations.append(citation)
            self.sentences.append(
                Sentence(citation.quote, "supported", (index,), (citation.passage,), span=span)
            )
            yield text


@dataclass
class GeneratingStrategy(AnswerStrategy):
    """Lets a model write, cleans its text and checks its sentences."""

    passages: tuple[Passage, ...]
    question: str
    model: LanguageModel
    frequencies: TermFrequencies
    strict: bool = field(kw_only=True)

    def _pieces(self) -> Generator[str]:
        self.llm = self.model.name
        structured = writes_json(self.model)
        prompt = build_prompt(
            self.question, self.passages, self.model.context_length, structured=structured
        )
        self.warnings += prompt.warnings
        verifier = Verifier(self.passages[: prompt.used], self.question, self.frequencies)
        writer = AnswerWriter(verifier, self.question, strict=self.strict)
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
                f"{self.model.name} wrote nothing", remedy="Ask again, or use another model."
            )
        removed = [sentence for sentence in writer.sentences if sentence.span is None]
        if removed:
            self.warnings += (f"Removed without support: {len(removed)} of the sentences.",)

    @contextmanager
    def _reply(self, prompt: AnswerPrompt) -> Iterator[Iterator[str]]:
        """The model's reply without its thoughts; leaving the block ends the request."""
        if writes_json(self.model):
            schema = reply_schema(prompt.used)
            pieces = self.model.stream_json(
                prompt.messages, schema=schema, max_tokens=prompt.max_tokens
            )
        else:
            pieces = self.model.stream(prompt.messages, max_tokens=prompt.max_tokens)
        try:
            yield without_thoughts(pieces)
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                close()
        self.warnings += tuple(getattr(pieces, "warnings", ()))
