"""The commands of ``dsocr``: parses arguments, runs one, turns errors into exit codes."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..backends.known_failures import known_failures
from ..document.grammar.parser import parse_document
from ..errors import ConfigurationError, DeepSeekOCRError, SourceError
from ..reading.cache import PageCache
from ..text.counted import counted
from ..text.visible import json_line, visible_line
from .arguments import argument_parser
from .ask_command import ask, chat
from .batches.batch_command import estimate, run_many
from .demo import run_demo
from .doctor.check import Check
from .doctor.diagnose import diagnose, failure_text
from .doctor.service_checks import service_checks
from .exit_codes import SERVICE_FAILED, report_error
from .ollama_model_command import make_ollama_model
from .output import notes_from_log, print_note, print_output, print_tracebacks
from .read_command import draw_boxes, read_files
from .serve_command import serve_command
from .servers.mcp_command import serve_mcp
from .servers.service_command import run_service
from .shutdown import TerminatedBySignal
from .training.train_command import evaluate_backend, merge_adapter, train_adapter

__all__ = ["COMMANDS", "run_command"]


def run_command(arguments: Sequence[str] | None) -> int:
    """Run one command, by default this process's; return its exit code (:mod:`.exit_codes`)."""
    if arguments is None:
        print_tracebacks()
    options = argument_parser().parse_args(arguments)
    try:
        with notes_from_log(_log_level(options)):
            return COMMANDS[options.command](options)
    except DeepSeekOCRError as error:
        return report_error(error)
    except TerminatedBySignal as ended:
        resuming = "; run the same command again to resume after the cached pages"
        print_note(f"ended by {ended}{resuming if getattr(options, 'cache', False) else ''}")
        return ended.exit_code


def _log_level(options: argparse.Namespace) -> int:
    if getattr(options, "quiet", False):
        return logging.ERROR
    return logging.DEBUG if getattr(options, "verbose", False) else logging.INFO


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
            # The fields of a single page are also at the top level.
            data = {**document.pages[0].to_dict(), **data}
        print_output(json_line(data))
    return 0


def _cache(options: argparse.Namespace) -> int:
    with PageCache(options.folder) as cache:
        if options.action == "clear":
            removed = cache.clear()
            data: dict[str, Any] = {"folder": str(cache.folder), "removed": removed}
            lines = [f"{counted(removed, 'page')} removed from {cache.folder}"]
        else:
            status = cache.status()
            aside = [str(path) for path in status.set_aside]
            data = {**asdict(status), "folder": str(status.folder), "set_aside": aside}
            lines = [
                f"{counted(status.pages, 'page')} in {status.folder}",
                f"{status.size / 1e6:.1f} MB of at most {status.max_bytes / 1e6:,.0f} MB",
                *(f"set aside, damaged or not ours: {path}" for path in aside),
            ]
    print_output(json_line(data) if options.json else "\n".join(map(visible_line, lines)))
    return 0


def _doctor(options: argparse.Namespace) -> int:
    if options.failure is not None:
        if options.service is not None:
            raise ConfigurationError(
                "both an error and a service were given", remedy="Leave one of them out."
            )
        return _explain_failure(options.failure, as_json=options.json)
    checks = diagnose() if options.service is None else service_checks(options.service)
    if options.json:
        print_output(json_line([check.to_dict() for check in checks]))
    else:
        for check in checks:
            _print_check(check)
    if options.service is None:
        return 0
    return 0 if all(check.ok or check.optional for check in checks) else SERVICE_FAILED


def _print_check(check: Check) -> None:
    sign = "ok  " if check.ok else "-   " if check.optional else "no  "
    note = "optional, " if check.optional and not check.ok else ""
    print_output(sign + visible_line(f"{check.name}: {note}{check.detail}"))
    if not check.ok and check.remedy:
        print_output(f"      {visible_line(check.remedy)}")


def _explain_failure(failure: str, *, as_json: bool) -> int:
    text = sys.stdin.read() if failure == "-" else failure_text(failure)
    found = known_failures(text)
    if as_json:
        print_output(json_line([each.to_dict() for each in found]))
        return 0
    for each in found:
        print_output(f"{each.name}: {each.meaning}\n      {each.cure}\n      See {each.source}")
    if not found:
        print_output("This is neither a file nor a known error.")
    return 0


def _serve_command(options: argparse.Namespace) -> int:
    print_output(
        serve_command(
            options.server, version=options.version, port=options.port, model=options.model
        )
    )
    return 0


def _demo(options: argparse.Namespace) -> int:
    run_demo(Path(options.output), backend=options.backend, show=print_output)
    return 0


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "read": read_files,
    "ask": ask,
    "chat": chat,
    "batch": run_many,
    "estimate": estimate,
    "boxes": draw_boxes,
    "parse": _parse,
    "cache": _cache,
    "doctor": _doctor,
    "serve": run_service,
    "serve-command": _serve_command,
    "mcp": serve_mcp,
    "ollama-model": make_ollama_model,
    "train": train_adapter,
    "eval": evaluate_backend,
    "merge": merge_adapter,
    "demo": _demo,
}
