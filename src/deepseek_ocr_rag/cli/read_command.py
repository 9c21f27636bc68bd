"""``dsocr read`` and ``dsocr boxes``, and how all commands read their documents."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from ..backends.registry import backend_named
from ..document.types import OcrDocument, Page
from ..errors import ConfigurationError, SourceError
from ..export.filenames import distinct_stems
from ..export.folder import FolderWriter, write_page_pictures
from ..export.output_folder import OutputFolder, disk_errors
from ..model.prompts import MODES
from ..reading.progress_bar import ProgressBar
from ..reading.reader import Reader
from ..service.client.service_address import names_service, service_of
from ..sources.source import Source, open_source
from ..text.visible import json_line, visible_line
from .documents import Documents, NamedDocument, limits_of
from .exit_codes import report_error, report_failed_pages, report_warnings
from .output import print_note, print_output

__all__ = ["draw_boxes", "progress_bar", "read_document", "read_files", "reader_for"]

Command = Callable[[Reader, NamedDocument, str, ProgressBar], int]
"""Processes one document; gets a unique name for what it writes."""


def read_files(options: argparse.Namespace) -> int:
    """``dsocr read``: print documents, or write them to a folder."""
    if options.output:
        return _for_each_document(options, partial(_read_to_folder, options), output=options.output)
    if options.pictures:
        raise ConfigurationError(
            "--pictures needs a folder to write to", remedy="Name one with -o FOLDER."
        )
    several = len(options.files) > 1 or any(Path(name).is_dir() for name in options.files)

    def print_one(reader: Reader, each: NamedDocument, _: str, bar: ProgressBar) -> int:
        document = read_document(reader, each, options, bar)
        if options.json:
            print_output(json_line(document.to_dict()))
        else:
            if several:
                print_output(f"<!-- source: {visible_line(each.name)} -->\n")
            print_output(document.to_markdown(page_marks=options.page_marks))
        if not options.quiet:
            report_warnings(document.pages, each.name)
        return report_failed_pages(document.pages, each.name)

    return _for_each_document(options, print_one)


def draw_boxes(options: argparse.Namespace) -> int:
    """``dsocr boxes``: write a picture of every page with its boxes."""

    def draw_one(reader: Reader, each: NamedDocument, stem: str, bar: ProgressBar) -> int:
        document = read_document(reader, each, options, bar)
        with _opened(each, options) as source:
            for path in write_page_pictures(
                document,
                Path(options.output),
                lambda number: source.render(number, options.long_side),
                stem=stem,
            ):
                print_output(visible_line(str(path)))
        return report_failed_pages(document.pages, each.name)

    return _for_each_document(options, draw_one, output=options.output)


@contextmanager
def reader_for(options: argparse.Namespace) -> Iterator[Reader]:
    """The reader that the command's options describe, with a backend that is installed.

    Raises:
        ConfigurationError: If an option does not fit the backend.
        MissingExtraError: If the backend needs packages that are not installed.
    """
    if names_service(options.backend):
        with _service_reader(options) as reader:
            yield reader
        return
    with closing(
        backend_named(
            options.backend,
            allow_remote_code=options.allow_remote_code,
            allow_remote=options.allow_remote,
        )
    ) as backend:
        if callable(check := getattr(backend, "check", None)):
            check()
        limits = {name: getattr(options, name) for name in ("concurrency", "timeout", "wait")}
        given = {name: value for name, value in limits.items() if value is not None}
        limit = getattr(backend, "limit", None)
        if given and limit is None:
            raise ConfigurationError(
                f"--{next(iter(given))} is only for the backends 'server' and 'ollama'",
                remedy=f"Leave it out with {backend.name!r}.",
            )
        if limit is not None:
            limit(**given)
        with Reader(
            backend,
            resolution=options.resolution,
            task=options.task,
            renderer=options.renderer,
            limits=limits_of(options),
            cache=options.cache,
        ) as reader:
            yield reader


def _service_reader(options: argparse.Namespace) -> Reader:
    from ..service.client.service_reader import ServiceReader

    given = [name for name in ("concurrency", "timeout") if getattr(options, name) is not None]
    if given:
        raise ConfigurationError(
            f"--{given[0]} is only for the backends 'server' and 'ollama'",
            remedy="Leave it out with a service, which decides for itself.",
        )
    return ServiceReader(
        service_of(options.backend),
        **({} if options.wait is None else {"wait": options.wait}),
        resolution=options.resolution,
        task=options.task,
        renderer=options.renderer,
        limits=limits_of(options),
        fresh=not options.cache,
    )


def progress_bar(options: argparse.Namespace, documents: Documents) -> ProgressBar:
    """One bar for the pages of all documents, unless standard error is not a terminal."""
    return ProgressBar(show=False if options.quiet else None, total=documents.total_pages)


def read_document(
    reader: Reader, each: NamedDocument, options: argparse.Namespace, bar: ProgressBar
) -> OcrDocument:
    """Read the selected pages of a document."""
    with reader.open(
        each.source, pages=options.pages, password=options.password, name=each.name
    ) as stream:
        bar.follow(stream)
        return stream.document(stream)


def _for_each_document(
    options: argparse.Namespace, command: Command, *, output: str | None = None
) -> int:
    """Run a command on every document, even after one has failed; return the first failure's code.

    Problems that can be known in advance are reported before the work begins: a file that cannot be
    opened, a folder that cannot be written, a backend that is not installed.
    """
    with Documents(options) as documents:
        code = documents.exit_code
        if not len(documents):
            return code
        if output is not None:
            with disk_errors(Path(output)):
                OutputFolder(Path(output)).close()
        stems = distinct_stems([each.path for each in documents])
        with reader_for(options) as reader, progress_bar(options, documents) as bar:
            for each, stem in zip(documents, stems, strict=True):
                try:
                    result = command(reader, each, stem, bar)
                except SourceError as error:
                    result = report_error(error)
                code = code or result
    return code


def _read_to_folder(
    options: argparse.Namespace,
    reader: Reader,
    each: NamedDocument,
    subfolder: str,
    bar: ProgressBar,
) -> int:
    failed: list[Page] = []
    warned: list[Page] = []
    with (
        _opened(each, options) as source,
        reader.open(
            each.source, pages=options.pages, password=options.password, name=each.name
        ) as stream,
        FolderWriter(
            options.output,
            source=stream.source,
            sha256=stream.sha256,
            total_pages=stream.total_pages,
            subfolder=subfolder,
        ) as writer,
    ):
        bar.follow(stream)
        for page in stream:
            picture = None
            if page.ok and options.pictures:
                try:
                    picture = source.render(page.number, MODES[options.resolution].long_side)
                except SourceError as error:
                    # A page that was read from its text layer may still fail to be drawn.
                    print_note(str(error))
            writer.add_page(page, picture)
            if not page.ok:
                failed.append(page)
            if page.warnings and not options.quiet:
                # The text is dropped, because a document may have many pages.
                warned.append(Page(page.number, warnings=page.warnings))
    report_warnings(warned, each.name)
    for path in writer.paths:
        print_output(visible_line(str(path)))
    return report_failed_pages(failed, each.name)


def _opened(each: NamedDocument, options: argparse.Namespace) -> Source:
    """The document, to draw its pages."""
    return open_source(
        each.source,
        password=options.password,
        renderer=options.renderer,
        limits=limits_of(options),
        name=each.name,
    )
