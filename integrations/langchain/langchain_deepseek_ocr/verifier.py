"""A runnable that checks an answer against the documents that it was written from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig, RunnableSerializable
from pydantic import model_validator

from deepseek_ocr_rag import verify
from deepseek_ocr_rag.answering import Verification
from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.records import Record

from .options import refuse_unknown_fields
from .whole_document import full_metadata, whole_of

__all__ = ["AnswerVerifier"]


class AnswerVerifier(RunnableSerializable[Mapping[str, Any], Verification]):
    """Checks somebody else's answer, sentence by sentence, against its retrieved documents.

    It goes at the end of a chain that writes answers with any prompt and any model.
    The input is what LangChain's retrieval chains give: ``answer`` (a text or a message),
    ``context`` (the documents), and ``input``, the question, if there is one. It asks no
    model: words, numbers, dates and names are compared, as ``verify`` of the core does.

    ``[2]`` in the answer cites the second document, and only that may support the
    sentence. Documents of this package, cut by any splitter, give citations with boxes.

    Attributes:
        answer_key: Where the answer is in the input.
        context_key: Where the documents are.
        question_key: Where the question is.
        max_seconds: Longest time for one answer; None for any. The sentences that are left then
            have the status ``"unchecked"``.

    Raises:
        ConfigurationError: If the input lacks the answer or the documents, or ``max_seconds`` is not
            above 0.

    Example:
        >>> document = Document("The lamp burns oil.", metadata={"source": "a.pdf", "page": 1})
        >>> checked = AnswerVerifier().invoke(
        ...     {"answer": "The lamp burns oil. It is red.", "context": [document]}
        ... )
        >>> [(sentence.status, sentence.citations) for sentence in checked.sentences]
        [('supported', (0,)), ('unsupported', ())]
        >>> checked.citations[0].page
        2
    """

    answer_key: str = "answer"
    context_key: str = "context"
    question_key: str = "input"
    max_seconds: float | None = 60.0

    @model_validator(mode="before")
    @classmethod
    def _check_names(cls, values: object) -> object:
        return refuse_unknown_fields(cls, values)

    def invoke(
        self,
        input: Mapping[str, Any],
        config: RunnableConfig | None = None,
        **kwargs: Any,  # noqa: ANN401 - as in the base class
    ) -> Verification:
        """Check one answer."""
        return self._call_with_config(self._verify, input, config, **kwargs)

    def _verify(self, given: Mapping[str, Any]) -> Verification:
        for key in (self.answer_key, self.context_key):
            if not isinstance(given, Mapping) or key not in given:
                raise ConfigurationError(
                    f"there is no {key!r} in the input of AnswerVerifier",
                    remedy="Pass a dictionary with the answer and its documents, or name the keys: "
                    "AnswerVerifier(answer_key=..., context_key=...).",
                )
        documents = given[self.context_key]
        question = given.get(self.question_key) or ""
        return verify(
            _text(given[self.answer_key]),
            _records(documents),
            question=_text(question),
            max_seconds=self.max_seconds,
        )


def _text(value: object) -> str:
    if isinstance(value, BaseMessage):
        return str(value.text)
    if isinstance(value, str):
        return value
    raise ConfigurationError(
        f"an answer cannot be a {type(value).__name__}", remedy="Pass a text or a message."
    )


def _records(documents: Document | Sequence[Document]) -> list[Record]:
    given = [documents] if isinstance(documents, Document) else list(documents)
    wrong = [type(each).__name__ for each in given if not isinstance(each, Document)]
    if wrong:
        raise ConfigurationError(
            f"an answer cannot be checked against a {wrong[0]}", remedy="Pass documents."
        )
    return [Record(each.id or "", each.page_content, _metadata(each)) for each in given]


def _metadata(document: Document) -> dict[str, Any]:
    whole = whole_of(document.metadata, ())
    layout = {} if whole is None else full_metadata(whole)
    return {**layout, **document.metadata}
