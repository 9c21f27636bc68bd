"""resolve_inside: a path from a language model is a request, not a fact."""

from __future__ import annotations

import os
from pathlib import Path, PureWindowsPath
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepseek_ocr_rag import DeepSeekOCRError, Limits, open_source
from deepseek_ocr_rag.errors import LimitExceededError, SourceNotAllowedError, SourceNotFoundError
from deepseek_ocr_rag.sources import folder_walk, path_walk
from deepseek_ocr_rag.sources.allowed_paths import FileInside, resolve_inside


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An allowed folder with two files, and a secret beside it."""
    folder = tmp_path / "papers"
    (folder / "2024").mkdir(parents=True)
    (folder / "report.pdf").write_bytes(b"%PDF")
    (folder / "2024" / "über uns.pdf").write_bytes(b"%PDF")
    (tmp_path / "secret.pdf").write_bytes(b"%PDF")
    (tmp_path / "papers-private").mkdir()
    (tmp_path / "papers-private" / "x.pdf").write_bytes(b"%PDF")
    return folder


@pytest.mark.parametrize(
    "path",
    ["report.pdf", "./report.pdf", "2024//über uns.pdf", "2024/./über uns.pdf", Path("report.pdf")],
)
def test_a_relative_path_to_a_file_inside_is_found(root: Path, path: str | Path) -> None:
    assert resolve_inside(root, path) == (root / path).resolve()


def test_an_absolute_path_that_stays_inside_is_taken(root: Path) -> None:
    assert resolve_inside(root, str(root / "report.pdf")) == (root / "report.pdf").resolve()


def test_the_allowed_folder_may_itself_be_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    assert resolve_inside(tmp_path / "link", "report.pdf") == (root / "report.pdf").resolve()


@pytest.mark.parametrize(
    "path",
    [
        "",
        "   ",
        "../secret.pdf",
        "2024/../report.pdf",
        "2024/../../secret.pdf",
        "..",
        "~/secret.pdf",
        "~root/secret.pdf",
        "report.pdf\x00.png",
        "report\n.pdf",
        r"..\secret.pdf",
        r"2024\report.pdf",
        r"C:\secret.pdf",
        "C:secret.pdf",
        "C:/secret.pdf",
        r"\\server\share\secret.pdf",
        "http://example.com/a.pdf",
        "file:///etc/passwd",
        "/etc/passwd",
        "/",
        "//etc/passwd",
        "a" * 5000,
        "\ud800.pdf",
    ],
)
def test_a_refused_path_is_not_allowed_and_the_message_says_what_to_do(
    root: Path, path: str
) -> None:
    with pytest.raises(SourceNotAllowedError) as caught:
        resolve_inside(root, path)
    assert caught.value.remedy
    assert str(root) not in str(caught.value)
    assert "\x00" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("path", "problem", "shown"),
    [
        ("", "the path is empty", None),
        ("  ", "the path is empty", "  "),
        ("report\n.pdf", "the path has a control character", "report?.pdf"),
        ("http://example.com/a.pdf", "URLs are not read", "http://example.com/a.pdf"),
        ("~/secret.pdf", "'~' is not expanded", "~/secret.pdf"),
        ("2024\\report.pdf", "the path has a backslash or a drive letter", "2024\\report.pdf"),
        ("C:secret.pdf", "the path has a backslash or a drive letter", "C:secret.pdf"),
        ("2024/../report.pdf", "the path has '..'", "2024/../report.pdf"),
        ("2024/.. ./report.pdf", "the path has '..'", "2024/.. ./report.pdf"),
        ("NUL", "the path has the name of a device or of a stream", "NUL"),
        ("2024/com1.pdf", "the path has the name of a device or of a stream", "2024/com1.pdf"),
        (
            "report.pdf:hidden",
            "the path has the name of a device or of a stream",
            "report.pdf:hidden",
        ),
        ("a" * 5000, "the path cannot be followed (OSError)", "a" * 200),
        ("/etc/passwd", "the path leads out of the allowed folder", "/etc/passwd"),
    ],
)
def test_a_refusal_says_why_and_names_the_path_as_it_was_given(
    root: Path, path: str, problem: str, shown: str | None
) -> None:
    with pytest.raises(SourceNotAllowedError) as caught:
        resolve_inside(root, path)
    assert (caught.value.problem, caught.value.source) == (problem, shown)


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("missing.pdf", "there is no such file"),
        ("report.pdf/x", "there is no such file"),
        ("2024", "this is a folder or not a regular file"),
    ],
)
def test_what_is_not_found_is_named(root: Path, path: str, problem: str) -> None:
    with pytest.raises(SourceNotFoundError) as caught:
        resolve_inside(root, path)
    assert (caught.value.problem, caught.value.source) == (problem, path)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_named(root: Path) -> None:
    (root / "report.pdf").chmod(0)
    with pytest.raises(SourceNotAllowedError, match="you have no permission") as caught:
        resolve_inside(root, "report.pdf")
    assert caught.value.source == "report.pdf"


@pytest.mark.parametrize("name", [".hidden", "..x", "a..b", "X", "nullable.pdf"])
def test_a_name_that_only_looks_like_a_refused_one_is_taken(root: Path, name: str) -> None:
    (root / name).write_bytes(b"%PDF")
    assert resolve_inside(root, name) == (root / name).resolve()


def test_a_path_of_windows_is_taken_with_its_slashes_turned(root: Path) -> None:
    path = PureWindowsPath("2024", "über uns.pdf")
    assert resolve_inside(root, path) == (root / "2024" / "über uns.pdf").resolve()


@pytest.mark.parametrize("through", ["papers", "link"])
def test_a_message_hides_the_folder_by_each_of_its_names(
    root: Path, tmp_path: Path, through: str
) -> None:
    (tmp_path / "link").symlink_to(root)
    with pytest.raises(SourceNotAllowedError) as caught:
        resolve_inside(tmp_path / "link", f"{tmp_path / through}/../secret.pdf")
    assert caught.value.source == "./../secret.pdf"


def test_below_the_root_of_all_folders_a_message_keeps_the_slashes() -> None:
    with pytest.raises(SourceNotAllowedError) as caught:
        resolve_inside("/", "etc/../passwd")
    assert caught.value.source == "etc/../passwd"


def test_a_folder_that_is_a_loop_of_links_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(SourceNotAllowedError, match=r"'\.\.'"):
        resolve_inside(tmp_path / "a", "../secret.pdf")


def test_a_neighbour_whose_name_begins_like_the_folder_is_outside(root: Path) -> None:
    with pytest.raises(SourceNotAllowedError, match="leads out"):
        resolve_inside(root, str(root.parent / "papers-private" / "x.pdf"))


@pytest.mark.parametrize("target", ["../secret.pdf", "/etc/passwd"])
def test_a_link_to_a_file_outside_is_not_allowed(root: Path, target: str) -> None:
    (root / "link.pdf").symlink_to(target)
    with pytest.raises(SourceNotAllowedError, match="leads out"):
        resolve_inside(root, "link.pdf")


def test_a_linked_folder_outside_is_not_allowed(root: Path) -> None:
    (root / "more").symlink_to(root.parent / "papers-private")
    with pytest.raises(SourceNotAllowedError, match="leads out"):
        resolve_inside(root, "more/x.pdf")


def test_a_link_that_stays_inside_is_followed(root: Path) -> None:
    (root / "latest.pdf").symlink_to("report.pdf")
    assert resolve_inside(root, "latest.pdf") == (root / "report.pdf").resolve()


def test_a_loop_of_links_is_a_typed_error(root: Path) -> None:
    (root / "a.pdf").symlink_to("b.pdf")
    (root / "b.pdf").symlink_to("a.pdf")
    with pytest.raises((SourceNotAllowedError, SourceNotFoundError)):
        resolve_inside(root, "a.pdf")


@pytest.mark.parametrize("path", ["missing.pdf", "2024", ".", "report.pdf/x"])
def test_what_is_inside_and_no_file_is_not_found_without_telling_the_folder(
    root: Path, path: str
) -> None:
    with pytest.raises(SourceNotFoundError) as caught:
        resolve_inside(root, path)
    assert str(root) not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_no_file_to_read(root: Path) -> None:
    os.mkfifo(root / "pipe.pdf")
    with pytest.raises(SourceNotFoundError, match="regular file"):
        resolve_inside(root, "pipe.pdf")


@settings(deadline=None, max_examples=200)
@given(st.text(alphabet="./~\\: ab\x00€", max_size=20))
def test_whatever_is_asked_the_answer_is_inside_or_a_typed_error(
    tmp_path_factory: pytest.TempPathFactory, path: str
) -> None:
    root = tmp_path_factory.getbasetemp() / "inside"
    root.mkdir(exist_ok=True)
    (root / "a").write_bytes(b"")
    try:
        found = resolve_inside(root, path)
    except DeepSeekOCRError:
        return
    assert found.is_relative_to(root.resolve())
    assert found.is_file()


def test_a_file_that_became_a_link_after_it_was_named_is_not_read(root: Path) -> None:
    file = FileInside.named(root, "report.pdf")
    with file.open() as opened:
        assert opened.read() == b"%PDF"
    (root / "report.pdf").unlink()
    (root / "report.pdf").symlink_to("../secret.pdf")
    with pytest.raises(SourceNotAllowedError, match="leads out"):
        file.open()
    with pytest.raises(SourceNotAllowedError, match="leads out"):
        open_source(file)


def test_a_file_that_was_named_is_a_document_called_by_its_path_below_the_folder(
    root: Path, sample_pdf: Path
) -> None:
    (root / "2024" / "sample.pdf").write_bytes(sample_pdf.read_bytes())
    (root / "newest.pdf").symlink_to("2024/sample.pdf")
    with open_source(FileInside.named(root, "newest.pdf")) as source:
        assert (source.name, source.page_count) == ("2024/sample.pdf", 3)
    with pytest.raises(LimitExceededError, match=r"2024/sample\.pdf"):
        open_source(FileInside.named(root, "newest.pdf"), limits=Limits(file_bytes=100))


def test_a_link_may_lead_to_a_name_that_could_not_be_asked_for(root: Path) -> None:
    (root / "~draft.pdf").write_bytes(b"%PDF")
    (root / "draft.pdf").symlink_to("~draft.pdf")
    with FileInside.named(root, "draft.pdf").open() as file:
        assert file.read() == b"%PDF"


@pytest.mark.skipif(not path_walk.BY_DESCRIPTOR, reason="files are opened by their path there")
@pytest.mark.parametrize("swapped", ["2024", "report.pdf"])
def test_what_becomes_a_link_between_the_look_and_the_opening_is_not_followed(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swapped: str
) -> None:
    """The moment that an attacker who swaps files and links all the time hits now and then."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "über uns.pdf").write_bytes(b"secret")
    look = os.stat

    def swapped_after_the_look(path: Any, **options: Any) -> os.stat_result:
        found = look(path, **options)
        if path == swapped and options.get("dir_fd") is not None:
            (root / swapped).rename(root / "aside")
            (root / swapped).symlink_to(outside if swapped == "2024" else outside / "über uns.pdf")
        return found

    monkeypatch.setattr(os, "stat", swapped_after_the_look)
    wanted = "2024/über uns.pdf" if swapped == "2024" else swapped
    with pytest.raises((SourceNotAllowedError, SourceNotFoundError)):
        resolve_inside(root, wanted)
    monkeypatch.undo()
    assert (root / swapped).is_symlink()


@pytest.mark.skipif(not path_walk.BY_DESCRIPTOR, reason="files are opened by their path there")
def test_files_and_folders_are_opened_without_following_links() -> None:
    for flags in (path_walk._FOLDER, path_walk._FILE, folder_walk._OPEN):
        assert flags & os.O_NOFOLLOW
