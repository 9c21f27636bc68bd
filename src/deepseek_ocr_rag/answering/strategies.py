"""The ways to answer: nothing was found, a name is on no page, quote passages, let a model write."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from ..document.sanitize import inert_markdown
from ..errors import LanguageModelReplyError
from ..retrieval.query import parse_query
from ..retrieval.retriever import Passage
from .answer import Sentence
from .cleaner import AnswerCleaner, without_addresses
from .fixed_texts import NO_WORD, NOT_FOUND, nearest_line, no_page_has, quoted_line
from .language_model import LanguageModel, ReplyEnd, writes_json
from .models.ollama_reply_stream import CUT
from .models.thoughts import ThoughtSplitter, without_thoughts
from .prompt import AnswerPrompt, build_prompt
from .quoting.asked_words import lacking_words
from .quoting.quotes import Quote, Quoter
from .quoting.shown_rows import shown_rows
from .structured_reply import marked_text, reply_schema
from .verification.citation import Citation
from .verification.term_frequencies import TermFrequencies
from .verification.verifier import Verifier
from .writer import AnswerWriter

__all__ = ["AbsentStrategy", "AnswerStrategy", "GeneratingStrategy", "QuotingStrategy"]

SHORTEST_SENTENCE: Final = 4
"""Fewest tokens of a sentence, on average over a reply; it bounds their number, since comparing
each takes time."""

LONGEST_TOKEN: Final = 32
"""Most characters of a token, on average over a reply."""

LONGEST_CHECKING: Final = 60.0
"""Seconds for comparing the sentences of a reply; after that, the rest are marked as unsupported."""

QUOTES: Final = 3
"""Most sentences to quote if no model writes, or if nothing that it wrote is supported."""

REPEATED: Final = "The model repeated itself, and its reply was ended."


@dataclass
class AnswerStrategy:
    """Writes one answer; this base class answers that nothing was found.

    The attributes are complete when :meth:`write` is exhausted.
    """

    text: str = field(default="", init=False)
    sentences: list[Sentence] = field(default_factory=list, init=False)
    citations: list[Citation] = field(default_factory=list, init=False)
    warnings: tuple[str, ...] = field(default=(), init=False)  # what a user should know
    llm: str | None = field(default=None, init=False)
    thinking: str = field(default="", init=False)  # what the model thought before it wrote
    quoted: bool = field(default=False, init=False)  # whether passages are quoted
    nearest: bool = field(
        default=False, init=False
    )  # whether the quotes may not be about the question
    checking: float = field(default=0.0, init=False)  # seconds spent on checking sentences

    def write(self) -> Generator[str]:
        """Yield the text in pieces."""
        for piece in self._pieces():
            self.text += piece
            yield piece

    def _pieces(self) -> Generator[str]:
        yield NO_WORD

    def _quotes(self, quotes: Sequence[Quote], line: str) -> Generator[str]:
        """Quotes, below a line that says what they are."""
        self.quoted = True
        yield line
        for quote in quotes:
            yield "\n\n"
            if quote.rows:
                yield from self._table(quote)
                continue
            for number, citation in enumerate(quote.citations):
                text = f"{' ' if number else ''}“{self._shown(citation.quote)}” [{{}}]"
                yield self._cite(text, citation)

    def _table(self, quote: Quote) -> Generator[str]:
        """Rows with their head, followed by their citations on a separate line."""
        yield f"{shown_rows(quote.heads, quote.rows, self._shown)}\n\n"
        for number, citation in enumerate(quote.citations):
            yield self._cite(f"{' ' if number else ''}[{{}}]", citation)

    def _cite(self, form: str, citation: Citation) -> str:
        """The text of a citation, with its number in place of ``{}``."""
        index = len(self.citations)
        before, _, after = form.rpartition("{}")
        text = f"{before}{index + 1}{after}"
        self.citations.append(citation)
        span = (len(self.text), len(self.text) + len(text))
        self.sentences.append(
            Sentence(citation.quote, "supported", (index,), (citation.passage,), span=span)
        )
        return text

    def _shown(self, quote: str) -> str:
        return quote


@dataclass
class AbsentStrategy(AnswerStrategy):
    """Says which names of the question are on no page."""

    names: tuple[str, ...]
    unread: tuple[str, ...]  # what was not read

    def _pieces(self) -> Generator[str]:
        yield no_page_has(self.names, self.unread)


@dataclass
class QuotingStrategy(AnswerStrategy):
    """Quotes the sentences that fit a question best.

    They count as an answer only if they have its words, or are the signatures that it asks for;
    otherwise they are presented as the nearest passages. Content words that are on no page are named.
    """

    passages: tuple[Passage, ...]
    question: str
    named: bool  # whether the question names a page, figure or table that exists
    relevant: bool  # whether the passages share enough with the question
    missing: tuple[str, ...]  # words of the question that no page has
    all_read: bool  # whether all of every page was read

    def _pieces(self) -> Generator[str]:
        quoter = Quoter(self.passages)
        query = parse_query(self.question)
        if query.asks_for_signature and (signatures := quoter.signatures(QUOTES)):
            yield from self._quotes(signatures, quoted_line((), all_read=self.all_read))
            return
        quotes = quoter.best(self.question, QUOTES)
        # A sentence with the words in another form does not count as an answer.
        self.nearest = query.asks_for_signature or not (
            self.named or (self.relevant and quoter.says(self.question))
        )
        yield from self._quotes(quotes, self._line(quotes))

    def _line(self, quotes: Sequence[Quote]) -> str:
        if self.nearest:
            return nearest_line(self.missing, all_read=self.all_read)
        units = [unit for quote in quotes for unit in quote.units]
        lacking = lacking_words(self.question, units, self.passages) if self.missing else ()
        missing = [word for word in self.missing if word in lacking]
        return quoted_line(missing, all_read=self.all_read)


@dataclass
class GeneratingStrategy(AnswerStrategy):
    """Lets a model write, cleans its text and checks its sentences.

    If it writes none that is supported, passages are quoted.
    """

    passages: tuple[Passage, ...]
    question: str
    model: LanguageModel
    frequencies: TermFrequencies
    relevant: bool = field(kw_only=True)  # whether the passages may be quoted
    strict: bool = field(kw_only=True)  # leave out sentences without support
    _is_json: bool = field(default=False, init=False)

    def _pieces(self) -> Generator[str]:
        self.llm = self.model.name
        structured = writes_json(self.model)
        prompt = build_prompt(
            self.question, self.passages, self.model.context_length, structured=structured
        )
        self.warnings += prompt.warnings
        given = self.passages[: prompt.used]
        verifier = Verifier(given, self.question, self.frequencies, max_seconds=LONGEST_CHECKING)
        writer = AnswerWriter(
            verifier,
            self.question,
            strict=self.strict,
            most_sentences=prompt.max_tokens // SHORTEST_SENTENCE,
        )
        self.sentences, self.citations = writer.sentences, writer.citations
        cleaner = AnswerCleaner(prompt.used)
        reply = self._ask(prompt)
        splitter = ThoughtSplitter()
        text = self._limited(without_thoughts(reply, splitter), prompt.max_tokens)
        if structured:
            text = marked_text(self._look_for_json(text))
        try:
            for piece in text:
                if shown := writer.feed(cleaner.feed(piece)):
                    yield shown
                if writer.repeats:
                    break
                if writer.is_full:
                    self.warnings += (CUT,)
                    break
        finally:
            # Closing ends the request.
            getattr(reply, "close", lambda: None)()
        end: ReplyEnd = getattr(reply, "finish_reason", "stop")
        # From JSON only whole sentences come.
        broken_off = end in ("repetition", "broken off") and not self._is_json
        if shown := writer.feed(cleaner.finish()) + writer.finish(broken_off=broken_off):
            yield shown
        self.checking = writer.seconds
        thoughts = (str(getattr(reply, "thinking", "")), splitter.thinking)
        self.thinking = "\n".join(filter(None, thoughts))
        self.warnings += tuple(getattr(reply, "warnings", ()))
        if writer.repeats:
            self.warnings += (REPEATED,)
            end = "repetition"
        yield from self._instead(writer, end)

    def _limited(self, pieces: Iterator[str], max_tokens: int) -> Iterator[str]:
        """Cut the text at a length that no reply of this many tokens can have, whatever a server sends."""
        left = LONGEST_TOKEN * max_tokens
        for piece in pieces:
            yield piece[:left]
            left -= len(piece)
            if left <= 0:
                self.warnings += (CUT,)
                return

    def _ask(self, prompt: AnswerPrompt) -> Iterator[str]:
        if writes_json(self.model):
            schema = reply_schema(prompt.used)
            return self.model.stream_json(
                prompt.messages, schema=schema, max_tokens=prompt.max_tokens
            )
        return self.model.stream(prompt.messages, max_tokens=prompt.max_tokens)

    def _look_for_json(self, pieces: Iterator[str]) -> Iterator[str]:
        start = ""
        for piece in pieces:
            start = start or piece.lstrip()
            self._is_json = start.startswith("{")
            yield piece

    def _shown(self, quote: str) -> str:
        # As in a reply, there must be nothing that a viewer would load or offer as a link.
        return without_addresses(inert_markdown(quote))

    def _instead(self, writer: AnswerWriter, end: ReplyEnd) -> Generator[str]:
        """The text to show below a reply without a supported sentence, or in its place."""
        removed = [sentence for sentence in writer.sentences if sentence.span is None]
        if removed:
            self.warnings += (f"Removed without support: {len(removed)} of the sentences.",)
        statuses = {sentence.status for sentence in writer.sentences}
        if not statuses and end == "broken off":
            raise LanguageModelReplyError(
                f"{self.model.name}: the reply broke off before its first sentence was whole",
                remedy="Ask again, and look at the server's log.",
            )
        if not (statuses or writer.text or writer.wordless or end == "repetition"):
            raise self._nothing_written(end)
        if self.relevant and statuses.isdisjoint(("supported", "absent")):
            wrote = "No source says what" if statuses else "No whole sentence is in what"
            line = f"{wrote} {self.model.name} wrote, so the best passages are quoted:"
            space = "\n\n" if self.text else ""
            yield from self._quotes(Quoter(self.passages).best(self.question, QUOTES), space + line)
        elif not writer.text:
            # Only a model can say that the documents do not have the answer.
            absent = "absent" in statuses or not statuses
            yield NOT_FOUND if absent else f"No source says what {self.model.name} wrote."

    def _nothing_written(self, end: ReplyEnd) -> LanguageModelReplyError:
        if not self.thinking:
            return LanguageModelReplyError(
                f"{self.model.name} wrote nothing", remedy="Ask again, or use another model."
            )
        why = (
            "reached its longest reply while it was thinking" if end == "length" else "only thought"
        )
        return LanguageModelReplyError(
            f"{self.model.name} {why} ({len(self.thinking)} characters of thoughts), and wrote no"
            " answer",
            remedy="Turn its thinking off or down (think=False, think='low'), give it more room"
            " (num_ctx), or use a model that does not think.",
        )
