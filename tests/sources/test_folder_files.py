"""Documents in a folder: which, in which order, and that a planted link shows nothing else."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from deepseek_ocr_rag.agents.folder_listing import documents_below
from deepseek_ocr_rag.errors import (
    ConfigurationError,
    LimitExceededError,
    SourceError,
    SourceNotFoundError,
)
from deepseek_ocr_rag.sources import documents_in, folder_files, folder_walk


def names(folder: Path, **options: object) -> list[str]:
    return [each.path for each in documents_in(folder, **options)]  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "papers"
    for path in (
        *("scan-10.png", "scan-2.png", "B.PDF", "a.pdf", "notes.txt", ".hidden.pdf"),
        *("2024/may.pdf", "2024/deep/er/x.tiff", ".git/y.pdf"),
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"%PDF-1.4")
    return root


def test_pdfs_and_pictures_come_in_order_from_all_folders(folder: Path) -> None:
    assert names(folder) == [
        "2024/deep/er/x.tiff",
        "2024/may.pdf",
        "a.pdf",
        "B.PDF",
        "scan-2.png",
        "scan-10.png",
    ]


def test_only_the_folder_itself(folder: Path) -> None:
    assert names(folder, recursive=False) == ["a.pdf", "B.PDF", "scan-2.png", "scan-10.png"]


@pytest.mark.parametrize(
    ("match", "found"),
    [
        ("*.pdf", ["2024/may.pdf", "a.pdf", "B.PDF"]),
        ("2024/*", ["2024/deep/er/x.tiff", "2024/may.pdf"]),
        (["a.*", "*.txt"], ["a.pdf", "notes.txt"]),
    ],
)
def test_a_pattern_says_which(folder: Path, match: object, found: list[str]) -> None:
    assert names(folder, match=match) == found


@pytest.mark.parametrize(
    ("match", "cure"),
    [("*.docx", "Name another pattern."), (None, "Name a folder with PDFs or pictures.")],
)
def test_nothing_found_says_what_to_change(tmp_path: Path, match: str | None, cure: str) -> None:
    with pytest.raises(SourceNotFoundError) as caught:
        documents_in(tmp_path, match=match)
    assert caught.value.remedy == cure


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_links_lead_nowhere_else(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "s.pdf").write_bytes(b"%PDF-1.4")
    (folder / "out").symlink_to(secret)
    (folder / "loop").symlink_to(folder)
    (folder / "s.pdf").symlink_to(secret / "s.pdf")
    (folder / "near.pdf").symlink_to("a.pdf")
    (folder / "dangling.pdf").symlink_to("nothing.pdf")
    found = names(folder, match="*.pdf")
    assert found == ["2024/may.pdf", "a.pdf", "B.PDF"]
    os.mkfifo(folder / "pipe.pdf")
    assert "pipe.pdf" not in names(folder)


def listed_for_agents(folder: Path) -> list[str]:
    return [each.path for each in documents_below(folder).files]


@pytest.mark.skipif(os.name != "posix", reason="links")
@pytest.mark.parametrize("listing", [names, listed_for_agents])
def test_a_folder_that_becomes_a_link_is_not_entered(
    listing: Callable[[Path], list[str]],
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "s.pdf").write_bytes(b"%PDF-1.4")
    entries = folder_walk._entries

    def swapped(base: Path, parts: tuple[str, ...]) -> list[tuple[str, os.stat_result]]:
        found = entries(base, parts)
        if not parts:
            (folder / "2024").rename(tmp_path / "away")
            (folder / "2024").symlink_to(secret)
        return found

    monkeypatch.setattr(folder_walk, "_entries", swapped)
    assert listing(folder) == ["a.pdf", "B.PDF", "scan-2.png", "scan-10.png"]


@pytest.mark.skipif(os.name != "posix", reason="folders deeper than paths are long")
def test_folders_without_end_are_told(tmp_path: Path) -> None:
    """``os.fwalk`` raises RecursionError where there are a thousand."""
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.4")
    folder = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("d", dir_fd=folder)
        below = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(folder)
    try:
        found = documents_below(tmp_path)
        assert ([each.path for each in found.files], found.complete) == (["a.pdf"], False)
        with pytest.raises(LimitExceededError, match="deeper than 64"):
            documents_in(tmp_path)
    finally:
        subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read every folder")
def test_a_listing_for_agents_leaves_out_what_may_not_be_read(folder: Path) -> None:
    (folder / "2024").chmod(0)
    try:
        assert listed_for_agents(folder) == ["a.pdf", "B.PDF", "scan-2.png", "scan-10.png"]
    finally:
        (folder / "2024").chmod(0o700)


@pytest.mark.parametrize("name", ["missing", "papers/a.pdf", "papers/2024/deep"])
def test_what_is_no_folder_of_documents_is_told(folder: Path, name: str) -> None:
    with pytest.raises(SourceError, match=r"folder|document") as caught:
        documents_in(folder.parent / name, recursive=False)
    assert caught.value.source == str(folder.parent / name)


def test_limits_and_empty_patterns(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for match in ("", " ", []):
        with pytest.raises(ConfigurationError, match="pattern"):
            documents_in(folder, match=match)
    monkeypatch.setattr(folder_files, "MOST_FILES", 2)
    with pytest.raises(LimitExceededError, match="more than 2"):
        documents_in(folder)
    monkeypatch.setattr(folder_files, "MOST_FILES", 100)
    monkeypatch.setattr(folder_walk, "MOST_DEPTH", 2)
    with pytest.raises(LimitExceededError, match="folders deeper than"):
        documents_in(folder)
