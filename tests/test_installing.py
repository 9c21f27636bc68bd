"""The pip command of a message works as it stands, wherever the package came from."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from house import ROOT, SRC

from deepseek_ocr_rag import installing
from deepseek_ocr_rag.installing import install_command


@pytest.fixture(autouse=True)
def fresh() -> None:
    installing._checkout.cache_clear()
    installing._address.cache_clear()


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The package as pip puts it into an environment: nothing of a checkout around it."""
    monkeypatch.setattr(installing, "__file__", str(tmp_path / "a" / "b" / "installing.py"))


def came_from(monkeypatch: pytest.MonkeyPatch, told: object) -> None:
    class Distribution:
        def read_text(self, name: str) -> str | None:
            assert name == "direct_url.json"
            return None if told is None else json.dumps(told)

    monkeypatch.setattr(installing.metadata, "distribution", lambda _: Distribution())


def test_in_a_checkout_the_checkout_is_installed() -> None:
    words = shlex.split(install_command("local"))
    assert words == ["pip", "install", "-e", f"{ROOT}[local]"]
    langchain = shlex.split(install_command(package="langchain-deepseek-ocr"))[-1]
    assert (Path(langchain) / "pyproject.toml").is_file()


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("told", "command"),
    [
        (None, 'pip install "deepseek-ocr-rag[local]"'),
        (
            {"url": "file:///home/me/rag", "dir_info": {}},
            'pip install "deepseek-ocr-rag[local] @ file:///home/me/rag"',
        ),
        (
            {"url": "https://example.org/rag.git", "vcs_info": {"vcs": "git", "commit_id": "ab12"}},
            'pip install "deepseek-ocr-rag[local] @ git+https://example.org/rag.git@ab12"',
        ),
        (["not", "an", "object"], 'pip install "deepseek-ocr-rag[local]"'),
    ],
)
def test_an_installed_package_is_installed_from_where_it_came(
    told: object, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    came_from(monkeypatch, told)
    assert install_command("local") == command


@pytest.mark.usefixtures("installed")
def test_the_integrations_lie_in_the_same_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    repository = {"url": "https://x.org/r.git", "vcs_info": {"vcs": "git", "commit_id": "ab"}}
    came_from(monkeypatch, repository)
    assert install_command(package="langchain-deepseek-ocr").endswith(
        '@ git+https://x.org/r.git@ab#subdirectory=integrations/langchain"'
    )


def test_a_path_with_any_characters_is_one_word(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path('/home/a "b" $c/d e')
    monkeypatch.setattr(installing, "_checkout", lambda: folder)
    assert shlex.split(install_command("local"))[-1] == f"{folder}[local]"


def test_no_message_names_the_package_on_an_index_by_itself() -> None:
    """What users are told to install goes through the one function."""
    own = re.compile(r"pip install [^\n]*(deepseek-ocr|llama-index-readers)")
    wrong = [
        p for p in SRC.rglob("*.py") if p.name != "installing.py" and own.search(p.read_text())
    ]
    assert wrong == []
