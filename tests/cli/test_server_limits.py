"""``--concurrency``, ``--timeout`` and ``--wait`` reach the backend, and no other than a server's."""

from __future__ import annotations

from typing import Any

import pytest

from deepseek_ocr_rag.cli.arguments import argument_parser
from deepseek_ocr_rag.cli.read_command import reader_for
from deepseek_ocr_rag.errors import ConfigurationError

LIMITS = ["--concurrency", "3", "--timeout", "7.5", "--wait", "0"]


def options(*words: str) -> Any:
    return argument_parser().parse_args(["read", "report.pdf", "--no-cache", *words])


@pytest.mark.parametrize("backend", ["server:http://127.0.0.1:9", "ollama"])
def test_the_limits_reach_the_backend(backend: str) -> None:
    with reader_for(options("--backend", backend, *LIMITS)) as reader:
        limited = reader.backend
        assert limited.concurrency == 3  # type: ignore[attr-defined]
        assert limited._timeout == 7.5  # type: ignore[attr-defined]
        assert limited._absence.seconds == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("wrong", [["--concurrency", "0"], ["--timeout", "0"], ["--wait", "-1"]])
def test_a_limit_that_cannot_be_meant_is_refused(wrong: list[str]) -> None:
    with (
        pytest.raises(ConfigurationError, match=r"Use (more than 0|0 or more), or leave it out"),
        reader_for(options("--backend", "server:http://127.0.0.1:9", *wrong)),
    ):
        pass


def test_a_limit_for_another_backend_is_refused_and_not_ignored() -> None:
    with (
        pytest.raises(ConfigurationError, match="only for the backends 'server' and 'ollama'"),
        reader_for(options("--backend", "lite", "--wait", "5")),
    ):
        pass
