"""Changes the code that security rests on, a little at a time, and counts what the tests kill.

    make mutants                                every module of tools/mutants.toml
    make mutants MODULE="hosts sources/fetch"   some of them

mutmut makes the mutants: it inverts conditions, drops arguments, moves numbers by one, alters texts.
Only the words of error messages are left alone. It changes functions; what stands outside of one
(flags, patterns) and decorated functions have tests that name them instead. `tools/mutant_trials.py`
tries them. Each mutant that survives is printed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path("src/deepseek_ocr_rag")
LISTED = tomllib.loads((ROOT / "tools" / "mutants.toml").read_text(encoding="utf-8"))
MODULES: dict[str, list[str]] = LISTED["modules"]
NAMED = " and ".join(f"not {name}" for name in LISTED["left_out"])
"""Which tests are run, as pytest's ``-k`` takes it."""

WORDS = r"^\s*(?:f?\"|remedy=)"
"""Lines with the words of an error message."""

SETTINGS = """
[tool.mutmut]
source_paths = ["src"]
do_not_mutate_patterns = [{words}]
"""


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


def prepare(folder: Path) -> None:
    """Lays out what is changed and tried: a copy of our sources, our tests, settings of its own."""
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("tests", "conftest.py"):
        (folder / name).symlink_to(ROOT / name)
    shared = ROOT.parent / "shared"
    if shared.is_dir():
        (folder.parent / "shared").symlink_to(shared)
    ours = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    settings = SETTINGS.format(words=json.dumps(WORDS))
    (folder / "pyproject.toml").write_text(ours + settings, encoding="utf-8")


def try_mutants(module: str) -> Result:
    """Makes and tries the mutants of one module."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "tree"
        prepare(folder)
        ours = [folder / "src", *(ROOT / "integrations").iterdir()]
        paths = [*map(str, ours), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        }
        children = os.environ.get("MUTANTS_CHILDREN", str(os.cpu_count() or 1))
        trials = ROOT / "tools" / "mutant_trials.py"
        path = PACKAGE / f"{module}.py"
        command = [sys.executable, trials, path, children, NAMED, *MODULES[module]]
        done = subprocess.run(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=False
        )
        if done.returncode:
            sys.exit(f"{done.stdout}\n{module}: the trials ended with {done.returncode}")
        found = json.loads(done.stdout.splitlines()[-1])
    return Result(module, Counter(found["outcomes"].values()), tuple(found["survivors"]))


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
