"""Finds regular expressions whose time grows faster than the text that they search.

A pattern is tried on texts made for it: what its own parts match, repeated many times, after
something that its beginning matches and before something that makes it fail. Python's engine goes
back over a text in the ways of the pattern, so a text of this kind takes it the longest. Twice the
text may take about twice the time; four times and more is what is reported.
"""

from __future__ import annotations

import ast
import importlib
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

__all__ = ["ALL_METHODS", "SlowText", "UsedPattern", "patterns_of", "slow_text"]

LENGTH: Final = 1000
"""Characters of the first text; a quadratic pattern makes some millions of steps on it."""

SUSPECT_SECONDS: Final = 0.001
"""A linear pattern takes a tenth of this for :data:`LENGTH` characters."""

SHORT: Final = 22
SHORT_SECONDS: Final = 0.01
"""Of an exponential pattern already a text of this length shows it; a longer one would not end."""

GROWTH: Final = 2.9
"""Least factor by which twice the text takes longer, twice in a row, in a slow pattern."""

MOST_PUMPS: Final = 60

MOST_SUSPECTS: Final = 6
"""This many texts that take long, but no longer than their length explains, are enough."""

MUCH: Final = 0.1
"""Seconds after which nothing more needs to be measured."""

METHODS: Final = {
    "match": "match",
    "fullmatch": "fullmatch",
    **dict.fromkeys(("search", "finditer", "findall", "sub", "subn", "split"), "finditer"),
}
"""The methods of a pattern; all that look at every place take as long as ``finditer``."""

ALL_METHODS: Final = frozenset(METHODS.values())


@dataclass(frozen=True, slots=True)
class UsedPattern:
    """A pattern of the source, and the methods that are called on it."""

    where: str
    pattern: re.Pattern[Any]
    methods: frozenset[str]


@dataclass(frozen=True, slots=True)
class SlowText:
    """A text on which a pattern is slow."""

    method: str
    pump: str  # what is repeated
    before: str
    after: str
    seconds: tuple[float, ...]  # for LENGTH characters, twice and four times as many


def patterns_of(modules: Sequence[str], unimported: Sequence[Path] = ()) -> list[UsedPattern]:
    """Every compiled pattern that modules hold, and every literal pattern in their functions.

    Of files that are not to be imported, only the literal ones.
    """
    loaded = [importlib.import_module(name) for name in modules]
    trees = {
        module.__name__: ast.parse(Path(module.__file__ or "").read_text("utf-8"))
        for module in loaded
    }
    called = {name: _methods(tree) for name, tree in trees.items()}
    found: dict[tuple[Any, int], UsedPattern] = {}
    for module in loaded:
        name = module.__name__
        for variable, value in sorted(vars(module).items()):
            if variable.startswith("__") or isinstance(value, ModuleType):
                continue
            owners = [called[name]] if variable.startswith("_") else list(called.values())
            methods = {each for owner in owners for each in owner.get(variable, ())}
            for pattern in _compiled(value, 3):
                direct = isinstance(value, re.Pattern)
                used = frozenset(methods) if direct and methods else ALL_METHODS
                _add(found, UsedPattern(f"{name}.{variable}", pattern, used))
        for line, method, pattern in _literal(trees[name]):
            if method in METHODS:
                _add(found, UsedPattern(f"{name}, line {line}", pattern, _used(method)))
    for path in unimported:
        tree = ast.parse(path.read_text("utf-8"))
        variables, methods = _variables(tree), _methods(tree)
        for line, method, pattern in _literal(tree):
            used = methods.get(variables.get(line, "")) or _used(method)
            _add(found, UsedPattern(f"{path.stem}, line {line}", pattern, frozenset(used)))
    return list(found.values())


def _variables(tree: ast.Module) -> dict[int, str]:
    """The name that the value of each line is given."""
    found: dict[int, str] = {}
    for node in ast.walk(tree):
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(target, ast.Name):
            found[node.lineno] = target.id
    return found


def _used(method: str) -> frozenset[str]:
    return frozenset({METHODS[method]}) if method in METHODS else ALL_METHODS


def _add(found: dict[tuple[Any, int], UsedPattern], used: UsedPattern) -> None:
    key = used.pattern.pattern, used.pattern.flags
    before = found.get(key)
    if before is not None:
        used = UsedPattern(before.where, before.pattern, before.methods | used.methods)
    found[key] = used


def _methods(tree: ast.Module) -> dict[str, set[str]]:
    """Which methods of a pattern are called on each name of a module."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in METHODS:
            owner = node.value
            name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
            found.setdefault(name, set()).add(METHODS[node.attr])
    return found


def _compiled(value: object, depth: int) -> Iterator[re.Pattern[Any]]:
    """The patterns in a value: itself, in a container, in the fields of an object of ours."""
    if isinstance(value, re.Pattern):
        yield value
    elif not depth:
        return
    elif isinstance(value, dict):
        for each in (*value, *value.values()):
            yield from _compiled(each, depth - 1)
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from _compiled(each, depth - 1)
    elif isinstance(value, type):
        for each in vars(value).values():
            if isinstance(each, re.Pattern | list | tuple | dict):
                yield from _compiled(each, depth - 1)
    elif hasattr(value, "__dataclass_fields__"):
        for field in value.__dataclass_fields__:
            yield from _compiled(getattr(value, field, None), depth - 1)


def _literal(tree: ast.Module) -> Iterator[tuple[int, str, re.Pattern[Any]]]:
    """Patterns that are written out in a call, such as ``re.sub(r"x+", ...)``."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
            and node.func.attr in (*METHODS, "compile")
            and isinstance(node.args[0], ast.Constant)
        ):
            flags = re.VERBOSE if "VERBOSE" in ast.unparse(node) else 0
            yield node.lineno, node.func.attr, re.compile(node.args[0].value, flags)


def slow_text(used: UsedPattern) -> SlowText | None:
    """A text on which the time of a pattern grows faster than the text, or None."""
    samples = _Samples(used.pattern)
    left = MOST_SUSPECTS
    for pump in samples.pumps():
        for before in samples.beginnings():
            for after in ("", "\x00", "\n!"):
                for method in sorted(used.methods):
                    trial = _Trial(used.pattern, method, pump, before, after)
                    if (short := trial.seconds(SHORT)) > SHORT_SECONDS:
                        return SlowText(method, pump, before, after, (short,))
                    if trial.seconds(LENGTH) < SUSPECT_SECONDS:
                        continue
                    times = trial.growth()
                    if times:
                        return SlowText(method, pump, before, after, times)
                    left -= 1
                    if not left:
                        return None
    return None


@dataclass(frozen=True, slots=True)
class _Trial:
    """One way to use a pattern on texts of one kind."""

    pattern: re.Pattern[Any]
    method: str
    pump: str
    before: str
    after: str

    def seconds(self, length: int) -> float:
        """CPU seconds for a text of that length."""
        text: Any = self.before + self.pump * (length // len(self.pump)) + self.after
        if isinstance(self.pattern.pattern, bytes):
            text = text.encode("utf-8", "replace")
        use = getattr(self.pattern, self.method)
        started = time.thread_time()
        if self.method == "finditer":
            for _ in use(text):
                pass
        else:
            use(text)
        return time.thread_time() - started

    def growth(self) -> tuple[float, ...] | None:
        """The times for one, two and four times the text, if each is much longer than the last."""
        times: list[float] = []
        for times_longer in (1, 2, 4):
            times.append(min(self.seconds(LENGTH * times_longer) for _ in range(2)))
            if len(times) > 1 and times[-1] < GROWTH * times[-2]:
                return None
            if times[-1] > MUCH:
                break
        return tuple(times)


class _Samples:
    """Texts that the parts of a pattern match."""

    def __init__(self, pattern: re.Pattern[Any]) -> None:
        source = pattern.pattern
        if isinstance(source, bytes):
            source = source.decode("latin-1")
        parser: Any = importlib.import_module("re._parser")
        self._tree = parser.parse(source, pattern.flags & ~re.UNICODE)
        self._characters = list(dict.fromkeys(self._representatives(self._tree)))

    def beginnings(self) -> list[str]:
        """Nothing, and what the items before the first long repetition match."""
        before = ""
        found = [""]
        for item in self._tree:
            if str(item[0]).endswith("REPEAT") and item[1][1] > 1:
                break
            before += self._one(item)
        if before:
            found.append(before)
        whole = "".join(map(self._one, self._tree))
        return list(dict.fromkeys([*found, whole[:20]]))

    def pumps(self) -> list[str]:
        """What to repeat: single characters, what repeated parts match, the whole match."""
        parts = [self._sequence(body) for body in self._repeated(self._tree)]
        parts += self._openings(self._tree, "")
        parts += [part + other for part in parts[:4] for other in parts[:4]]
        whole = self._sequence(self._tree)
        singles = [*self._characters, *" a0\n"]
        parts += [whole, *singles]
        parts += [one + two for one in singles[:6] for two in singles[:6] if one != two]
        return list(dict.fromkeys(each for each in parts if each))[:MOST_PUMPS]

    def _openings(self, tree: Any, before: str) -> Iterator[str]:
        """What is matched up to each repetition: an opening that may not be closed."""
        for item in tree:
            if str(item[0]).endswith("REPEAT") and item[1][1] > 8:
                yield before
                yield before + self._one(item)
            for inner in _subtrees(*item):
                yield from self._openings(inner, before)
            before += self._one(item)

    def _repeated(self, tree: Any) -> Iterator[Any]:
        for operator, value in tree:
            if str(operator).endswith("REPEAT"):
                if value[1] > 8:
                    yield value[2]
                yield from self._repeated(value[2])
            else:
                for inner in _subtrees(operator, value):
                    yield from self._repeated(inner)

    def _representatives(self, tree: Any) -> Iterator[str]:
        for item in tree:
            operator, value = item
            if str(operator) in {"LITERAL", "NOT_LITERAL", "IN", "ANY", "RANGE", "CATEGORY"}:
                yield self._one(item)
            elif str(operator).endswith("REPEAT"):
                yield from self._representatives(value[2])
            else:
                for inner in _subtrees(operator, value):
                    yield from self._representatives(inner)

    def _sequence(self, tree: Any) -> str:
        return "".join(map(self._one, tree))

    def _one(self, item: Any) -> str:
        """A text that one item matches."""
        operator, value = item
        name = str(operator)
        if name == "LITERAL":
            return chr(value)
        if name == "RANGE":
            return chr(value[0])
        if name in {"ANY", "NOT_LITERAL"}:
            return "x" if value != ord("x") else "y"
        if name == "CATEGORY":
            return {"CATEGORY_DIGIT": "7", "CATEGORY_SPACE": " ", "CATEGORY_WORD": "w"}.get(
                str(value), "x"
            )
        if name == "IN":
            return self._of_class(value)
        if name.endswith("REPEAT"):
            return self._sequence(value[2]) * max(1, min(value[0], 3))
        if name == "BRANCH":
            return self._sequence(value[1][0])
        if name in {"SUBPATTERN", "ATOMIC_GROUP"}:
            return self._sequence(value[-1] if name == "SUBPATTERN" else value)
        if name in {"ASSERT", "ASSERT_NOT"}:
            return ""
        return ""

    def _of_class(self, members: Any) -> str:
        if str(members[0][0]) != "NEGATE":
            return self._one(members[0])
        taken = re.compile("[" + "".join(_class_text(member) for member in members[1:]) + "]")
        return next((each for each in "xa0 -,.!<\n" if not taken.match(each)), "\u00e9")


def _class_text(member: Any) -> str:
    name, value = str(member[0]), member[1]
    if name == "LITERAL":
        return re.escape(chr(value))
    if name == "RANGE":
        return f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}"
    return {
        "CATEGORY_DIGIT": r"\d",
        "CATEGORY_SPACE": r"\s",
        "CATEGORY_WORD": r"\w",
        "CATEGORY_NOT_DIGIT": r"\D",
        "CATEGORY_NOT_SPACE": r"\S",
        "CATEGORY_NOT_WORD": r"\W",
    }[str(value)]


def _subtrees(operator: Any, value: Any) -> Iterator[Any]:
    name = str(operator)
    if name == "SUBPATTERN":
        yield value[-1]
    elif name == "ATOMIC_GROUP":
        yield value
    elif name == "BRANCH":
        yield from value[1]
    elif name in {"ASSERT", "ASSERT_NOT"}:
        yield value[1]
    elif name == "GROUPREF_EXISTS":
        yield from (each for each in value[1:] if each)
