"""What the distributions carry: addresses, authors, licences, and READMEs whose links lead somewhere."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from empty_environment import build_wheel, environment_of
from house import ROOT
from packaging.requirements import Requirement
from run_service_lines import service_lines

PROJECTS = {
    "core": ROOT,
    "langchain": ROOT / "integrations" / "langchain",
    "llama_index": ROOT / "integrations" / "llama_index",
}
RELATIVE = re.compile(r"\]\((?!https?://|#|mailto:)[^)]*\)|(?:src|href)=[\"'](?!https?://|#)")


def project(name: str) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((PROJECTS[name] / "pyproject.toml").read_text("utf-8"))
    return found


@pytest.fixture
def hook() -> ModuleType:
    pytest.importorskip("hatchling")
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", PROJECTS)
def test_each_names_its_authors_and_carries_its_licence(name: str) -> None:
    facts = project(name)["project"]
    assert facts["authors"][0]["name"]
    assert facts["license"] == "MIT"
    assert facts["license-files"] == ["LICENSE", "NOTICE"]
    folder = PROJECTS[name]
    assert (folder / "LICENSE").read_text("utf-8") == (ROOT / "LICENSE").read_text("utf-8")


@pytest.mark.parametrize("name", PROJECTS)
def test_each_notice_names_every_dependency(name: str) -> None:
    facts = project(name)["project"]
    wanted = {
        Requirement(text).name.lower()
        for group in (facts["dependencies"], *facts.get("optional-dependencies", {}).values())
        for text in group
    } - ({"deepseek-ocr-rag"} if name == "core" else set())
    said = re.findall(r"[\w.-]+", (PROJECTS[name] / "NOTICE").read_text("utf-8").lower())
    assert wanted - set(said) == set()


@pytest.mark.parametrize("name", ["langchain", "llama_index"])
def test_the_readmes_of_the_integrations_lead_nowhere_relative(name: str) -> None:
    text = (PROJECTS[name] / "README.md").read_text("utf-8")
    assert RELATIVE.findall(re.sub(r"`[^`\n]*`", "", text)) == []
    assert all(url.startswith("https://") for url in project(name)["project"]["urls"].values())


@pytest.mark.parametrize("repository", ["", "https://example.org/rag", "https://example.org/rag/"])
def test_the_readme_of_the_core_leads_somewhere_from_anywhere(
    hook: ModuleType, repository: str
) -> None:
    metadata: dict[str, Any] = {}
    hook.IndexMetadata(str(ROOT), {"repository": repository}).update(metadata)
    shown = metadata["readme"]["text"]
    assert RELATIVE.findall(re.sub(r"`[^`\n]*`", "", shown)) == []
    assert all(url.startswith("https://") for url in metadata["urls"].values())
    links = re.findall(r"\]\((https://example[^)]*)\)", shown)
    assert bool(links) == bool(repository)
    for link in links:
        path = re.sub(r"https://example\.org/rag/(blob|raw)/HEAD/", "", link)
        assert (ROOT / path).exists()


def test_the_three_name_one_repository() -> None:
    repository = project("core")["tool"]["hatch"]["metadata"]["hooks"]["custom"]["repository"]
    for name in ("langchain", "llama_index"):
        assert project(name)["project"]["urls"].get("Repository", "") == repository


def test_no_page_tells_to_install_from_an_index_that_has_no_package_of_ours() -> None:
    own = re.compile(
        r"pip install [^\n`]*(?<![\w/.-])(deepseek-ocr-rag|langchain-deepseek|llama-index-readers)"
    )
    folders = ("docs", "notebooks", "integrations")
    prose = [
        p for name in folders for p in (ROOT / name).rglob("*") if p.suffix in (".md", ".ipynb")
    ]
    told = {
        str(path.relative_to(ROOT))
        for path in [*prose, *ROOT.glob("*.md")]
        if path.name != "CHANGELOG.md" and own.search(path.read_text("utf-8"))
    }
    assert told == set()


# --- the service, from a wheel -----------------------------------------------------------


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with nothing but our wheel and what it declares to need."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("installed")
    return environment_of(build_wheel(ROOT, folder / "dist"), "serve", folder / "env")


def run_alone(command: list[str], programs: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command where only that environment is seen."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command,
        cwd=folder,
        env={
            **kept,
            "PATH": path,
            "OMP_NUM_THREADS": "1",
            "OLLAMA_HOST": os.environ["OLLAMA_HOST"],
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


@pytest.mark.slow
def test_an_installed_service_needs_no_package_that_it_does_not_declare(
    installed: Path, tmp_path: Path
) -> None:
    code = "import deepseek_ocr_rag.service.api.app as app; print(app.__file__)"
    ran = run_alone([str(installed / "python"), "-c", code], installed, tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert str(installed.parent) in ran.stdout


def test_both_readmes_have_the_same_lines_for_the_service() -> None:
    english, chinese = (
        [line.partition(" #")[0].strip() for line in service_lines(ROOT / name)]
        for name in ("README.md", "README.zh-CN.md")
    )
    assert english == chinese


@pytest.mark.slow
def test_an_installed_service_answers_the_lines_of_the_readme(
    installed: Path, tmp_path: Path, sample_pdf: Path
) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    shutil.copyfile(sample_pdf, tmp_path / "report.pdf")
    script = ROOT / "tests" / "support" / "run_service_lines.py"
    ran = run_alone([sys.executable, str(script), str(ROOT / "README.md")], installed, tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "emitter" in ran.stdout
