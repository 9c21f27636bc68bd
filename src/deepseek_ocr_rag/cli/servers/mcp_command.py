"""``dsocr mcp``: documents in a folder for a client of the Model Context Protocol."""

from __future__ import annotations

import argparse

from ...answering.language_model import LanguageModel
from ...answering.models.model_choice import choose_language_model, language_model_named
from ...answering.models.model_fitness import checked_embeddings
from ...errors import MissingExtraError
from ...installing import install_command
from ...mcp.protocol_pipes import taken_output
from ..output import print_note
from ..read_command import reader_for

__all__ = ["serve_mcp"]


def serve_mcp(options: argparse.Namespace) -> int:
    """``dsocr mcp``: serve one client over standard input and output until it leaves."""
    with taken_output() as pipes:
        try:
            from ...mcp.stdio_transport import serve_stdio
        except ImportError as error:
            raise MissingExtraError(
                "dsocr mcp needs the SDK of the Model Context Protocol",
                remedy=install_command("mcp"),
            ) from error
        from ...mcp.library_tools import FolderLibrary, LibraryTools
        from ...mcp.protocol_server import document_server

        llm = _language_model(options)
        embeddings = None
        if options.embeddings is not None:
            embeddings = checked_embeddings(options.embeddings, allow_remote=options.allow_remote)
        with reader_for(options) as reader:
            library = FolderLibrary(reader, options.root, password=options.password)
            if not options.quiet:
                print_note(f"serving the documents in {library.root}")
            tools = LibraryTools(library, llm, strict=options.strict, embeddings=embeddings)
            serve_stdio(document_server(tools), pipes)
    return 0


def _language_model(options: argparse.Namespace) -> LanguageModel | None:
    name = options.llm
    if name == "auto":
        name, hint = choose_language_model()
        if hint and not options.quiet:
            print_note(hint)
    llm = language_model_named(
        name or "none", num_ctx=options.num_ctx, allow_remote=options.allow_remote
    )
    if llm is not None:
        llm.check()
    return llm
