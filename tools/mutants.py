"""Changes the code that security rests on, a little at a time, and counts what the tests kill.

    make mutants                                every module of tools/mutants.toml
    make mutants MODULE="hosts sources/fetch"   some of them

mutmut makes the mutants: it inverts conditions, drops arguments, moves numbers by one, alters texts.
Only the words of error messages are left alone. It changes functions; what stands outside of one
(flags, patterns) and decorated functions have tests that name them instead. Each mutant that
survives is printed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path("src/deepseek_ocr_rag")
MODULES: dict[str, list[str]] = tomllib.loads(
    (ROOT / "tools" / "mutants.toml").read_text(encoding="utf-8")
)["modules"]

# As mutmut/stats.py of mutmut 3.8 reads the exit codes of its children.
KILLED = {1: "killed", 3: "killed", 24: "timeout", -24: "timeout", 36: "timeout", 152: "timeout"}
CRASHED = {-9: "timeout", -11: "killed", 255: "timeout"}

WORDS = r"^\s*(?:f?\"|remedy=)"
"""Lines with the words of an error message."""

SETTINGS = """
[tool.mutmut]
source_paths = ["src"]
only_mutate = [{module}]
do_not_mutate_patterns = [{words}]
also_copy = ["conftest.py", "tests"]
pytest_add_cli_args = ["-p", "no:cacheprovider", "-m", "not slow and not gpu and not llm"]
pytest_add_cli_args_test_selection = {tests}
timeout_multiplier = 10.0
use_git_change_detection = false
process_isolation = "forkserver"
"""
"""The fork server, since mutmut takes other children than its own, our reading processes, for its own."""


@dataclass(frozen=True)
class Result:
    """What became of the mutants of one module."""

    module: str
    outcomes: Counter[str]
    survivors: tuple[str, ...]

    @property
    def mutants(self) -> int:
        """How many there were."""
        return self.outcomes.total()

    @property
    def killed(self) -> float:
        """The part of them with which a test failed, or did not end."""
        killed = self.outcomes["killed"] + self.outcomes["timeout"]
        return killed / self.mutants if self.mutants else 1.0


def prepare(folder: Path, module: str) -> None:
    """Lays out what mutmut works on: our sources and tests, and settings of its own."""
    for name in ("src", "tests", "conftest.py"):
        (folder / name).symlink_to(ROOT / name)
    shared = ROOT.parent / "shared"
    if shared.is_dir():
        (folder / "shared").symlink_to(shared)
    settings = SETTINGS.format(
        module=json.dumps(str(PACKAGE / f"{module}.py")),
        words=json.dumps(WORDS),
        tests=json.dumps(MODULES[module]),
    )
    ours = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (folder / "pyproject.toml").write_text(ours + settings, encoding="utf-8")


def try_mutants(module: str) -> Result:
    """Runs mutmut over one module."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, module)
        environment = {**os.environ, "CI": "true", "OMP_NUM_THREADS": "1"}

        def mutmut(*words: str, output: int | None) -> str:
            command = [sys.executable, "-m", "mutmut", *words]
            done = subprocess.run(
                command, cwd=folder, env=environment, stdout=output, text=True, check=False
            )
            if done.returncode:
                sys.exit(f"{module}: mutmut ended with {done.returncode}")
            return done.stdout or ""

        children = os.environ.get("MUTANTS_CHILDREN", str(os.cpu_count() or 1))
        mutmut("run", "--max-children", children, output=None)
        notes = folder / "mutants" / PACKAGE / f"{module}.py.meta"
        codes: dict[str, int] = json.loads(notes.read_text(encoding="utf-8"))["exit_code_by_key"]
        outcomes = {key: (KILLED | CRASHED).get(code, "survived") for key, code in codes.items()}
        alive = [key for key, outcome in outcomes.items() if outcome == "survived"]
        shown = tuple(mutmut("show", key, output=subprocess.PIPE) for key in alive)
    return Result(module, Counter(outcomes.values()), shown)


def main(names: list[str]) -> None:
    """Tries the modules that are named, or all, and prints a table."""
    unknown = [name for name in names if name not in MODULES]
    if unknown:
        sys.exit(f"not in tools/mutants.toml: {', '.join(unknown)}. It has: {', '.join(MODULES)}")
    results = []
    for module in names or MODULES:
        results.append(result := try_mutants(module))
        print(*result.survivors, sep="\n", flush=True)
    print("| module | mutants | killed |\n|---|---|---|")
    for each in results:
        print(f"| `{each.module}` | {each.mutants} | {each.killed:.0%} |")


if __name__ == "__main__":
    main(sys.argv[1:])
