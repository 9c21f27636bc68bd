"""``dsocr ask`` and ``dsocr chat``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from ..answering.models.model_choice import choose_language_model, language_model_named
from ..answering.models.model_fitness import checked_embeddings
from ..answering.qa import DocumentQA
from ..answering.stream import AnswerStream
from ..document.types import OcrDocument
from ..errors import ConfigurationError, LanguageModelError, OutputError, SourceError
from ..reading.progress_bar import ProgressBar
from ..reading.reader import Reader
from ..text.visible import json_line
from .documents import Documents
from .output import print_note, print_notes, print_output
from .read_command import progress_bar, read_document, reader_for

__all__ = ["ask", "chat"]


def ask(options: argparse.Namespace) -> int:
    """``dsocr ask``: answer one question."""
    if options.picture:
        _check_writable(options.picture)
    with Documents(options) as documents:
        if documents.exit_code:
            if Path(options.question).exists():
                print_note("Write the question after the files.")
            return documents.exit_code
        return _ask(options, documents)


def _ask(options: argparse.Namespace, documents: Documents) -> int:
    qa, hint = _document_qa(options, documents)
    if qa is None:
        return documents.exit_code
    answer = qa.ask(options.question)
    if options.json:
        print_output(json_line(answer.to_dict()))
    else:
        print_output(str(answer))
        if hint and not options.quiet:
            print_note(hint)
    print_notes(answer.warnings)
    if options.picture:
        files = {each.name: each.source for each in documents}
        pictures = answer.show(files, password=options.password, renderer=options.renderer)
        written = pictures.save(options.picture)
        print_note(
            f"the cited places are drawn in {written}"
            if written
            else "nothing is cited, so there is no picture"
        )
    return documents.exit_code


def chat(options: argparse.Namespace) -> int:
    """``dsocr chat``: answer questions until the end of the input."""
    if "-" in options.files:
        raise ConfigurationError(
            "chat reads its questions from standard input, so no document can come from there",
            remedy="Name a file in place of '-'.",
        )
    with Documents(options) as documents:
        if documents.exit_code:
            return documents.exit_code
        qa, hint = _document_qa(options, documents)
    if qa is None:
        return documents.exit_code
    if hint and not options.quiet:
        print_note(hint)
    conversation = qa.chat()
    for question in _questions():
        try:
            _print_stream(conversation.stream(question))
        except LanguageModelError as error:
            # Do not end: the documents are read, and the next question may be answered.
            print_note(str(error))
    return documents.exit_code


def _print_stream(stream: AnswerStream) -> None:
    for part in stream:
        print_output(part, end="")
    answer = stream.answer
    print_output(f"\n\n{answer.sources}" if answer.sources else "")
    print_notes(answer.warnings)


def _document_qa(
    options: argparse.Namespace, documents: Documents
) -> tuple[DocumentQA | None, str]:
    """Read the documents; also returns a hint if no language model will write the answers.

    A model that is missing or unfit is reported before reading begins. Returns None if no document
    in the folders could be read.
    """
    name, hint = options.llm, ""
    if name == "auto":
        name, hint = choose_language_model()
    llm = language_model_named(
        name or "none", num_ctx=options.num_ctx, allow_remote=options.allow_remote
    )
    if llm is not None:
        llm.check()
    embeddings = None
    if options.embeddings is not None:
        embeddings = checked_embeddings(options.embeddings, allow_remote=options.allow_remote)
    with reader_for(options) as reader, progress_bar(options, documents) as bar:
        read = list(_read(options, documents, reader, bar))
    if not read:
        return None, hint
    return DocumentQA(read, llm=llm, strict=options.strict, embeddings=embeddings), hint


def _read(
    options: argparse.Namespace, documents: Documents, reader: Reader, bar: ProgressBar
) -> Iterator[OcrDocument]:
    """Read the documents; those in a folder that cannot be read are reported and left out."""
    for each in documents:
        try:
            yield read_document(reader, each, options, bar)
        except SourceError as error:
            if each.pages is not None:  # named by itself, so the answer depends on it
                raise
            documents.refuse(error)


def _check_writable(picture: str) -> None:
    folder = Path(picture).absolute().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise OutputError(
            "the picture cannot be written there",
            source=picture,
            remedy="Name a file in a folder that you may write to.",
        )


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
