"""Rewords error messages from Python's terms to an interface's: ``--password`` for ``password=...``."""

from __future__ import annotations

import re
from typing import Final, TypeAlias

__all__ = ["command_words", "service_words"]

_VALUE: Final = r"(?:\.\.\.|True|\"[^\"]*\"|'[^']*'|[\w.:/-]+|\w+\([^()]*(?:\([^()]*\))?[^()]*\))"

_Table: TypeAlias = tuple[tuple[re.Pattern[str], str], ...]


def _table(*rows: tuple[str, str]) -> _Table:
    return tuple((re.compile(pattern), words) for pattern, words in rows)


_COMMAND: Final = _table(
    (r"set allow_remote_code=True \(--allow-remote-code\)", "pass --allow-remote-code"),
    (r"allow_remote_code=True", "--allow-remote-code"),
    (r"OllamaBackend\([^()]*allow_remote=True\)", "--backend ollama --allow-remote"),
    (r"set allow_remote=True", "pass --allow-remote"),
    (r"allow_remote=True", "--allow-remote"),
    (rf"allow_urls={_VALUE}", "--allow-url"),
    (r"password=\.\.\.", "--password"),
    (r"Limits\((\w+)=\.\.\.\)", r"--limit \1=NUMBER"),
    (r"\(--wait, or wait=\)", "(--wait)"),
    (r"cache=False", "--no-cache"),
    (r", or allow it with FetchPolicy\(\w+=True\)", ""),
    (r"Add it with FetchPolicy\(hosts=\.\.\.\) if you trust it, or download", "Download"),
    (r", or raise FetchPolicy\(\w+=\.\.\.\)", ""),
    (r"Allow it with FetchPolicy\(\w+=True\)", "Download the file first"),
    (r"backend=[\"']([\w:/.-]+)[\"']", r"--backend \1"),
    (r"renderer=[\"'](\w+)[\"']", r"--renderer \1"),
    (r"resolution [\"'](\w+)[\"']", r"--resolution \1"),
    (r"revision=,", "a folder instead of the hub id, or"),
    (r"(Raise|raise) num_ctx", r"\1 --num-ctx"),
    (r"smaller model or num_ctx", "smaller model or --num-ctx"),
    (r"(Raise|raise) the timeout\b", r"\1 --timeout"),
    (r"Raise its timeout, or take", "Take"),
    (
        r"(Raise|raise) (stall_timeout|OfficialBackend\(\w+=\.\.\.\))",
        r"\1 \2 in Python (the command has no option for it)",
    ),
)
"""Patterns of Python's terms in an error's text, and the command's option that does the same."""

_SERVE: Final = "`dsocr serve "

_SERVICE: Final = _table(
    (r"Pass the right password=\.\.\. to open it", "Send it again with its password"),
    (r"raise Limits\((\w+)=\.\.\.\)", rf"run {_SERVE}--limit \1=NUMBER`"),
    (r"Raise Limits\((\w+)=\.\.\.\)", rf"Run {_SERVE}--limit \1=NUMBER`"),
    (r"try renderer=[\"'](\w+)[\"']", rf"try {_SERVE}--renderer \1`"),
    (r"([Uu])se backend=[\"']([\w:/.-]+)[\"']", rf"\1se {_SERVE}--backend \2`"),
    (r"set allow_remote=True", f"run {_SERVE}--allow-remote`"),
    (r"OllamaBackend\([^()]*allow_remote=True\)", f"{_SERVE}--allow-remote`"),
    (r"set allow_remote_code=True \(--allow-remote-code\)", f"run {_SERVE}--allow-remote-code`"),
    (r", or pass isolated=False to read documents that you trust without one", ""),
    (r"Download the file first, or pass allow_urls=True", "Send the file itself"),
    (r"allow it with FetchPolicy\(allow_http=True\)", "send the file itself"),
    (r"(Allow|Add) it with FetchPolicy\([^.]*(\.\.\.)?[^.]*\.", "Send the file itself."),
    (r"Download it first, or raise FetchPolicy\(\w+=\.\.\.\)", "Send the file itself"),
    (r"Raise num_ctx, use", "Use"),
    (r"a smaller model or num_ctx needs", "a smaller model needs"),
    (r"Turn its thinking off or down \([^()]*\), give it more room \(num_ctx\), or use", "Use"),
    (r"Raise its timeout, or take", "Take"),
)
"""The same for users who send documents to a service, or who started it."""


def command_words(text: str) -> str:
    """The text with the options of the command in place of arguments in Python."""
    return _said(text, _COMMAND)


def service_words(text: str) -> str:
    """The text for a user who sends documents to a service."""
    return _said(text, _SERVICE)


def _said(text: str, table: _Table) -> str:
    for pattern, words in table:
        text = pattern.sub(words, text)
    return text
