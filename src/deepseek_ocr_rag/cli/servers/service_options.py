"""The options of ``dsocr serve``."""

from __future__ import annotations

import argparse
from typing import Final

from ..document_options import add_remote_code

__all__ = ["DATA_FOLDER", "HOST", "PORT", "add_service_options"]

HOST: Final = "127.0.0.1"
PORT: Final = 8765
DATA_FOLDER: Final = "dsocr-data"


def add_service_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``dsocr serve``."""
    parser.add_argument(
        "--host", default=HOST, help=f"address to listen on (default: {HOST}); others need API keys"
    )
    parser.add_argument("--port", type=int, default=PORT, help=f"default: {PORT}; 0: a free one")
    parser.add_argument(
        "--data",
        default=DATA_FOLDER,
        metavar="FOLDER",
        help=f"where jobs, documents and results are kept (default: {DATA_FOLDER})",
    )
    parser.add_argument("--backend", default="auto", help="what reads the pages (default: auto)")
    parser.add_argument("--renderer", default="pdfium", choices=["pdfium", "pymupdf"])
    parser.add_argument(
        "--keys", metavar="FILE", help="API keys, one name:key a line (default: DSOCR_API_KEYS)"
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        metavar="NAME",
        help="a name by which clients may call the service; may be repeated",
    )
    parser.add_argument(
        "--allow-url", action="store_true", help="let requests name https URLs of public hosts"
    )
    parser.add_argument(
        "--allow-callbacks",
        action="store_true",
        help="let requests name https URLs of public hosts that are told when a job ends, signed "
        "with a secret of the request or with DSOCR_CALLBACK_SECRET",
    )
    parser.add_argument(
        "--allow-remote",
        action="store_true",
        help="let pages and text be sent to an Ollama or a server of --llm on another machine",
    )
    add_remote_code(parser)
    parser.add_argument(
        "--llm",
        default="auto",
        metavar="MODEL",
        help="what answers questions: 'ollama/<model>', 'openai:<base url>', 'none' to quote only, "
        "or 'auto' (default): a model of the running Ollama, or else none",
    )
    parser.add_argument(
        "--only-llm",
        action="store_true",
        help="let questions name no other model; without it they may name one of the running "
        "Ollama",
    )
    parser.add_argument(
        "--embeddings", metavar="MODEL", help="also search by meaning, 'ollama/<embedding model>'"
    )
    parser.add_argument(
        "--limit",
        action="append",
        metavar="NAME=NUMBER",
        help="set a limit of documents, of the queue or of requests, for example "
        "jobs_waiting=100; may be repeated",
    )
    parser.add_argument(
        "--drain",
        type=float,
        default=20.0,
        metavar="SECONDS",
        help="how long running pages may go on after SIGTERM (default: 20)",
    )
    parser.add_argument(
        "--open",
        nargs="?",
        const="",
        metavar="FILE",
        help="show the service's page in a browser; with a file, send it and show it being read",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="log more")
