"""Runs the blocks of one page in order: ``python run_docs_page.py PAGE [LANGUAGE]``.

All Python of a page shares one namespace, all blocks one folder (the current one). The
first block that fails, or prints something other than the page shows, ends the run.

Blocks of a README are copied one at a time: there each has a namespace of its own, and prints
something. With a language, only blocks in it are run.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import io
import subprocess
import sys
import traceback
from ast import PyCF_ALLOW_TOP_LEVEL_AWAIT
from collections.abc import Collection
from pathlib import Path

from docs_pages import RUN, CodeBlock, blocks, same_output


def run_page(page: Path, languages: Collection[str] = RUN) -> str:
    """Run a page; returns why it failed, or ""."""
    alone = page.name.startswith("README")
    namespace: dict[str, object] = {"__name__": "__main__"}
    printed = failure = ""
    with asyncio.Runner() as loop:
        for block in blocks(page):
            if block.is_output:
                if not same_output(block.code, printed):
                    return f"{block.where}: the block before prints\n\n{printed}"
            elif block.language not in languages:
                continue
            elif block.language == "python" and not block.reason_not_to_run:
                if alone:
                    namespace = {"__name__": "__main__"}
                printed, failure = _python(block, namespace, loop)
                if alone and not failure and not printed.strip():
                    failure = "a block of a README prints something"
            elif block.language == "sh" and not block.reason_not_to_run:
                printed, failure = _shell(block)
            else:
                continue
            if failure:
                return f"{block.where}: {failure}"
    return ""


def _python(
    block: CodeBlock, namespace: dict[str, object], loop: asyncio.Runner
) -> tuple[str, str]:
    output = io.StringIO()
    try:
        # Empty lines in front: a traceback then has the line numbers of the page.
        source = "\n" * (block.line - 1) + block.code
        code = compile(source, str(block.file), "exec", PyCF_ALLOW_TOP_LEVEL_AWAIT)
        with contextlib.redirect_stdout(output):
            if code.co_flags & inspect.CO_COROUTINE:
                # As notebooks do it: "await" needs no function around it.
                loop.run(eval(code, namespace))
            else:
                exec(code, namespace)
    except BaseException:
        return output.getvalue(), traceback.format_exc()
    return output.getvalue(), ""


def _shell(block: CodeBlock) -> tuple[str, str]:
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.code],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.stdout, f"exit code {ran.returncode}\n{ran.stderr}" if ran.returncode else ""


if __name__ == "__main__":
    sys.exit(run_page(Path(sys.argv[1]), sys.argv[2:] or RUN) or 0)
