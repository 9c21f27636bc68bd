"""``dsocr doctor``."""

from __future__ import annotations

import argparse
import sys

from ...backends.known_failures import known_failures
from ...errors import ConfigurationError
from ...text.visible import json_line, visible_line
from ..exit_codes import SERVICE_FAILED
from ..output import print_output
from .check import Check
from .diagnose import diagnose, failure_text
from .service_checks import service_checks

__all__ = ["run_doctor"]


def run_doctor(options: argparse.Namespace) -> int:
    """``dsocr doctor``: check this machine or a service, or explain an error."""
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
