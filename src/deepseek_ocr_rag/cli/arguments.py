"""Command line arguments of ``dsocr``."""

from __future__ import annotations

import argparse
from typing import Protocol

from ..model.ollama_names import LAYOUT_MODEL, MODEL
from ..version import __version__
from .batches.batch_options import add_batch_options, add_estimate_options
from .document_options import add_answering, add_files, add_reader, add_reading
from .near_options import NearOptionsParser
from .serve_command import SERVERS
from .servers.service_options import add_service_options
from .training.eval_command import add_eval_options
from .training.train_command import add_merge_options, add_train_options

__all__ = ["argument_parser"]


class _NewCommand(Protocol):
    """Adds a command by its name, with a line that says what it does."""

    def __call__(self, name: str, text: str) -> argparse.ArgumentParser: ...


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

    _add_documents(command)
    _add_inspection(command)
    _add_servers(command)
    add_train_options(command("train", "fine-tune a model with an adapter on your own pages"))
    add_eval_options(command("eval", "judge what a backend writes by pages with the correct text"))
    add_merge_options(command("merge", "write a model with an adapter in its weights"))
    demo = command("demo", "read the sample document and answer two questions about it")
    demo.add_argument("-o", "--output", default="demo-output", metavar="FOLDER")
    demo.add_argument("--backend", default="auto")
    return parser


def _add_documents(command: _NewCommand) -> None:
    """The commands that read documents."""
    read = command("read", "print documents as Markdown or JSON, or write a folder")
    add_files(read)
    add_reading(read)
    read.add_argument("--json", action="store_true", help="print one JSON object per file")
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
    add_files(ask)
    ask.add_argument("question", metavar="QUESTION")
    ask.add_argument("--json", action="store_true", help="print one JSON object")
    ask.add_argument(
        "--picture",
        metavar="FILE.png",
        help="draw the cited boxes on their pages and write them as one PNG",
    )
    add_reading(ask)
    add_answering(ask)

    chat = command("chat", "answer questions about documents, one a line")
    add_files(chat)
    add_reading(chat)
    add_answering(chat)

    add_batch_options(
        command("batch", "read all documents of a manifest, and account for every page")
    )
    add_estimate_options(command("estimate", "say how long a batch takes and what it costs"))

    boxes = command("boxes", "draw the pages with their boxes as PNG")
    add_files(boxes)
    boxes.add_argument("-o", "--output", default=".", metavar="FOLDER", help="default: here")
    boxes.add_argument("--long-side", type=int, default=1280, metavar="PIXELS")
    add_reading(boxes)


def _add_inspection(command: _NewCommand) -> None:
    """The commands that look at something else."""
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


def _add_servers(command: _NewCommand) -> None:
    """The commands that serve, or prepare a server."""
    mcp = command(
        "mcp", "serve the documents in a folder to a client of the Model Context Protocol"
    )
    mcp.add_argument(
        "--root",
        metavar="FOLDER",
        help="the only folder whose documents the client may name (default: here)",
    )
    add_reader(mcp)
    add_answering(mcp)

    add_service_options(command("serve", "read documents for everybody who sends them over HTTP"))

    serve = command(
        "serve-command", "print the command that starts a server with the right options"
    )
    serve.add_argument("server", choices=list(SERVERS))
    serve.add_argument("--version", help="of the server; some need extra options")
    serve.add_argument("--port", type=int, help="default: 8000, for ollama 11434")
    serve.add_argument("--model", help="folder, repository, GGUF file or name in Ollama's library")

    model = command(
        "ollama-model", "make a copy of Ollama's model that sends boxes and table cells"
    )
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
