"""Answers questions over documents with checked citations, with or without a language model."""

from __future__ import annotations

import copy
import time
from collections.abc import Generator, Sequence
from contextlib import closing
from functools import partial

from ..document.types import OcrDocument
from ..document.unread_parts import unread_part
from ..errors import ConfigurationError
from ..retrieval.embeddings import EmbeddingModel, embedding_model
from ..retrieval.reranking import Reranker
from ..retrieval.retriever import Passage, Retriever
from ..setting_names import with_known_settings
from .answer import Answer, Sentence, Timings
from .language_model import LanguageModel, ThinkingLevel
from .models.model_choice import language_model
from .partial_support import SupportedPart, supported_parts
from .query_rewriting import standalone_question
from .quoting.relevance import ENOUGH, ENOUGH_FIT, is_about, is_said, relevance
from .quoting.vocabulary import Vocabulary
from .strategies import (
    AbsentStrategy,
    AnswerStrategy,
    GeneratingStrategy,
    QuotingStrategy,
)
from .stream import AnswerStream
from .verification.term_frequencies import TermFrequencies
from .verification.verifier import Verifier

__all__ = ["Conversation", "DocumentQA"]


@with_known_settings()
class DocumentQA:
    """Answers questions over documents and cites the page and boxes of each statement.

    Without a language model it quotes the sentences that fit the question best.
    With one, the model sees numbered passages and cites them. Every sentence is then
    compared with what it cites (:mod:`.verification`). A supported sentence gets
    citations with words, page and boxes; any other is marked, or removed in strict mode.
    If none is supported, the sentences that fit the question best are quoted as well. A
    repeated sentence is shown only once; the third time, the model is stopped.

    Args:
        documents: One or more documents.
        llm: ``"ollama/<model>"``, ``"openai:http://host:port"`` for any OpenAI-compatible server
            (llama.cpp, vLLM), a chat model of LangChain or an LLM of LlamaIndex (with the
            integration for it), your own object (:class:`~.language_model.LanguageModel`), or None
            (or ``"none"``) to quote only.
        top_k: How many passages to search for, 1 or more.
        strict: Whether to remove sentences that no source supports.
        embeddings: Also search by meaning, see :class:`Retriever`.
        reranker: Reorders the best passages, see :class:`Retriever`.
        host: Where Ollama listens; by default ``OLLAMA_HOST`` or this machine.
        allow_remote: Whether the documents' text may go to another machine.
        timeout: Longest silence of the model in seconds.
        num_ctx: Tokens of context to request from Ollama, by default 8192.
        think: Whether a reasoning model given by name may think, see :class:`OllamaModel`.
        max_tokens: Budget for a chunk, see :func:`chunk_document`.

    Raises:
        ConfigurationError: If an argument is invalid.
        EmbeddingModelError: If the embedding model fails.
        RemoteModelRefusedError: If a model would run on another machine.

    Example:
        >>> qa = DocumentQA(document, llm="ollama/gemma3:4b")  # doctest: +SKIP
        >>> answer = qa.ask("Who keeps the lamp?")  # doctest: +SKIP
        >>> answer.sentences[0].status, answer.citations[0].page  # doctest: +SKIP
        ('supported', 2)
    """

    def __init__(
        self,
        documents: OcrDocument | Sequence[OcrDocument],
        llm: str | LanguageModel | object | None = None,
        *,
        top_k: int = 5,
        strict: bool = False,
        embeddings: EmbeddingModel | object | None = None,
        reranker: Reranker | object | None = None,
        host: str | None = None,
        allow_remote: bool = False,
        timeout: float = 120.0,
        num_ctx: int | None = None,
        think: bool | ThinkingLevel | None = None,
        max_tokens: int = 400,
    ) -> None:
        if top_k < 1:
            raise ConfigurationError("an answer needs a passage", remedy="Set top_k to 1 or more.")
        documents = (documents,) if isinstance(documents, OcrDocument) else tuple(documents)
        self.top_k = top_k
        self.strict = strict
        self._language_model = partial(
            language_model,
            host=host,
            timeout=timeout,
            num_ctx=num_ctx,
            allow_remote=allow_remote,
            think=think,
        )
        self.llm = self._language_model(llm)
        self.retriever = Retriever.from_documents(
            documents,
            max_tokens=max_tokens,
            embeddings=None
            if embeddings is None
            else embedding_model(embeddings, host=host, allow_remote=allow_remote),
            reranker=reranker,
        )
        self._by_words_only = embeddings is None
        self._frequencies = TermFrequencies((c.source, c.text) for c in self.retriever.chunks)
        self._vocabulary = Vocabulary(
            " ".join((*chunk.section, chunk.text, chunk.source)) for chunk in self.retriever.chunks
        )
        self._failed = tuple(
            f"Page {page.number} of {document.source} could not be read and was not searched."
            for document in documents
            for page in document.failed_pages
        )
        self._unread = tuple(
            part if len(documents) == 1 else f"{part} of {document.source}"
            for document in documents
            for part in filter(None, map(unread_part, document))
        )

    def ask(self, question: str) -> Answer:
        """Answer a question.

        Raises:
            ConfigurationError: If the question is empty.
            LanguageModelError: If the model gives no answer.
            EmbeddingModelError: If the embedding model fails.
        """
        return self.stream(question).answer

    def stream(self, question: str) -> AnswerStream:
        """Stream the answer's text while it is written, then the whole :class:`Answer`.

        The citations of a sentence come once it is complete and checked. In strict
        mode, the sentence itself comes only then.

        Example:
            >>> stream = qa.stream("Who keeps the lamp?")  # doctest: +SKIP
            >>> for piece in stream:  # doctest: +SKIP
            ...     print(piece, end="")
            >>> stream.answer.citations  # doctest: +SKIP

        Raises:
            ConfigurationError: If the question is empty.
        """
        return AnswerStream(self.write(question))

    async def aask(self, question: str) -> Answer:
        """As :meth:`ask`, without blocking the event loop."""
        return await self.stream(question).whole()

    def using(self, llm: str | LanguageModel | object | None) -> DocumentQA:
        """The same documents and index with another language model; costs nothing.

        Args:
            llm: As for the class, whose settings for a model given by name apply here, too.

        Raises:
            ConfigurationError: If it names no language model.
            RemoteModelRefusedError: If the model would run on another machine.
        """
        other = copy.copy(self)
        other.llm = self._language_model(llm)
        return other

    def supported_parts(self, answer: Answer, sentence: Sentence) -> tuple[SupportedPart, ...]:
        """The parts of an unsupported sentence that the passages of its answer do say.

        They do not say the other parts, or not what joins the parts.
        """
        verifier = Verifier(answer.passages, answer.query or answer.question, self._frequencies)
        return supported_parts(sentence.text, verifier)

    def chat(self) -> Conversation:
        """Start a conversation, in which a question may refer to those before it."""
        return Conversation(self)

    def write(self, question: str, earlier: Sequence[Answer] = ()) -> Generator[str, None, Answer]:
        """Yield the text of an answer and return the answer.

        Args:
            question: May refer to earlier ones.
            earlier: The answers of the conversation so far.

        Raises:
            ConfigurationError: If the question is empty; other errors of :meth:`ask` come
                while the text is read.
        """
        if not question.strip():
            raise ConfigurationError("the question is empty", remedy="Ask a question.")
        return self._write(question, earlier)

    def _write(self, question: str, earlier: Sequence[Answer]) -> Generator[str, None, Answer]:
        start = time.perf_counter()
        query = standalone_question(question, earlier, self.llm)
        passages = self.retriever.search(query, self.top_k)
        searched = time.perf_counter()
        strategy = self._strategy(query, passages)
        with closing(strategy.write()) as pieces:
            yield from pieces
        written = time.perf_counter()
        return Answer(
            question=question,
            text=strategy.text,
            citations=tuple(strategy.citations),
            passages=passages,
            llm=strategy.llm,
            warnings=(*strategy.warnings, *self._failed),
            timings=Timings(
                searched - start, written - searched - strategy.checking, strategy.checking
            ),
            sentences=tuple(strategy.sentences),
            query=query,
            quoted=strategy.quoted,
            thinking=strategy.thinking,
            nearest=strategy.nearest,
        )

    def _strategy(self, query: str, passages: tuple[Passage, ...]) -> AnswerStrategy:
        if self.llm is None:
            return self._quoting_strategy(query, passages)
        if not passages:
            return AnswerStrategy()
        return GeneratingStrategy(
            passages,
            query,
            self.llm,
            self._frequencies,
            relevant=self._is_relevant(query, passages),
            strict=self.strict,
        )

    def _quoting_strategy(self, query: str, passages: tuple[Passage, ...]) -> AnswerStrategy:
        named = bool(passages) and self.retriever.names(query)
        lacking = self._vocabulary.lacking_names(query)
        names = tuple(dict.fromkeys(name.text for name in lacking if name.certain))
        if names and not named:
            return AbsentStrategy(names, self._unread)
        if not passages:
            return AnswerStrategy()
        return QuotingStrategy(
            passages,
            query,
            named=named,
            relevant=not lacking and self._is_relevant(query, passages),
            missing=self._vocabulary.missing_words(query),
            all_read=not self._unread,
        )

    def _is_relevant(self, query: str, passages: tuple[Passage, ...]) -> bool:
        if not self._by_words_only or self.retriever.names(query):
            return True
        fit = self.retriever.fit(query)
        if fit is None:
            return relevance(query, passages, self._frequencies) >= ENOUGH
        fits = fit >= ENOUGH_FIT or is_said(query, passages)
        return fits and is_about(query, passages, self._frequencies)


@with_known_settings()
class Conversation:
    """Answers questions that may refer to earlier ones, such as "And how high is it?".

    Such a question is first rewritten: by the language model or, without one, by
    putting the previous question in front of it. :attr:`Answer.query` shows the result.

    Args:
        qa: Answers the questions.

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
        """The completed answers so far."""
        return tuple(self._turns)

    def ask(self, question: str) -> Answer:
        """As :meth:`DocumentQA.ask`."""
        return self.stream(question).answer

    def stream(self, question: str) -> AnswerStream:
        """As :meth:`DocumentQA.stream`."""
        return AnswerStream(self._recorded(self._qa.write(question, self._turns)))

    async def aask(self, question: str) -> Answer:
        """As :meth:`DocumentQA.aask`."""
        return await self.stream(question).whole()

    def _recorded(self, pieces: Generator[str, None, Answer]) -> Generator[str, None, Answer]:
        answer = yield from pieces
        self._turns.append(answer)
        return answer
