"""``dsocr read`` and ``dsocr boxes``, and how all commands read their documents."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from ..backends.remote.remote_backend import RemoteBackend
from ..document.types import OcrDocument, Page
from ..errors import ConfigurationError, SourceError
from ..export.filenames import distinct_stems
from ..export.folder import FolderWriter, write_page_pictures
from ..model.prompts import MODES
from ..reading.reader import Reader
from ..sources.source import open_source
from ..text.visible import json_line, visible_line
from .exit_codes import report_error, report_failed_pages
from .output import print_note, print_output, progress_bar

__all__ = ["draw_boxes", "read_document", "read_files", "reader_for"]


def read_files(options: argparse.Namespace) -> int:
    """``dsocr read``: print documents, or write them to a folder."""

    def read_one(reader: Reader, file: str, stem: str) -> int:
        if options.output:
            return _read_to_folder(reader, file, stem if len(options.files) > 1 else "", options)
        document = read_document(reader, file, options)
        if options.json:
            print_output(json_line(document.to_dict()))
        else:
            if len(options.files) > 1:
                print_output(f"<!-- source: {visible_line(file)} -->\n")
            print_output(document.to_markdown())
        return report_failed_pages(document.pages, file)

    return _for_each_file(options, read_one)


def draw_boxes(options: argparse.Namespace) -> int:
    """``dsocr boxes``: write a picture of every page with its boxes."""

    def draw_one(reader: Reader, file: str, stem: str) -> int:
        document = read_document(reader, file, options)
        with open_source(file, password=options.password, renderer=options.renderer) as source:
            for path in write_page_pictures(
                document,
                Path(options.output),
                lambda number: source.render(number, options.long_side),
                stem=stem,
            ):
                print_output(str(path))
        return report_failed_pages(document.pages, file)

    return _for_each_file(options, draw_one)


def reader_for(options: argparse.Namespace) -> Reader:
    """The reader that the command's options describe.

    Raises:
        ConfigurationError: If an option does not fit the backend.
    """
    reader = Reader(
        options.backend,
        mode=options.mode,
        task=options.task,
        renderer=options.renderer,
        allow_remote_code=options.allow_remote_code,
        cache=options.cache,
    )
    limits = {name: getattr(options, name) for name in ("concurrency", "timeout", "wait")}
    given = {name: value for name, value in limits.items() if value is not None}
    if given:
        if not isinstance(reader.backend, RemoteBackend):
            reader.close()
            raise ConfigurationError(
                f"--{next(iter(given))} is only for the backends 'server' and 'ollama'",
                remedy=f"Leave it out with {reader.backend.name!r}.",
            )
        reader.backend.limit(**given)
    return reader


def read_document(reader: Reader, file: str, options: argparse.Namespace) -> OcrDocument:
    """Read the selected pages of a file, with a progress bar."""
    with (
        reader.open(file, pages=options.pages, password=options.password) as stream,
        progress_bar(Path(file).name, len(stream.page_numbers)) as bar,
    ):
        pages = []
        for page in stream:
            pages.append(page)
            bar.update()
    return OcrDocument(stream.source, tuple(pages), stream.total_pages, stream.sha256)


def _for_each_file(options: argparse.Namespace, command: Callable[[Reader, str, str], int]) -> int:
    """Run a command on every file, even after one has failed; return the first failure's code.

    The command gets the file, and a name for what it writes that no other file's has.
    """
    code = 0
    with reader_for(options) as reader:
        for file, stem in zip(options.files, distinct_stems(options.files), strict=True):
            try:
                result = command(reader, file, stem)
            except SourceError as error:
                result = report_error(error)
            code = code or result
    return code


def _read_to_folder(reader: Reader, file: str, subfolder: str, options: argparse.Namespace) -> int:
    failed: list[Page] = []
    with (
        open_source(file, password=options.password, renderer=options.renderer) as source,
        reader.open(file, pages=options.pages, password=options.password) as stream,
        FolderWriter(
            options.output,
            source=stream.source,
            sha256=stream.sha256,
            total_pages=stream.total_pages,
            subfolder=subfolder,
        ) as writer,
        progress_bar(Path(file).name, len(stream.page_numbers)) as bar,
    ):
        for page in stream:
            picture = None
            if page.ok:
                try:
                    picture = source.render(page.number, MODES[options.mode].long_side)
                except SourceError as error:
                    # The page may have been read from its text layer and still not be drawable.
                    print_note(str(error))
            writer.add_page(page, picture)
            bar.update()
            if not page.ok:
                failed.append(page)
    for path in writer.paths:
        print_output(str(path))
    return report_failed_pages(failed, file)
