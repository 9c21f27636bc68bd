"""Questions over documents: search, an answer by a language model or by quoting, checked citations."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import closing

from ..document.types import OcrDocument
from ..errors import ConfigurationError
from ..retrieval.embeddings import EmbeddingModel, embedding_model
from ..retrieval.retriever import Passage, Retriever
from .answer import Answer, Timings
from .language_model import LanguageModel, language_model_named
from .query_rewriting import standalone_question
from .relevance import ENOUGH, relevance
from .strategies import AnswerStrategy, GeneratingStrategy, QuotingStrategy
from .stream import AnswerStream
from .verification.term_frequencies import TermFrequencies

__all__ = ["Conversation", "DocumentQA"]


class DocumentQA:
    """Answers questions over documents that were read, and shows where each answer stands.

    Without a language model it quotes the sentences that fit the question best.
    With one, the model sees numbered passages and cites them. Every sentence is
    then compared with what it cites (:mod:`.verification`): one that is supported
    gets citations with the words, the page and the boxes; one that is not is
    marked, or left out in strict mode.

    Args:
        documents: One or more.
        llm: ``"ollama/<model>"``, an object of your own, or None (or
            ``"none"``) to quote only.
        top_k: How many passages an answer may rest on.
        strict: Whether sentences that no source supports are left out.
        embeddings: To search by meaning as well, see :class:`Retriever`.
        host: Where Ollama listens; ``OLLAMA_HOST`` or this machine without it.
        allow_remote: Whether the documents' text may go to another machine.
        timeout: Longest silence of the model in seconds.
        num_ctx: Tokens of context to ask Ollama for, 8192 without it.
        max_tokens: Budget for a chunk, see :func:`chunk_document`.

    Raises:
        ConfigurationError: If an argument cannot be meant.
        RemoteModelRefusedError: If the model is another machine's.

    Example:
        >>> qa = DocumentQA(document, llm="ollama/gemma3:4b")  # doctest: +SKIP
        >>> answer = qa.ask("Who keeps the lamp?")  # doctest: +SKIP
        >>> answer.sentences[0].status, answer.citations[0].page  # doctest: +SKIP
        ('supported', 2)
    """

    def __init__(
        self,
        documents: OcrDocument | Sequence[OcrDocument],
        llm: str | LanguageModel | None = None,
        *,
        top_k: int = 5,
        strict: bool = False,
        embeddings: EmbeddingModel | object | None = None,
        host: str | None = None,
        allow_remote: bool = False,
        timeout: float = 120.0,
        num_ctx: int | None = None,
        max_tokens: int = 400,
    ) -> None:
        if top_k < 1:
            raise ConfigurationError("an answer needs a passage", remedy="Set top_k to 1 or more.")
        documents = (documents,) if isinstance(documents, OcrDocument) else tuple(documents)
        self.top_k = top_k
        self.strict = strict
        self.llm = (
            language_model_named(
                llm, host=host, timeout=timeout, num_ctx=num_ctx, allow_remote=allow_remote
            )
            if isinstance(llm, str)
            else llm
        )
        self.retriever = Retriever.from_documents(
            documents,
            max_tokens=max_tokens,
            embeddings=None
            if embeddings is None
            else embedding_model(embeddings, host=host, allow_remote=allow_remote),
        )
        self._by_words_only = embeddings is None
        self._background = TermFrequencies((c.source, c.text) for c in self.retriever.chunks)
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

        What is shown is checked: a sentence's citations come when it is whole. In
        strict mode it comes as a whole itself.

        Example:
            >>> stream = qa.stream("Who keeps the lamp?")  # doctest: +SKIP
            >>> for piece in stream:  # doctest: +SKIP
            ...     print(piece, end="")
            >>> stream.answer.citations  # doctest: +SKIP

        Raises:
            ConfigurationError: If the question is empty.
        """
        return self._stream(question, [])

    async def aask(self, question: str) -> Answer:
        """As :meth:`ask`, while other tasks run."""
        return await self.stream(question).whole()

    def chat(self) -> Conversation:
        """A conversation, in which a question may refer to those before it."""
        return Conversation(self)

    def _stream(self, question: str, turns: list[Answer]) -> AnswerStream:
        if not question.strip():
            raise ConfigurationError("the question is empty", remedy="Ask something.")
        return AnswerStream(lambda stream: self._write(question, turns, stream))

    def _write(self, question: str, turns: list[Answer], stream: AnswerStream) -> Generator[str]:
        start = time.perf_counter()
        query = standalone_question(question, turns, self.llm)
        passages = self.retriever.search(query, self.top_k)
        searched = time.perf_counter()
        answering = self._answering(query, passages)
        with closing(answering.write()) as pieces:
            yield from pieces
        written = time.perf_counter()
        answer = Answer(
            question=question,
            text=answering.text,
            citations=tuple(answering.citations),
            passages=passages,
            llm=answering.llm,
            warnings=(*answering.warnings, *self._unread),
            timings=Timings(
                searched - start, written - searched - answering.checking, answering.checking
            ),
            sentences=tuple(answering.sentences),
            query=query,
        )
        turns.append(answer)
        stream.finish(answer)

    def _answering(self, query: str, passages: tuple[Passage, ...]) -> AnswerStrategy:
        if not passages:
            return AnswerStrategy()
        if self.llm is not None:
            return GeneratingStrategy(
                passages, query, self.llm, self._background, strict=self.strict
            )
        return (
            QuotingStrategy(passages, query)
            if self._is_told_of(query, passages)
            else AnswerStrategy()
        )

    def _is_told_of(self, query: str, passages: tuple[Passage, ...]) -> bool:
        """Whether what was found is about the question: some word of it nearly always is found."""
        if not self._by_words_only or self.retriever.names(query):
            return True
        return relevance(query, passages, self._background) >= ENOUGH


class Conversation:
    """Questions that may refer to those before them, as "And how high is it?" does.

    Such a question is first written out, by the language model or, without one,
    by adding the question before it; :attr:`Answer.query` shows the result.

    Args:
        qa: Answers.

    Example:
        >>> chat = qa.chat()  # doctest: +SKIP
        >>> chat.ask("When was the tower built?").text  # doctest: +SKIP
        >>> chat.ask("And how high is it?").query  # doctest: +SKIP
        'How high is the tower?'
    """

    def __init__(self, qa: DocumentQA) -> None:
        self._qa = qa
        self._turns: list[Answer] = []

    @property
    def turns(self) -> tuple[Answer, ...]:
        """The answers so far; one that failed or was left early is none."""
        return tuple(self._turns)

    def ask(self, question: str) -> Answer:
        """As :meth:`DocumentQA.ask`."""
        return self.stream(question).answer

    def stream(self, question: str) -> AnswerStream:
        """As :meth:`DocumentQA.stream`."""
        return self._qa._stream(question, self._turns)

    async def aask(self, question: str) -> Answer:
        """As :meth:`DocumentQA.aask`."""
        return await self.stream(question).whole()
