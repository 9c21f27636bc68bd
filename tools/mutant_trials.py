"""Makes the mutants of one module and tries them: a forked process for each, of one that has all tests ready.

`tools/mutants.py` starts it in a folder of its own, with the module, the number of processes, pytest's
expression for the names of tests and the test files, and reads the last line that it prints: JSON, see :class:`Trials`.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import sys
import time
from contextlib import suppress
from difflib import unified_diff
from pathlib import Path

import pytest
from mutmut.mutation import trampoline
from mutmut.mutation.file_mutation import MutatedFile, mutate_file_contents
from mutmut.utils.format_utils import mangled_name_from_mutant_name

SURVIVED, KILLED, BROKEN = 0, 1, 2

OUTCOMES = {SURVIVED: "survived", -signal.SIGALRM: "timeout"}
"""What a trial's end means; all else that ends it is a mutant that was noticed."""

SELECTED = "not slow and not gpu and not llm and not hypothesis"
"""Tests with random inputs are left out: what they find today they may not find tomorrow."""

LEAST_SECONDS = 20.0
"""A mutant with which a test takes longer than this, and 20 times as long as without it, does not end."""


class Trials:
    """A pytest plugin that runs the collected tests once without a mutant, then with each of them.

    Attributes:
        outcomes: For each mutant "killed" (a test failed), "timeout" (they did not end) or "survived".
    """

    def __init__(self, module: str, mutants: list[str], children: int) -> None:
        self.module = module
        self.mutants = mutants
        self.children = children
        self.outcomes: dict[str, str] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Leaves out what saves time only for those who run many tests in one process."""
        for item in session.items:
            if isinstance(item, pytest.Function) and "rendering_processes" in item.fixturenames:
                item.fixturenames.remove("rendering_processes")

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Takes the place of pytest's own loop."""
        callers, seconds = self._without_a_mutant(session)
        todo = [*self.mutants]
        running: dict[int, str] = {}
        while todo or running:
            while todo and len(running) < self.children:
                name = todo.pop(0)
                function = f"{self.module}.{mangled_name_from_mutant_name(name)}"
                # A function that only processes of ours call is tried with every test.
                items = [
                    item for item in session.items if item.nodeid in callers.get(function, seconds)
                ]
                items.sort(key=lambda item: seconds[item.nodeid])
                limits = [max(LEAST_SECONDS, 20 * seconds[item.nodeid]) for item in items]
                running[self._start(session, name, items, limits)] = name
            for pid, name in [*running.items()]:
                ended, status = os.waitpid(pid, os.WNOHANG)
                if not ended:
                    continue
                code = os.waitstatus_to_exitcode(status)
                _end(pid)
                del running[pid]
                outcome = self.outcomes[name] = OUTCOMES.get(code, "killed")
                print(
                    f"{len(self.outcomes)}/{len(self.mutants)} {name}: {outcome}", file=sys.stderr
                )
            time.sleep(0.005)
        return True

    def _without_a_mutant(
        self, session: pytest.Session
    ) -> tuple[dict[str, list[str]], dict[str, float]]:
        """Which tests call which function, and how long each takes; ends if one fails."""
        notes = Path("calls.json")
        pid = os.fork()
        if pid == 0:
            _leave_the_parent()
            callers: dict[str, list[str]] = {}
            seconds: dict[str, float] = {}
            called: set[str] = set()
            trampoline.record_trampoline_hit = lambda name, caller=None: called.add(name)
            trampoline.set_mutant_under_test("stats")
            del os.environ["MUTANT_UNDER_TEST"]  # not in the processes that tests start
            code = SURVIVED
            for item in session.items:
                start = time.monotonic()
                code = code or _failed(session, [item], [0.0])
                seconds[item.nodeid] = time.monotonic() - start
                for name in called:
                    callers.setdefault(name, []).append(item.nodeid)
                called.clear()
            found = [callers, seconds, [*sys.modules]]
            notes.write_text(json.dumps(found), encoding="utf-8")
            _leave(code)
        _, status = os.waitpid(pid, 0)
        _end(pid)
        if os.waitstatus_to_exitcode(status) != SURVIVED:
            pytest.exit("a test fails without a mutant", BROKEN)
        callers, seconds, modules = json.loads(notes.read_text(encoding="utf-8"))
        # What the tests import late is imported once, not in each trial.
        for name in modules:
            with suppress(Exception):
                importlib.import_module(name)
        gc.freeze()
        return callers, seconds

    def _start(
        self, session: pytest.Session, name: str, items: list[pytest.Item], limits: list[float]
    ) -> int:
        pid = os.fork()
        if pid == 0:
            _leave_the_parent()
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            trampoline.set_mutant_under_test(f"{self.module}.{name}")
            _leave(_failed(session, items, limits))
        return pid


def _failed(session: pytest.Session, items: list[pytest.Item], limits: list[float]) -> int:
    """Runs tests up to the first that fails; SIGALRM ends us if one takes longer than its limit."""
    for item, after, limit in zip(items, [*items[1:], None], limits, strict=True):
        signal.setitimer(signal.ITIMER_REAL, limit)  # zero is no limit
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
        if session.testsfailed:
            return KILLED
    return SURVIVED


def _leave_the_parent() -> None:
    """Begins a trial: a group of processes and a folder for temporary files of its own."""
    os.setsid()
    folder = Path(f"temporary-{os.getpid()}")
    folder.mkdir()
    os.environ["PYTEST_DEBUG_TEMPROOT"] = str(folder.resolve())


def _leave(code: int) -> None:
    sys.stdout.flush()
    os._exit(code)


def _end(pid: int) -> None:
    """Ends the processes that a trial started."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _change(mutated: MutatedFile, name: str) -> str:
    """What a mutant does, as a diff."""
    lines = mutated.code.splitlines()
    original = f"{mangled_name_from_mutant_name(name)}__mutmut_orig"
    spans = (mutated.line_span_by_function_name[each] for each in (original, name))
    before, after = (lines[span.start : span.end] for span in spans)
    return "\n".join(unified_diff(before, after, n=1, lineterm=""))


def main(path: str, children: str, named: str, *tests: str) -> None:
    """Changes the file, tries each change, and prints the outcomes and the changes that survived."""
    source = Path(path)
    mutated = mutate_file_contents(path, source.read_text(encoding="utf-8"))
    source.write_text(mutated.code, encoding="utf-8")
    module = ".".join(source.with_suffix("").parts[1:])
    trials = Trials(module, [*mutated.mutant_names], int(children))
    options = ["-q", "-p", "no:cacheprovider", "--tb=native", "--assert=plain"]
    options += ["-m", SELECTED, "-k", named]
    code = pytest.main([*options, *tests], plugins=[trials])
    if len(trials.outcomes) != len(trials.mutants):
        sys.exit(f"{path}: pytest ended with {code}")
    shown = [
        f"# {name}\n{_change(mutated, name)}"
        for name, outcome in trials.outcomes.items()
        if outcome == "survived"
    ]
    print(json.dumps({"outcomes": trials.outcomes, "survivors": shown}))


if __name__ == "__main__":
    main(*sys.argv[1:])
