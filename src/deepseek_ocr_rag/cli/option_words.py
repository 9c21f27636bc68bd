"""Says in the command's words what an error says in Python's: ``--password`` for ``password=...``."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["option_words"]

_VALUE: Final = r"(?:\.\.\.|True|\"[^\"]*\"|'[^']*'|[\w.:/-]+|\w+\([^()]*(?:\([^()]*\))?[^()]*\))"

_WORDS: Final = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
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
)
"""What an error's text says of Python, and the option that does the same."""


def option_words(text: str) -> str:
    """The text with the options of the command in place of arguments in Python."""
    for pattern, words in _WORDS:
        text = pattern.sub(words, text)
    return text
