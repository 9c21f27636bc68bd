"""The private copy of a document: where it lies, who can open it, and what is left of it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from open_files import open_below

from deepseek_ocr_rag.sources import private_file
from deepseek_ocr_rag.sources.private_file import PrivateFile, identity_of


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's folder for temporary files, empty."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture(params=["nameless", "named"])
def private(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> PrivateFile:
    if request.param == "named":
        monkeypatch.setattr(private_file, "NAMELESS", False)
    elif not private_file.NAMELESS:
        pytest.skip("files need names on this system")
    return PrivateFile()


def test_what_is_written_can_be_read_again(private: PrivateFile) -> None:
    private.file.write(b"lamp")
    private.file.flush()
    private.file.seek(0)
    assert private.file.read() == private.path.read_bytes() == b"lamp"
    private.close()


def test_a_process_of_ours_can_open_it(private: PrivateFile) -> None:
    private.file.write(b"lamp")
    private.file.flush()
    code = "import sys; sys.stdout.write(open(sys.argv[1]).read())"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code, str(private.path)], capture_output=True, check=True
    )
    assert done.stdout == b"lamp"
    private.close()


def test_nothing_is_left_of_it(private: PrivateFile, temporary: Path) -> None:
    reader = private.path.open("rb")
    private.file.write(b"lamp")
    private.close()
    assert private.file.closed
    assert list(temporary.iterdir()) == []
    assert reader.read() == b"lamp"
    reader.close()


def test_a_disk_that_is_full_leaves_nothing_either(private: PrivateFile, temporary: Path) -> None:
    class Full:
        """As a buffered file on a full disk: closing it flushes."""

        def close(self) -> None:
            raise OSError(28, "No space left on device")

    private.file.close()
    private.file = Full()  # type: ignore[assignment]
    private.close()
    assert list(temporary.iterdir()) == []


def test_a_folder_that_windows_does_not_remove_yet_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(folder: object) -> None:
        raise PermissionError(13, "The process cannot access the file")

    monkeypatch.setattr(private_file, "NAMELESS", False)
    private = PrivateFile()
    with monkeypatch.context() as patched:
        patched.setattr(tempfile.TemporaryDirectory, "cleanup", refused)
        private.close()
    assert private.file.closed
    private.close()


@pytest.mark.skipif(not private_file.NAMELESS, reason="files need names on this system")
def test_on_linux_it_has_no_name(temporary: Path) -> None:
    private = PrivateFile()
    assert list(temporary.iterdir()) == []
    assert private.path.parent == Path(f"/proc/{os.getpid()}/fd")
    private.close()


@pytest.mark.skipif(not private_file.NAMELESS, reason="files need names on this system")
def test_without_proc_it_has_a_name_and_the_nameless_one_is_closed(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert open_below(temporary) == []
    with monkeypatch.context() as patched:
        patched.setattr(Path, "exists", lambda path: False)
        private = PrivateFile()
    assert private.path.is_relative_to(temporary)
    assert open_below(temporary) == [str(private.path)]
    private.close()
    assert open_below(temporary) == []


@pytest.mark.skipif(os.name != "posix", reason="permissions")
def test_where_it_has_a_name_only_this_user_may_open_its_folder(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(private_file, "NAMELESS", False)
    private = PrivateFile()
    (folder,) = temporary.iterdir()
    assert folder.name.startswith("deepseek-ocr-")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [private.path] == [*folder.iterdir()] == [folder / "document"]
    private.close()


def test_two_names_of_one_file_have_one_identity(tmp_path: Path) -> None:
    file, copy = tmp_path / "a", tmp_path / "b"
    file.write_bytes(b"lamp")
    copy.write_bytes(b"lamp")
    (tmp_path / "c").hardlink_to(file)
    assert identity_of(file) == identity_of(tmp_path / "c")
    assert identity_of(file) != identity_of(copy)
    assert tuple(identity_of(file)) == (file.stat().st_dev, file.stat().st_ino)
