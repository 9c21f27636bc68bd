"""Options that several commands of ``dsocr`` have: documents, how they are read, what answers."""

from __future__ import annotations

import argparse
from typing import Any

from ..backends.registry import CHOICES
from ..model.prompts import MODES, TASKS
from .output import print_note

__all__ = [
    "add_answering",
    "add_document_limits",
    "add_files",
    "add_reader",
    "add_reading",
    "add_remote_code",
]


class _OldName(argparse.Action):
    """Takes an option by its old name, for one release."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,  # noqa: ANN401 - as in the base class
        option_string: str | None = None,
    ) -> None:
        print_note(f"{option_string} is now --{self.dest}; the next release will not know it")
        setattr(namespace, self.dest, values)


def add_files(parser: argparse.ArgumentParser) -> None:
    """The documents, and which files of a folder."""
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="PDF or picture, a folder of them, '-' for standard input, or a URL with --allow-url",
    )
    parser.add_argument(
        "--match",
        action="append",
        metavar="PATTERN",
        help="in folders: only these files, for example '*.pdf' or '2024/*'; may be repeated",
    )
    parser.add_argument("--flat", action="store_true", help="do not search subfolders")


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Which pages are read, and how."""
    parser.add_argument("--pages", metavar="LIST", help="for example 1-3,7 (default: all)")
    parser.add_argument(
        "--allow-url", action="store_true", help="let FILE be an https URL of a public host"
    )
    add_reader(parser)


def add_reader(parser: argparse.ArgumentParser) -> None:
    """How documents are read, whichever they are."""
    parser.add_argument(
        "--backend",
        default="auto",
        help=f"{', '.join(CHOICES)}, service, service:<base url> (default: auto)",
    )
    add_remote_code(parser)
    parser.add_argument(
        "--resolution",
        default="gundam",
        choices=list(MODES),
        help="how finely the model sees a page: one picture of 512 (tiny), 640 (small), 1024 (base) "
        "or 1280 pixels (large), or gundam (default), with detailed tiles for small print",
    )
    parser.add_argument(
        "--mode",
        action=_OldName,
        dest="resolution",
        default=argparse.SUPPRESS,
        choices=list(MODES),
        help=argparse.SUPPRESS,
    )
    parser.add_argument(
        "--task",
        default="document",
        help=f"{', '.join(TASKS)}, 'locate: what to find', or 'prompt: your own words'",
    )
    parser.add_argument(
        "--no-cache",
        dest="cache",
        action="store_false",
        help="do not use or store finished pages (see: dsocr cache)",
    )
    _add_server(parser)
    parser.add_argument("--password", help="of an encrypted PDF")
    parser.add_argument(
        "--allow-remote",
        action="store_true",
        help="let pages and text be sent to an Ollama, and text to a server of --llm, elsewhere",
    )
    add_document_limits(parser)
    talk = parser.add_mutually_exclusive_group()
    talk.add_argument(
        "-q", "--quiet", action="store_true", help="print only results and errors, no progress bar"
    )
    talk.add_argument(
        "-v", "--verbose", action="store_true", help="also say what becomes of each page"
    )
    parser.add_argument("--renderer", default="pdfium", choices=["pdfium", "pymupdf"])


def _add_server(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--concurrency",
        type=int,
        metavar="PAGES",
        help="with 'server' and 'ollama': pages under way at once (default: what the server takes)",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        metavar="SECONDS",
        help="with 'server' and 'ollama': longest time for one page",
    )
    parser.add_argument(
        "--wait",
        type=float,
        metavar="SECONDS",
        help="with 'server', 'ollama' and 'service': how long to wait for one that goes away "
        "(default: 60)",
    )


def add_remote_code(parser: argparse.ArgumentParser) -> None:
    """Whether the published code may run."""
    parser.add_argument(
        "--allow-remote-code",
        action="store_true",
        help="let the backend 'official' run the code that comes with the weights",
    )


def add_document_limits(parser: argparse.ArgumentParser) -> None:
    """Limits on one document."""
    parser.add_argument(
        "--limit",
        action="append",
        metavar="NAME=NUMBER",
        help="raise a limit on documents that you trust, for example pages=20000; may be repeated",
    )


def add_answering(parser: argparse.ArgumentParser) -> None:
    """What answers questions, and how."""
    parser.add_argument(
        "--llm",
        default="auto",
        metavar="MODEL",
        help="'ollama/<model>', 'openai:<base url>', 'none' to quote only, or 'auto' (default): "
        "a model of the running Ollama, or else none",
    )
    parser.add_argument(
        "--embeddings",
        metavar="MODEL",
        help="also search by meaning, with 'ollama/<embedding model>'",
    )
    parser.add_argument(
        "--num-ctx", type=int, metavar="TOKENS", help="context to ask the model for (default: 8192)"
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="remove sentences that no page supports, instead of marking them",
    )
