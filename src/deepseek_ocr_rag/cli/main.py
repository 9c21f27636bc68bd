"""The command ``dsocr``: sets up signals and streams, then loads and runs a command.

Loading takes a second, and Ctrl-C may come during it. So this module imports only a little of the
standard library.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from typing import Any

from .shutdown import TerminatedBySignal, graceful_shutdown
from .standard_streams import discard_output, output_error, report, standard_streams

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, by default this process's; return its exit code (:mod:`.exit_codes`).

    Raises:
        SystemExit: If help was asked for, or the usage is wrong.
    """
    with standard_streams():
        try:
            code = _run(arguments)
        except SystemExit as ended:  # argparse has printed the message
            code = ended.code if isinstance(ended.code, int) else 2
            if (code := _printed(code)) != ended.code:
                return code
            raise
        except OSError:
            # All other system errors are turned into errors of ours.
            if output_error() is None:
                raise
            code = 0
        finally:
            if arguments is None and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                # The interpreter is ending: from here on, Ctrl-C ends it without a traceback.
                signal.signal(signal.SIGINT, signal.SIG_DFL)
        return _printed(code)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        with graceful_shutdown():
            from .commands import run_command

            return run_command(arguments)
    except TerminatedBySignal as ended:
        report(f"ended by {ended}")
        return ended.exit_code


def _printed(code: int) -> int:
    """The exit code, or 1 and a note if not everything could be printed."""
    error = output_error()
    if error is None:
        return code
    discard_output()
    if isinstance(error, BrokenPipeError):  # the reader closed the pipe, as `head` does
        return code
    report(f"standard output cannot be written ({error.strerror}), so the result is not complete")
    return code or 1


def __getattr__(name: str) -> Any:  # noqa: ANN401 - what another module has
    if name == "COMMANDS":
        from .commands import COMMANDS

        return COMMANDS
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if __name__ == "__main__":
    sys.exit(main())
