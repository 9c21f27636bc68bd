"""An argument parser that suggests the option that was meant."""

from __future__ import annotations

import argparse
import sys
from typing import Any, Final, NoReturn

from ..setting_names import near_name
from ..text.visible import visible_line
from .output import write_visibly

__all__ = ["NearOptionsParser"]


MAY_BE_EMPTY: Final = ("question", "password")
"""Arguments that may be empty, because they then have a message or a meaning of their own."""


class NearOptionsParser(argparse.ArgumentParser):
    """Answers ``--bakend`` with "write --backend"; so do the parsers of its commands."""

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """As in the base class; the message may quote user input, so it is printed visibly."""
        if message:
            write_visibly(sys.stderr, f"{visible_line(message.rstrip())}\n")
        sys.exit(status)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # noqa: ANN401 - as in the base class
        """As in the base class, but end with a suggestion for a misspelled option.

        A value must not be empty, either: ``dsocr read "$FILE" -o "$OUT"`` with unset variables would
        read all of this folder and print it.
        """
        found, unknown = super().parse_known_args(args, namespace)
        for action in self._actions:
            value = getattr(found, action.dest, None)
            empty = "" in (value if isinstance(value, list) else [value])
            if empty and action.dest not in MAY_BE_EMPTY:
                named = "/".join(action.option_strings) or action.metavar or action.dest
                self.error(f"argument {named}: it is empty; write a value")
        known = [each.lstrip("-") for each in self._option_string_actions]
        for argument in unknown:
            name = argument.split("=")[0]
            near = near_name(name.lstrip("-"), known) if name.startswith("--") else None
            if near is not None:
                self.error(f"there is no option {name}; write --{near}")
        return found, unknown
