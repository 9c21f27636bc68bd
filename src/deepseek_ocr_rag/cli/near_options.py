"""An argument parser that suggests the option that was meant."""

from __future__ import annotations

import argparse
import sys
from typing import Any, NoReturn

from ..setting_names import near_name
from ..text.visible import visible_line
from .output import write_visibly

__all__ = ["NearOptionsParser"]


class NearOptionsParser(argparse.ArgumentParser):
    """Answers ``--bakend`` with "write --backend"; so do the parsers of its commands."""

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """As in the base class; the message may quote user input, so it is printed visibly."""
        if message:
            write_visibly(sys.stderr, f"{visible_line(message.rstrip())}\n")
        sys.exit(status)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # noqa: ANN401 - as in the base class
        """As in the base class, but end with a suggestion for a misspelled option."""
        found, unknown = super().parse_known_args(args, namespace)
        known = [each.lstrip("-") for each in self._option_string_actions]
        for argument in unknown:
            name = argument.split("=")[0]
            near = near_name(name.lstrip("-"), known) if name.startswith("--") else None
            if near is not None:
                self.error(f"there is no option {name}; write --{near}")
        return found, unknown
