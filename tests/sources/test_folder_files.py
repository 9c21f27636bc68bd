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
    SourceNotAllowedError,
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


def test_without_recursion_only_the_folder_itself_is_searched(folder: Path) -> None:
    assert names(folder, recursive=False) == ["a.pdf", "B.PDF", "scan-2.png", "scan-10.png"]


@pytest.mark.parametrize(
    ("match", "found"),
    [
        ("*.pdf", ["2024/may.pdf", "a.pdf", "B.PDF"]),
        ("2024/*", ["2024/deep/er/x.tiff", "2024/may.pdf"]),
        (["a.*", "*.txt"], ["a.pdf", "notes.txt"]),
        ("MAY*", ["2024/may.pdf"]),
    ],
)
def test_a_pattern_says_which(folder: Path, match: object, found: list[str]) -> None:
    assert names(folder, match=match) == found


@pytest.mark.parametrize(
    ("match", "what", "cure"),
    [
        ("*.docx", "that matches *.docx", "Name another pattern."),
        (["*.doc", "*.odt"], "that matches *.doc or *.odt", "Name another pattern."),
        (None, "in it", "Name a folder with PDFs or pictures."),
    ],
)
def test_nothing_found_says_what_to_change(
    tmp_path: Path, match: str | list[str] | None, what: str, cure: str
) -> None:
    with pytest.raises(SourceNotFoundError) as caught:
        documents_in(tmp_path, match=match)
    assert caught.value.problem == f"this folder has no document {what}"
    assert (caught.value.source, caught.value.remedy) == (str(tmp_path), cure)


def test_a_folder_comes_before_one_whose_name_is_longer(folder: Path) -> None:
    (folder / "2024 old").mkdir()
    (folder / "2024 old" / "x.pdf").write_bytes(b"%PDF-1.4")
    assert names(folder)[1:3] == ["2024/may.pdf", "2024 old/x.pdf"]


def test_what_was_found_can_be_opened(folder: Path) -> None:
    for file in documents_in(folder):
        with file.open() as opened:
            assert opened.read() == b"%PDF-1.4"


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


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_a_link_to_a_file_of_the_folder_is_that_file(folder: Path) -> None:
    (folder / "2024" / "notes.pdf").symlink_to("../notes.txt")
    assert "notes.txt" in names(folder)


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


@pytest.mark.parametrize(
    ("name", "problem"),
    [("missing", "there is no such folder"), ("papers/a.pdf", "it is not a folder")],
)
def test_a_folder_that_is_none_is_told_from_one_that_is_missing(
    folder: Path, name: str, problem: str
) -> None:
    with pytest.raises(SourceNotFoundError) as caught:
        documents_in(folder.parent / name)
    assert (caught.value.problem, caught.value.source) == (problem, str(folder.parent / name))


@pytest.mark.parametrize("below", ["", "2024", "2024/deep"])
def test_a_folder_that_may_not_be_read_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, below: str
) -> None:
    entries = folder_walk._entries

    def refused(base: Path, parts: tuple[str, ...]) -> list[tuple[str, os.stat_result]]:
        if "/".join(parts) == below:
            raise PermissionError(13, "Permission denied")
        return entries(base, parts)

    monkeypatch.setattr(folder_walk, "_entries", refused)
    with pytest.raises(SourceNotAllowedError) as caught:
        documents_in(f"{folder}/")
    assert caught.value.problem == "you have no permission to read this folder"
    assert caught.value.source == str(folder / below)


def test_folders_over_a_limit_and_empty_patterns_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for match in ("", " ", []):
        with pytest.raises(ConfigurationError) as caught:
            documents_in(folder, match=match)
        assert str(caught.value) == 'a pattern is empty. Write one like "*.pdf".'
    monkeypatch.setattr(folder_files, "MOST_FILES", 6)
    assert len(documents_in(folder)) == 6
    monkeypatch.setattr(folder_files, "MOST_FILES", 5)
    with pytest.raises(LimitExceededError, match="more than 5 documents") as limit:
        documents_in(folder)
    assert limit.value.source == str(folder)
    monkeypatch.setattr(folder_files, "MOST_FILES", 100)
    monkeypatch.setattr(folder_walk, "MOST_DEPTH", 2)
    with pytest.raises(LimitExceededError, match="folders deeper than") as limit:
        documents_in(folder)
    assert limit.value.source == str(folder)


def test_an_empty_name_is_not_this_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceNotFoundError, match=r"name of the folder is empty.*'\.' is"):
        documents_in("")
    assert [each.path for each in documents_in(".")] == ["a.pdf"]
