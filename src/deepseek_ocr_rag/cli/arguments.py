"""Command line arguments of ``dsocr``."""

from __future__ import annotations

import argparse
from typing import Any

from ..backends.registry import CHOICES
from ..backends.remote.ollama_models import LAYOUT_MODEL, MODEL
from ..model.prompts import MODES, TASKS
from ..version import __version__
from .batches.batch_options import add_batch_options, add_estimate_options
from .near_options import NearOptionsParser
from .output import print_note
from .serve_command import SERVERS
from .servers.service_command import add_service_options
from .training.train_command import add_eval_options, add_merge_options, add_train_options

__all__ = ["argument_parser"]


def argument_parser() -> argparse.ArgumentParser:
    """The parser; its result names the command in ``command``."""
    parser = NearOptionsParser(
        prog="dsocr",
        description="Read PDFs and scans with DeepSeek-OCR; ask questions, get cited answers.",
        epilog="Start with: dsocr demo",
    )
    parser.add_argument("--version", action="version", version=f"dsocr {__version__}")
    commands = parser.add_subparsers(
        title="commands", dest="command", required=True, metavar="COMMAND"
    )

    def command(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text)

    read = command("read", "print documents as Markdown or JSON, or write a folder")
    _add_files(read)
    _add_reading(read)
    read.add_argument("--json", action="store_true", help="print one JSON object a file")
    read.add_argument(
        "-o",
        "--output",
        metavar="FOLDER",
        help="write Markdown and JSON into this folder, in a folder for each document",
    )
    read.add_argument(
        "--pictures", action="store_true", help="with -o: also pictures of pages and figures"
    )
    read.add_argument(
        "--page-marks", action="store_true", help="put <!-- page 3 --> before each page's Markdown"
    )

    ask = command("ask", "answer one question about documents, with pages and boxes")
    _add_files(ask)
    ask.add_argument("question", metavar="QUESTION")
    ask.add_argument("--json", action="store_true", help="print one JSON object")
    ask.add_argument(
        "--picture",
        metavar="FILE.png",
        help="draw the cited boxes on their pages and write them as one PNG",
    )
    _add_reading(ask)
    _add_answering(ask)

    chat = command("chat", "answer questions about documents, one a line")
    _add_files(chat)
    _add_reading(chat)
    _add_answering(chat)

    add_batch_options(
        command("batch", "read all documents of a manifest, with an account of every page")
    )
    add_estimate_options(command("estimate", "say how long a batch takes and what it costs"))

    boxes = command("boxes", "draw the pages with their boxes as PNG")
    _add_files(boxes)
    boxes.add_argument("-o", "--output", default=".", metavar="FOLDER", help="default: here")
    boxes.add_argument("--long-side", type=int, default=1280, metavar="PIXELS")
    _add_reading(boxes)

    parse = command("parse", "turn raw model text into the JSON of read, for bug reports")
    parse.add_argument("files", nargs="+", metavar="FILE", help="'-' reads standard input")
    parse.add_argument("--json", action="store_true", help="the only format; for symmetry")

    cache = command("cache", "show or clear the cache of finished pages")
    cache.add_argument("action", nargs="?", choices=["show", "clear"], default="show")
    cache.add_argument(
        "--folder", help="default: DSOCR_CACHE_DIR, or else this user's cache folder"
    )
    cache.add_argument("--json", action="store_true", help="print one JSON object")

    doctor = command("doctor", "check what is installed, what works and what to fix")
    doctor.add_argument(
        "failure",
        nargs="?",
        metavar="ERROR",
        help="an error message or a log file to explain; '-' reads standard input",
    )
    doctor.add_argument("--json", action="store_true", help="print one JSON array")
    doctor.add_argument(
        "--service", metavar="URL", help="check only this running service (dsocr serve)"
    )

    mcp = command(
        "mcp", "serve the documents in a folder to a client of the Model Context Protocol"
    )
    mcp.add_argument(
        "--root",
        metavar="FOLDER",
        help="the only folder whose documents the client may name (default: here)",
    )
    _add_reader(mcp)
    _add_answering(mcp)

    add_service_options(command("serve", "read documents for everybody who sends them over HTTP"))

    serve = command(
        "serve-command", "print the command that starts a server with the right options"
    )
    serve.add_argument("server", choices=list(SERVERS))
    serve.add_argument("--version", help="of the server; some need extra options")
    serve.add_argument("--port", type=int, help="default: 8000, for ollama 11434")
    serve.add_argument("--model", help="folder, repository, GGUF file or name in Ollama's library")

    model = command("ollama-model", "make a model in Ollama whose boxes and table cells arrive")
    model.add_argument(
        "--from",
        dest="source",
        default=MODEL,
        metavar="MODEL",
        help=f"the installed model (default: {MODEL})",
    )
    model.add_argument(
        "--as",
        dest="name",
        default=LAYOUT_MODEL,
        metavar="MODEL",
        help=f"what the new one is called (default: {LAYOUT_MODEL})",
    )
    model.add_argument(
        "--file", help="a copy of the model's file, where Ollama's own cannot be read"
    )

    add_train_options(command("train", "fine-tune a model with an adapter on your own pages"))
    add_eval_options(command("eval", "judge what a backend writes by pages with the right text"))
    add_merge_options(command("merge", "write a model with an adapter in its weights"))

    demo = command("demo", "read the sample document and answer two questions about it")
    demo.add_argument("-o", "--output", default="demo-output", metavar="FOLDER")
    demo.add_argument("--backend", default="auto")
    return parser


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


def _add_files(parser: argparse.ArgumentParser) -> None:
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
    parser.add_argument(
        "--flat", action="store_true", help="do not look into the folders in a folder"
    )


def _add_reading(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pages", metavar="LIST", help="for example 1-3,7 (default: all)")
    parser.add_argument(
        "--allow-url", action="store_true", help="let FILE be an https URL of a public host"
    )
    _add_reader(parser)


def _add_reader(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--backend",
        default="auto",
        help=f"{', '.join(CHOICES)}, service, service:<base url> (default: auto)",
    )
    parser.add_argument(
        "--allow-remote-code",
        action="store_true",
        help="let the backend 'official' run the code that comes with the weights",
    )
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
    parser.add_argument("--password", help="of an encrypted PDF")
    parser.add_argument(
        "--allow-remote",
        action="store_true",
        help="let pages and text be sent to an Ollama, and text to a server of --llm, elsewhere",
    )
    parser.add_argument(
        "--limit",
        action="append",
        metavar="NAME=NUMBER",
        help="raise a limit on documents that you trust, for example pages=20000; may be repeated",
    )
    talk = parser.add_mutually_exclusive_group()
    talk.add_argument(
        "-q", "--quiet", action="store_true", help="print only results and errors, no progress bar"
    )
    talk.add_argument(
        "-v", "--verbose", action="store_true", help="also say what becomes of each page"
    )
    parser.add_argument("--renderer", default="pdfium", choices=["pdfium", "pymupdf"])


def _add_answering(parser: argparse.ArgumentParser) -> None:
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
