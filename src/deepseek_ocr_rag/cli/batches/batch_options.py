"""The options of ``dsocr batch`` and ``dsocr estimate``."""

from __future__ import annotations

import argparse
from typing import Any

from ...model.prompts import MODES
from ...sources.fetch_policy import FetchPolicy
from ..document_options import add_document_limits, add_remote_code
from ..documents import limits_of

__all__ = ["add_batch_options", "add_estimate_options", "settings_of"]


def add_batch_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``dsocr batch``."""
    _add_manifest(parser)
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="FOLDER",
        help="where the results go, on this machine or on an object store",
    )
    parser.add_argument(
        "--engine",
        default="local",
        choices=["local", "ray"],
        help="this machine (default), or a Ray cluster",
    )
    _add_reading(parser)
    parser.add_argument(
        "--part-documents",
        type=int,
        default=64,
        metavar="DOCUMENTS",
        help="how many documents have their results in one file (default: 64)",
    )
    parser.add_argument(
        "--chunk-tokens",
        type=int,
        metavar="TOKENS",
        help="cut the records in documents/ into chunks of at most this many tokens (default: a"
        " record for each page)",
    )
    talk = parser.add_mutually_exclusive_group()
    talk.add_argument("-q", "--quiet", action="store_true", help="print only the result and errors")
    talk.add_argument("-v", "--verbose", action="store_true", help="log more")


def add_estimate_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``dsocr estimate``."""
    _add_manifest(parser)
    _add_reading(parser)
    parser.add_argument(
        "--pages-per-second",
        type=float,
        metavar="PAGES",
        help="rate of one card, if you know it; without it, some pages are read now",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def settings_of(options: argparse.Namespace) -> Any:  # noqa: ANN401 - loaded when it is needed
    """The settings that the options give."""
    from ...batch.batch_settings import BatchSettings

    names = ("part_documents", "chunk_tokens")
    given = {name: getattr(options, name) for name in names if name in options}
    return BatchSettings(
        backend=options.backend,
        resolution=options.resolution,
        task=options.task,
        renderer=options.renderer,
        limits=limits_of(options),
        urls=FetchPolicy() if options.allow_url else None,
        allow_remote_code=options.allow_remote_code,
        unit_pages=options.unit_pages,
        **given,
    )


def _add_manifest(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "manifest",
        metavar="MANIFEST",
        help="a .jsonl or .parquet file that names documents, a folder, or a pattern in quotes",
    )


def _add_reading(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--backend", default="auto", help="what reads the pages (default: auto)")
    parser.add_argument(
        "--resolution",
        default="gundam",
        choices=list(MODES),
        help="how finely the model sees a page, as for dsocr read (default: gundam)",
    )
    parser.add_argument("--task", default="document", help="as for dsocr read (default: document)")
    parser.add_argument("--renderer", default="pdfium", choices=["pdfium", "pymupdf"])
    parser.add_argument(
        "--unit-pages",
        type=int,
        default=32,
        metavar="PAGES",
        help="most pages that are read, stored and repeated as a whole (default: 32)",
    )
    parser.add_argument(
        "--gpus",
        type=int,
        metavar="CARDS",
        help="cards that read at the same time (default: with Ray all of the cluster, on this"
        " machine those that DSOCR_DEVICES names, or one)",
    )
    parser.add_argument(
        "--gpu-price", type=float, metavar="MONEY", help="price of an hour of one card"
    )
    add_document_limits(parser)
    parser.add_argument(
        "--allow-url", action="store_true", help="let the manifest name https URLs of public hosts"
    )
    add_remote_code(parser)
