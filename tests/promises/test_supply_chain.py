"""Dependencies are installed by hash, in tested versions, and each was reviewed."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT / "requirements"
UNLOCKED = {"torch", "deepseek-ocr-rag"}
"""Our own packages, and torch, whose build depends on the machine."""

PINNED = re.compile(
    r"([A-Za-z0-9._-]+)==([^ ;\\]+)(?: ; ([^\\]+?))? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)"
)


def project(folder: str) -> dict:
    return tomllib.loads((ROOT / folder / "pyproject.toml").read_text(encoding="utf-8"))


PROJECTS = {
    folder: project(folder)
    for folder in (".", "integrations/langchain", "integrations/llama_index")
}


def pinned(name: str) -> dict[str, list[Version]]:
    """The versions in a lock file by package; several where markers choose."""
    text = (LOCKS / name).read_text(encoding="utf-8")
    found: dict[str, list[Version]] = {}
    for match in PINNED.finditer(text):
        found.setdefault(canonicalize_name(match[1]), []).append(Version(match[2]))
    # Every line that names a package has hashes, so none was missed.
    named = re.findall(r"^[A-Za-z0-9]", text, re.MULTILINE)
    assert len(named) == sum(map(len, found.values()))
    return found


def wanted(*groups: str) -> list[Requirement]:
    lines = [line for each in PROJECTS.values() for line in each["project"]["dependencies"]]
    for group in groups:
        lines += PROJECTS["."]["dependency-groups"][group]
    requirements = [Requirement(line) for line in lines]
    return [r for r in requirements if canonicalize_name(r.name) not in UNLOCKED]


@pytest.mark.parametrize(
    ("lock", "groups"),
    [
        ("dev.txt", ("dev", "docs", "lock")),
        ("minimum.txt", ("minimum",)),
        ("lock.txt", ()),
        ("models.txt", ()),
    ],
)
def test_every_requirement_is_locked_to_a_version_that_it_allows(
    lock: str, groups: tuple[str, ...]
) -> None:
    """Run ``make lock`` after a change of a requirement."""
    have = pinned(lock)
    assert have
    wrong = {
        str(requirement): have.get(canonicalize_name(requirement.name))
        for requirement in (wanted(*groups) if groups else [])
        if not any(
            requirement.specifier.contains(version, prereleases=True)
            for version in have.get(canonicalize_name(requirement.name), [])
        )
    }
    assert wrong == {}


def test_the_oldest_versions_are_the_lower_bounds_that_we_promise() -> None:
    have = pinned("minimum.txt")
    higher = {}
    for requirement in wanted():
        bounds = [Version(s.version) for s in requirement.specifier if s.operator == ">="]
        assert bounds, f"{requirement} has no lower bound"
        locked = min(have[canonicalize_name(requirement.name)])
        if locked != max(bounds):
            higher[requirement.name] = str(locked)
    # For these, a framework that we integrate with requires a newer version than we do.
    assert set(higher) <= {"pydantic", "tqdm"}


def test_no_lock_file_names_a_path_of_the_machine_that_wrote_it() -> None:
    for path in LOCKS.glob("*.txt"):
        text = path.read_text(encoding="utf-8")
        assert (
            re.findall(r"https?://|file:|--index-url|--find-links|--extra-index|(?:^| )/\w", text)
            == []
        )


def test_every_run_time_dependency_is_reviewed() -> None:
    review = (ROOT / "SECURITY.md").read_text(encoding="utf-8").partition("## Dependencies")[2]
    missing = [
        name
        for each in PROJECTS.values()
        for name in (
            Requirement(line).name
            for line in [
                *each["project"]["dependencies"],
                *(d for e in each["project"].get("optional-dependencies", {}).values() for d in e),
            ]
        )
        if canonicalize_name(name) != "deepseek-ocr-rag" and f"`{name}`" not in review
    ]
    assert missing == []


UNSAFE = re.compile(
    r"-U|--upgrade(?:-package|-strategy)?|--pre|--prerelease|--reinstall|--force-reinstall"
    r"|--no-require-hashes|--no-verify-hashes|--trusted-host|--allow-insecure-host|-i|--index-url"
    r"|--index|--default-index|--extra-index-url|-f|--find-links"
)
"""Options with which an installation takes something else than what is locked."""


AS_PIP_FINDS_IT = (
    'UV_FIND_LINKS="$${PIP_FIND_LINKS:-$$($(PIP) config get global.find-links 2>/dev/null)}" \\\n'
    "\t\t$(UV) pip install -q --python $(BIN)/python --group dev --group docs\n"
)
"""The last installation, when torch alone is missing: uv takes it from where pip would."""


def installations(makefile: str) -> list[list[str]]:
    """The words of each command of a Makefile that installs, its variables filled in."""
    text = makefile.replace("\\\n", " ")
    variables = dict(re.findall(r"^(\w+) *[:?]?= *(.*)$", text, re.MULTILINE))
    for _ in range(4):  # a variable may use others
        for name, value in variables.items():
            text = text.replace(f"$({name})", value)
    return [
        line.split()
        for line in text.splitlines()
        if line.startswith("\t") and re.search(r"\bpip\b.*\binstall\b", line)
    ]


def wrong_installations(makefile: str) -> list[str]:
    """Commands that would install what nobody locked or reviewed."""
    return [
        " ".join(words)
        for words in installations(makefile)
        if any(UNSAFE.fullmatch(word.partition("=")[0]) for word in words)
        or (
            {"-r", "--requirement", "--requirements"} & set(words)
            and not {"--require-hashes", "--no-deps"} <= set(words)
        )
    ]


def test_what_a_lock_file_names_is_installed_by_its_hash_and_never_upgraded() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert wrong_installations(makefile) == []
    locked = {
        word for words in installations(makefile) for word in words if "requirements/" in word
    }
    assert locked == {f"requirements/{path.name}" for path in LOCKS.glob("*.txt")} - {
        "requirements/without.txt"
    }
    gate = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for text in (makefile.replace(AS_PIP_FINDS_IT, "", 1), gate):
        # Settings of pip and uv, and "make lock" with UPGRADE, would do the same from outside.
        assert re.findall(r"\b(?:PIP|UV)_[A-Z]|\bUPGRADE *[:?+]?=(?!-U:)", text) == []
    assert "install" not in gate


@pytest.mark.parametrize(
    ("written", "changed"),
    [
        ("install --require-hashes --no-deps -r", "install --no-deps -r"),
        ("--require-hashes --no-deps \\\n\t\t-r requirements/dev", "--no-deps -r requirements/dev"),
        ("--require-hashes --no-deps \\\n\t\t-r requirements/min", "--require-hashes -r requirements/min"),
        ("install --require-hashes", "install --upgrade --require-hashes"),
        ("python --group dev --group docs", "python -U --group dev --group docs"),
        ("PIP := $(BIN)/python -m pip", "PIP := $(BIN)/python -m pip --index-url=http://other"),
    ],
)  # fmt: skip
def test_the_gate_finds_an_installation_that_is_not_locked(written: str, changed: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert written in makefile
    assert wrong_installations(makefile.replace(written, changed)) != []


def test_the_gate_installs_from_the_lock_files() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    development = makefile.partition("$(VENV)/.dev:")[2].partition("\n\n")[0]
    assert "--require-hashes --no-deps" in development
    assert "requirements/dev.txt" in development
    gate = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert re.search(r"^make .*\bminimum\b", gate, re.MULTILINE)
