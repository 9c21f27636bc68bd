"""Fuzzes the readers of model and page text, guided by code coverage.

    make fuzz                       a million executions of each target
    python tools/fuzz.py grammar -runs=1000    one target, libFuzzer's own options

The properties are in tests/support/fuzzed.py. A text that breaks one is written to a file
in the working directory and ends the run.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parent.parent
EXECUTIONS = 1_000_000

sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests" / "support")]
with atheris.instrument_imports(include=["deepseek_ocr_rag"]):
    from fuzzed import CHECKS, FRAGMENTS


def fuzz(name: str, options: list[str]) -> None:
    """Runs one target in this process and ends the process."""
    check = CHECKS[name]

    def once(data: bytes) -> None:
        check(data.decode("utf-8", "surrogateescape"))

    atheris.Setup([sys.argv[0], *options], once)
    atheris.Fuzz()


def dictionary(folder: Path) -> Path:
    """Writes the tokens of the grammar as a dictionary in libFuzzer's format."""
    path = folder / "tokens.dict"
    quoted = (
        "".join(f"\\x{byte:02x}" for byte in fragment.encode("utf-8", "surrogatepass"))
        for fragment in FRAGMENTS
    )
    path.write_text("".join(f'"{token}"\n' for token in quoted), encoding="ascii")
    return path


def every_target(executions: int) -> None:
    """Runs each target in its own process, with the tokens as seeds."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        tokens = dictionary(work)
        for name in CHECKS:
            corpus = work / name
            corpus.mkdir()
            for number, fragment in enumerate(FRAGMENTS):
                seed = (fragment * 2).encode("utf-8", "surrogatepass")
                (corpus / f"{number:03d}").write_bytes(seed)
            start = time.monotonic()
            options = [
                *(f"-runs={executions}", f"-dict={tokens}", "-max_len=2048", "-timeout=10"),
                *("-rss_limit_mb=2048", "-print_final_stats=1", "-verbosity=0"),
            ]
            done = subprocess.run(
                [sys.executable, __file__, name, *options, str(corpus)], check=False
            )
            if done.returncode:
                sys.exit(f"{name}: failed, see above")
            seconds = time.monotonic() - start
            print(f"{name}: {executions:,} executions in {seconds:.0f} s, no exception", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in CHECKS:
        fuzz(sys.argv[1], sys.argv[2:])
    else:
        every_target(int(sys.argv[1]) if len(sys.argv) > 1 else EXECUTIONS)
