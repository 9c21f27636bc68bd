"""The commands of ``dsocr``: parses arguments, runs one, turns errors into exit codes."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TypeAlias

from ..errors import DeepSeekOCRError
from .arguments import argument_parser
from .exit_codes import report_error
from .output import notes_from_log, print_note, print_tracebacks
from .shutdown import TerminatedBySignal

__all__ = ["COMMANDS", "run_command"]

_Command: TypeAlias = Callable[[argparse.Namespace], int]


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
        print_note(f"ended by {ended}{_how_to_resume(options)}")
        return ended.exit_code


def _how_to_resume(options: argparse.Namespace) -> str:
    """What to do after an interruption, for the commands that can go on."""
    if getattr(options, "cache", False):
        return "; run the same command again to resume after the cached pages"
    if options.command == "train" and not options.check:
        return "; run the same command with --resume to go on from the last judgement"
    return ""


def _log_level(options: argparse.Namespace) -> int:
    if getattr(options, "quiet", False):
        return logging.ERROR
    return logging.DEBUG if getattr(options, "verbose", False) else logging.INFO


def _in_module(place: str) -> _Command:
    """A command in another module, which is imported only when the command runs."""
    module, name = place.split(":")

    def run(options: argparse.Namespace) -> int:
        command: _Command = getattr(import_module(module, __package__), name)
        return command(options)

    return run


COMMANDS: dict[str, _Command] = {
    "read": _in_module(".read_command:read_files"),
    "ask": _in_module(".ask_command:ask"),
    "chat": _in_module(".ask_command:chat"),
    "batch": _in_module(".batches.batch_command:run_many"),
    "estimate": _in_module(".batches.batch_command:estimate"),
    "boxes": _in_module(".read_command:draw_boxes"),
    "parse": _in_module(".inspection:parse_files"),
    "cache": _in_module(".inspection:show_cache"),
    "doctor": _in_module(".doctor.doctor_command:run_doctor"),
    "serve": _in_module(".servers.service_command:run_service"),
    "serve-command": _in_module(".serve_command:print_serve_command"),
    "mcp": _in_module(".servers.mcp_command:serve_mcp"),
    "ollama-model": _in_module(".ollama_model_command:make_ollama_model"),
    "train": _in_module(".training.train_command:train_adapter"),
    "eval": _in_module(".training.eval_command:evaluate_backend"),
    "merge": _in_module(".training.train_command:merge_adapter"),
    "demo": _in_module(".demo:show_demo"),
}
