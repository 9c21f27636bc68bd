"""The command ``dsocr``: argument parsing and printing, nothing else.

Exit codes: 0 all well; 1 any other error of ours; 2 wrong usage; 3 a document
that cannot be read; 4 a backend that does not work; 5 a language model that
does not answer; 6 some pages failed and the rest is printed; 129, 130, 143
ended by SIGHUP, Ctrl-C, SIGTERM.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..answering.language_model import choose_language_model
from ..answering.qa import DocumentQA
from ..answering.stream import AnswerStream
from ..backends.known_failures import known_failures
from ..document.grammar.parser import parse_document
from ..document.types import OcrDocument, Page
from ..errors import (
    BackendError,
    ConfigurationError,
    DeepSeekOCRError,
    LanguageModelError,
    SourceError,
)
from ..export.filenames import file_stem
from ..export.folder import FolderWriter
from ..export.page_pictures import write_page_pictures
from ..model.prompts import MODES
from ..reading.cache import PageCache
from ..reading.reader import Reader
from ..sources.source import open_source
from ..text.visible import json_line, visible
from .arguments import argument_parser
from .demo import run_demo
from .doctor.diagnose import diagnose, failure_text
from .messages import plain_notes, say, say_all
from .serve_command import serve_command
from .signals import TerminatedBySignal, orderly_end

__all__ = ["main"]

EXIT_CODES: tuple[tuple[type[DeepSeekOCRError], int], ...] = (
    (ConfigurationError, 2),
    (SourceError, 3),
    (BackendError, 4),
    (LanguageModelError, 5),
    (DeepSeekOCRError, 1),
)
PAGES_FAILED = 6


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: The words after ``dsocr``; those of this process by default.

    Returns:
        The exit code.
    """
    options = argument_parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A page can hold characters that the terminal has not; they are no reason to stop.
        sys.stdout.reconfigure(errors="backslashreplace")
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    try:
        with orderly_end(), plain_notes():
            code = COMMANDS[options.command](options)
            sys.stdout.flush()
            return code
    except DeepSeekOCRError as error:
        return _complain(error)
    except TerminatedBySignal as ended:
        going_on = "; the same command goes on after the pages that were kept"
        say(f"ended by {ended}{going_on if getattr(options, 'cache', False) else ''}")
        return ended.exit_code
    except BrokenPipeError:
        # The reader of our output has seen enough; Python would complain once
        # more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


# --- commands ---------------------------------------------------------------------------


def _read(options: argparse.Namespace) -> int:
    def one(reader: Reader, file: str) -> int:
        if options.output:
            return _read_to_folder(reader, file, options)
        document = _read_document(reader, file, options)
        if options.json:
            print(json_line(document.to_dict()))
        else:
            if len(options.files) > 1:
                print(visible(f"<!-- source: {file} -->\n"))
            print(visible(document.to_markdown()), flush=True)
        return _report_failures(document.pages, file)

    return _for_each_file(options, one)


def _read_to_folder(reader: Reader, file: str, options: argparse.Namespace) -> int:
    failed: list[Page] = []
    folder = Path(options.output)
    if len(options.files) > 1:
        folder /= _folder_name(file, options.files)
    with (
        open_source(file, password=options.password, renderer=options.renderer) as source,
        reader.open(file, pages=options.pages, password=options.password) as stream,
        FolderWriter(
            folder,
            source=stream.source,
            sha256=stream.sha256,
            total_pages=stream.total_pages,
        ) as writer,
        _progress(file, len(stream.page_numbers)) as bar,
    ):
        for page in stream:
            picture = None
            if page.ok:
                try:
                    picture = source.render(page.number, MODES[options.mode].long_side)
                except SourceError as error:
                    # A text layer can be read where the page cannot be drawn.
                    say(str(error))
            writer.add_page(page, picture)
            bar.update()
            if not page.ok:
                failed.append(page)
    for path in writer.paths:
        print(path)
    return _report_failures(failed, file)


def _folder_name(file: str, files: Sequence[str]) -> str:
    """A name for each of several documents; those of the same name are numbered."""
    before = [file_stem(other) for other in files[: files.index(file)]]
    stem = file_stem(file)
    return f"{stem}-{before.count(stem) + 1}" if stem in before else stem


def _boxes(options: argparse.Namespace) -> int:
    def one(reader: Reader, file: str) -> int:
        document = _read_document(reader, file, options)
        with open_source(file, password=options.password, renderer=options.renderer) as source:
            for path in write_page_pictures(
                document,
                Path(options.output),
                lambda number: source.render(number, options.long_side),
            ):
                print(path)
        return _report_failures(document.pages, file)

    return _for_each_file(options, one)


def _ask(options: argparse.Namespace) -> int:
    with _questioning(options) as (qa, hint):
        answer = qa.ask(options.question)
        if options.json:
            print(json_line(answer.to_dict()))
        else:
            print(visible(str(answer)))
            if hint:
                say(hint)
        say_all(answer.warnings)
        if options.picture:
            pictures = answer.show(password=options.password, renderer=options.renderer)
            written = pictures.save(options.picture)
            say(str(written) if written else "nothing is cited, so there is no picture")
    return 0


def _chat(options: argparse.Namespace) -> int:
    with _questioning(options) as (qa, hint):
        if hint:
            say(hint)
        conversation = qa.chat()
        for question in _questions():
            try:
                _print_stream(conversation.stream(question))
            except LanguageModelError as error:
                # The documents are read; the next question may be answered.
                say(str(error))
    return 0


def _print_stream(stream: AnswerStream) -> None:
    for piece in stream:
        print(visible(piece), end="", flush=True)
    answer = stream.answer
    print(visible(f"\n\n{answer.sources}") if answer.sources else "", flush=True)
    say_all(answer.warnings)


def _parse(options: argparse.Namespace) -> int:
    for file in options.files:
        try:
            text = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8", "replace")
        except OSError as error:
            raise SourceError(
                f"cannot be read ({error.strerror})", source=file, remedy="Check the path."
            ) from error
        document = parse_document(text, source=file)
        data = document.to_dict()
        if len(document.pages) == 1:
            # A recorded reply is one page: its fields stand on top as well.
            data = {**document.pages[0].to_dict(), **data}
        print(json_line(data))
    return 0


def _cache(options: argparse.Namespace) -> int:
    with PageCache(options.folder) as cache:
        if options.action == "clear":
            removed = cache.clear()
            told: dict[str, Any] = {"folder": str(cache.folder), "removed": removed}
            lines = [f"{removed} pages removed from {cache.folder}"]
        else:
            status = cache.status()
            aside = [str(path) for path in status.set_aside]
            told = {**asdict(status), "folder": str(status.folder), "set_aside": aside}
            lines = [
                f"{status.pages} pages in {status.folder}",
                f"{status.size / 1e6:.1f} MB of at most {status.max_bytes / 1e6:,.0f} MB",
                *(f"set aside, damaged or not ours: {path}" for path in aside),
            ]
    print(json_line(told) if options.json else "\n".join(lines))
    return 0


def _doctor(options: argparse.Namespace) -> int:
    if options.failure is not None:
        return _explain(options.failure, as_json=options.json)
    checks = diagnose()
    if options.json:
        print(json_line([check.to_dict() for check in checks]))
        return 0
    for check in checks:
        print(f"{'ok  ' if check.ok else 'no  '}{check.name}: {check.detail}")
        if not check.ok and check.remedy:
            print(f"      {check.remedy}")
    return 0


def _explain(failure: str, *, as_json: bool) -> int:
    text = sys.stdin.read() if failure == "-" else failure_text(failure)
    found = known_failures(text)
    if as_json:
        print(json_line([each.to_dict() for each in found]))
        return 0
    for each in found:
        print(f"{each.name}: {each.meaning}\n      {each.cure}\n      See {each.source}")
    if not found:
        print("That is neither a file nor an error that is known here.")
    return 0


def _serve_command(options: argparse.Namespace) -> int:
    print(
        serve_command(
            options.server, version=options.version, port=options.port, model=options.model
        )
    )
    return 0


def _demo(options: argparse.Namespace) -> int:
    run_demo(Path(options.output), backend=options.backend, show=print)
    return 0


# --- what the commands share ------------------------------------------------------------


def _reader(options: argparse.Namespace) -> Reader:
    return Reader(
        options.backend,
        mode=options.mode,
        task=options.task,
        renderer=options.renderer,
        allow_remote_code=options.allow_remote_code,
        cache=options.cache,
    )


def _for_each_file(options: argparse.Namespace, one: Callable[[Reader, str], int]) -> int:
    """One bad file does not keep the others from being read; the first failure is the code."""
    code = 0
    with _reader(options) as reader:
        for file in options.files:
            try:
                result = one(reader, file)
            except SourceError as error:
                result = _complain(error)
            code = code or result
    return code


def _read_document(reader: Reader, file: str, options: argparse.Namespace) -> OcrDocument:
    with (
        reader.open(file, pages=options.pages, password=options.password) as stream,
        _progress(file, len(stream.page_numbers)) as bar,
    ):
        pages = []
        for page in stream:
            pages.append(page)
            bar.update()
    return OcrDocument(stream.source, tuple(pages), stream.total_pages, stream.sha256)


def _progress(file: str, total: int) -> tqdm[Any]:
    # disable=None: no bar where standard error is not a terminal.
    return tqdm(desc=Path(file).name, total=total, unit="page", disable=None, leave=False)


@contextmanager
def _questioning(options: argparse.Namespace) -> Iterator[tuple[DocumentQA, str]]:
    """The documents, read and ready to be asked, and a hint where no model will write."""
    llm, hint = options.llm, ""
    if llm == "auto":
        llm, hint = choose_language_model()
    elif llm == "none":
        llm = None
    with _reader(options) as reader:
        documents = [_read_document(reader, file, options) for file in options.files]
    yield (
        DocumentQA(documents, llm=llm, strict=options.strict, embeddings=options.embeddings),
        hint,
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


def _report_failures(pages: Sequence[Page], file: str) -> int:
    failed = [page for page in pages if not page.ok]
    for page in failed:
        say(page.error or f"{file}, page {page.number}: failed")
    return PAGES_FAILED if failed else 0


def _complain(error: DeepSeekOCRError) -> int:
    say(str(error))
    return next(code for kind, code in EXIT_CODES if isinstance(error, kind))


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "read": _read,
    "ask": _ask,
    "chat": _chat,
    "boxes": _boxes,
    "parse": _parse,
    "cache": _cache,
    "doctor": _doctor,
    "serve-command": _serve_command,
    "demo": _demo,
}

if __name__ == "__main__":
    sys.exit(main())
