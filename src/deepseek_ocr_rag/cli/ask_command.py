"""``dsocr ask`` and ``dsocr chat``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from ..answering.language_model import OllamaModel, choose_language_model, language_model_named
from ..answering.qa import DocumentQA
from ..answering.stream import AnswerStream
from ..errors import LanguageModelError
from ..text.visible import json_line
from .output import print_note, print_notes, print_output
from .read_command import read_document, reader_for

__all__ = ["ask", "chat"]


def ask(options: argparse.Namespace) -> int:
    """``dsocr ask``: answer one question."""
    qa, hint = _document_qa(options)
    answer = qa.ask(options.question)
    if options.json:
        print_output(json_line(answer.to_dict()))
    else:
        print_output(str(answer))
        if hint:
            print_note(hint)
    print_notes(answer.warnings)
    if options.picture:
        pictures = answer.show(password=options.password, renderer=options.renderer)
        written = pictures.save(options.picture)
        print_note(str(written) if written else "nothing is cited, so there is no picture")
    return 0


def chat(options: argparse.Namespace) -> int:
    """``dsocr chat``: answer questions until the end of the input."""
    qa, hint = _document_qa(options)
    if hint:
        print_note(hint)
    conversation = qa.chat()
    for question in _questions():
        try:
            _print_stream(conversation.stream(question))
        except LanguageModelError as error:
            # The documents are read, and the next question may be answered.
            print_note(str(error))
    return 0


def _print_stream(stream: AnswerStream) -> None:
    for part in stream:
        print_output(part, end="")
    answer = stream.answer
    print_output(f"\n\n{answer.sources}" if answer.sources else "")
    print_notes(answer.warnings)


def _document_qa(options: argparse.Namespace) -> tuple[DocumentQA, str]:
    """Read the documents; also returns a hint if no language model will write the answers.

    A model that is missing or writes no answers is reported before the reading begins.
    """
    name, hint = options.llm, ""
    if name == "auto":
        name, hint = choose_language_model()
    llm = _fit_model(name or "none")
    with reader_for(options) as reader:
        documents = [read_document(reader, file, options) for file in options.files]
    qa = DocumentQA(documents, llm=llm, strict=options.strict, embeddings=options.embeddings)
    return qa, hint


def _fit_model(name: str) -> OllamaModel | None:
    model = language_model_named(name)
    if model is not None:
        model.check()
    return model


def _questions() -> Iterator[str]:
    while True:
        try:
            question = input("? " if sys.stdin.isatty() else "").strip()
        except EOFError:
            return
        if question in {"exit", "quit"}:
            return
        if question:
            yield question
