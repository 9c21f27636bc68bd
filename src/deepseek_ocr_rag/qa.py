"""Questions over documents: search, an answer by a language model or by quoting, citations."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from contextlib import closing

from .answer import Answer, Citation, Timings
from .answer_text import AnswerCleaner, without_thoughts
from .context import NOT_FOUND, build_prompt
from .document import OcrDocument
from .errors import ConfigurationError, LanguageModelReplyError
from .language_model import LanguageModel, language_model_named
from .quotes import Quoter
from .retrieval import Passage, Retriever

__all__ = ["Answer", "AnswerStream", "Citation", "DocumentQA", "Timings"]

_QUOTES = 3
"""Sentences that an answer without a language model quotes at most."""


class DocumentQA:
    """Answers questions over documents that were read, and shows where each answer stands.

    Without a language model it quotes the sentences that fit the question best.
    With one, the model sees numbered passages and cites them; a citation is the
    sentence of the passage that fits the citing sentence best, with its boxes.

    Args:
        documents: One or more.
        llm: ``"ollama/<model>"``, an object of your own, or None (or
            ``"none"``) to quote only.
        top_k: How many passages an answer may rest on.
        host: Where Ollama listens; ``OLLAMA_HOST`` or this machine without it.
        allow_remote: Whether the documents' text may go to another machine.
        timeout: Longest silence of the model in seconds.
        num_ctx: Tokens of context to ask Ollama for, 8192 without it.
        max_chars: Budget for a chunk, see :func:`chunk_document`.

    Raises:
        ConfigurationError: If an argument cannot be meant.
        RemoteModelRefusedError: If the model is another machine's.

    Example:
        >>> qa = DocumentQA(document, llm="ollama/gemma3:4b")  # doctest: +SKIP
        >>> answer = qa.ask("Who keeps the lamp?")  # doctest: +SKIP
        >>> answer.citations[0].page  # doctest: +SKIP
        2
    """

    def __init__(
        self,
        documents: OcrDocument | Sequence[OcrDocument],
        llm: str | LanguageModel | None = None,
        *,
        top_k: int = 5,
        host: str | None = None,
        allow_remote: bool = False,
        timeout: float = 120.0,
        num_ctx: int | None = None,
        max_chars: int = 1200,
    ) -> None:
        if top_k < 1:
            raise ConfigurationError("an answer needs a passage", remedy="Set top_k to 1 or more.")
        documents = (documents,) if isinstance(documents, OcrDocument) else tuple(documents)
        self.top_k = top_k
        self.llm = (
            language_model_named(
                llm, host=host, timeout=timeout, num_ctx=num_ctx, allow_remote=allow_remote
            )
            if isinstance(llm, str)
            else llm
        )
        self.retriever = Retriever.from_documents(documents, max_chars=max_chars)
        self._unread = tuple(
            f"Page {page.number} of {document.source} could not be read and was not searched."
            for document in documents
            for page in document.failed_pages
        )

    def ask(self, question: str) -> Answer:
        """Answer a question.

        Raises:
            ConfigurationError: If the question is empty.
            LanguageModelError: If the model gave no answer.
        """
        return self.stream(question).answer

    def stream(self, question: str) -> AnswerStream:
        """The answer's text as it is written, then the whole :class:`Answer`.

        Example:
            >>> stream = qa.stream("Who keeps the lamp?")  # doctest: +SKIP
            >>> for piece in stream:  # doctest: +SKIP
            ...     print(piece, end="")
            >>> stream.answer.citations  # doctest: +SKIP

        Raises:
            ConfigurationError: If the question is empty.
        """
        if not question.strip():
            raise ConfigurationError("the question is empty", remedy="Ask something.")
        return AnswerStream(lambda stream: self._write(question, stream))

    async def aask(self, question: str) -> Answer:
        """As :meth:`ask`, while other tasks run."""
        stream = self.stream(question)
        async for _ in stream:
            pass
        return stream.answer

    def _write(self, question: str, stream: AnswerStream) -> Generator[str]:
        start = time.perf_counter()
        passages = self.retriever.search(question, self.top_k)
        searched = time.perf_counter()
        writer = _Writer(question, passages, self.llm if passages else None)
        text = ""
        with closing(writer.write()) as pieces:
            for piece in pieces:
                text += piece
                yield piece
        stream.finish(
            Answer(
                question=question,
                text=text,
                citations=tuple(writer.citations),
                passages=passages,
                llm=writer.llm.name if writer.llm is not None else None,
                warnings=(*writer.warnings, *self._unread),
                timings=Timings(searched - start, time.perf_counter() - searched),
            )
        )


class _Writer:
    """Writes one answer."""

    def __init__(
        self, question: str, passages: tuple[Passage, ...], llm: LanguageModel | None
    ) -> None:
        self.llm = llm
        self.citations: list[Citation] = []
        self.warnings: tuple[str, ...] = ()
        self._question = question
        self._passages = passages
        self._quoter = Quoter(passages)
        self._used = 0

    def write(self) -> Generator[str]:
        if not self._passages:
            yield NOT_FOUND
        elif self.llm is None:
            yield from self._quote()
        else:
            yield from self._generate(self.llm)

    def _quote(self) -> Iterator[str]:
        self.citations += self._quoter.best(self._question, _QUOTES)
        yield "Quoted from the documents (no language model was asked):"
        for number, citation in enumerate(self.citations, start=1):
            yield f"\n\n“{citation.quote}” [{number}]"

    def _generate(self, llm: LanguageModel) -> Iterator[str]:
        prompt = build_prompt(self._question, self._passages, llm.context_length)
        self.warnings += prompt.warnings
        self._used = prompt.used
        cleaner = AnswerCleaner(self._cite)
        pieces = llm.stream(prompt.messages, max_tokens=prompt.max_tokens)
        empty = True
        try:
            for piece in without_thoughts(pieces):
                if shown := cleaner.feed(piece):
                    empty = False
                    yield shown
            if shown := cleaner.finish():
                empty = False
                yield shown
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                close()
        self.warnings += tuple(getattr(pieces, "warnings", ()))
        if empty:
            raise LanguageModelReplyError(
                f"{llm.name} wrote nothing", remedy="Ask again, or take another model."
            )

    def _cite(self, number: int, sentence: str) -> int | None:
        """The number of the citation that source ``number`` gives a sentence."""
        if not 1 <= number <= self._used:
            return None
        citation = self._quoter.quote(number - 1, sentence, self._question)
        if citation not in self.citations:
            self.citations.append(citation)
        return self.citations.index(citation) + 1


class AnswerStream:
    """The pieces of an answer's text, for ``for`` and for ``async for``; then :attr:`answer`.

    Closing it, or leaving its ``with`` block, ends the model's work.
    """

    def __init__(self, write: Callable[[AnswerStream], Generator[str]]) -> None:
        self._answer: Answer | None = None
        self._pieces = write(self)
        self._lock = threading.Lock()
        self._closed = False

    @property
    def answer(self) -> Answer:
        """The whole answer; what was not read yet is read first.

        Raises:
            ConfigurationError: If the stream was closed, or failed, before its end.
            LanguageModelError: If the model fails now.
        """
        for _ in self:
            pass
        if self._answer is None:
            raise ConfigurationError(
                "the answer was not read to its end", remedy="Ask again and read the whole stream."
            )
        return self._answer

    def finish(self, answer: Answer) -> None:
        """Called once, by whoever writes, after the last piece."""
        self._answer = answer

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        piece = self._next()
        if piece is None:
            raise StopIteration
        return piece

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        try:
            piece = await asyncio.to_thread(self._next)
        except asyncio.CancelledError:
            # The thread ends with the next piece, or at the model's timeout.
            self.close()
            raise
        if piece is None:
            raise StopAsyncIteration
        return piece

    def _next(self) -> str | None:
        with self._lock:
            piece = None if self._closed else next(self._pieces, None)
            if self._closed:
                self._pieces.close()
            return piece

    def close(self) -> None:
        """End the work; nothing more comes."""
        self._closed = True
        # Where another thread is waiting for a piece, it closes what it waited for.
        if self._lock.acquire(blocking=False):
            try:
                self._pieces.close()
            finally:
                self._lock.release()

    def __enter__(self) -> AnswerStream:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    async def __aenter__(self) -> AnswerStream:
        return self

    async def __aexit__(self, *exception: object) -> None:
        self.close()
