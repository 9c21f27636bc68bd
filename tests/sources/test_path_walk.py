"""walk_inside: from a folder to a file below it, and what it holds open."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from open_files import open_below

from deepseek_ocr_rag.errors import NotARegularFileError, PathEscapesError
from deepseek_ocr_rag.sources import path_walk
from deepseek_ocr_rag.sources.path_walk import MOST_LINKS, walk_inside

needs_descriptors = pytest.mark.skipif(
    not path_walk.BY_DESCRIPTOR, reason="needs descriptors of folders"
)


@pytest.fixture(params=[True, False], ids=["by descriptor", "by name"])
def by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Both ways to open a file; the second is the one of Windows."""
    if request.param and not path_walk.BY_DESCRIPTOR:
        pytest.skip("needs descriptors of folders")
    monkeypatch.setattr(path_walk, "BY_DESCRIPTOR", request.param)
    return bool(request.param)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "papers"
    (folder / "2024" / "deep").mkdir(parents=True)
    (folder / "2024" / "deep" / "a.pdf").write_bytes(b"a")
    (folder / "b.pdf").write_bytes(b"b")
    (tmp_path / "secret.pdf").write_bytes(b"secret")
    return folder


def walked(base: Path, path: str) -> tuple[bytes, tuple[str, ...]]:
    descriptor, parts = walk_inside(base, path)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(), parts


@pytest.mark.usefixtures("by")
@pytest.mark.parametrize(
    ("links", "path", "parts"),
    [
        ({}, "b.pdf", ("b.pdf",)),
        ({}, "2024/deep/a.pdf", ("2024", "deep", "a.pdf")),
        ({"c.pdf": "2024/deep/a.pdf"}, "c.pdf", ("2024", "deep", "a.pdf")),
        ({"year": "2024"}, "year/deep/a.pdf", ("2024", "deep", "a.pdf")),
        ({"2024/up.pdf": "../b.pdf"}, "2024/up.pdf", ("b.pdf",)),
        ({"2024/deep/up.pdf": "../../b.pdf"}, "2024/deep/up.pdf", ("b.pdf",)),
        ({"2024/deep/side": ".././deep//"}, "2024/deep/side/a.pdf", ("2024", "deep", "a.pdf")),
        ({"2024/all.pdf": "BASE/b.pdf"}, "2024/all.pdf", ("b.pdf",)),
        ({"2024/deep/root": "BASE/2024"}, "2024/deep/root/deep/a.pdf", ("2024", "deep", "a.pdf")),
    ],
)
def test_the_components_of_the_file_come_without_links(
    base: Path, links: dict[str, str], path: str, parts: tuple[str, ...]
) -> None:
    for name, target in links.items():
        (base / name).symlink_to(target.replace("BASE", str(base)))
    assert walked(base, path) == (b"b" if parts == ("b.pdf",) else b"a", parts)
    assert walked(base, f"{base}/{path}")[1] == parts


@pytest.mark.usefixtures("by")
def test_an_absolute_path_may_name_the_folder_by_a_link_or_by_where_it_leads(
    base: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(base)
    for folder in (link, base):
        assert walked(link, f"{folder}/b.pdf") == (b"b", ("b.pdf",))
    (base / "again.pdf").symlink_to(link / "b.pdf")
    assert walked(link, "again.pdf") == (b"b", ("b.pdf",))


@pytest.mark.usefixtures("by")
@pytest.mark.parametrize(
    "target",
    ["../secret.pdf", "2024/../../secret.pdf", "TMP/secret.pdf", "TMP/papers/../secret.pdf"],
)
def test_no_link_leads_out(base: Path, tmp_path: Path, target: str) -> None:
    (base / "out.pdf").symlink_to(target.replace("TMP", str(tmp_path)))
    with pytest.raises(PathEscapesError):
        walk_inside(base, "out.pdf")


@pytest.mark.usefixtures("by")
def test_a_link_to_the_folder_above_shows_no_folder_beside_it(base: Path, tmp_path: Path) -> None:
    (tmp_path / "papers-2").mkdir()
    (tmp_path / "papers-2" / "x.pdf").write_bytes(b"x")
    with pytest.raises(PathEscapesError):
        walk_inside(base, f"{tmp_path}/papers-2/x.pdf")


@needs_descriptors
@pytest.mark.parametrize(("links", "found"), [(MOST_LINKS, True), (MOST_LINKS + 1, False)])
def test_a_chain_of_links_ends_at_the_limit_of_linux(base: Path, links: int, found: bool) -> None:
    (base / "0").symlink_to("b.pdf")
    for number in range(1, links):
        (base / str(number)).symlink_to(str(number - 1))
    if found:
        assert walked(base, str(links - 1)) == (b"b", ("b.pdf",))
    else:
        with pytest.raises(PathEscapesError):
            walk_inside(base, str(links - 1))


@pytest.mark.usefixtures("by")
@pytest.mark.parametrize("path", ["", ".", "2024", "2024/deep/", "pipe", "back"])
def test_what_is_no_regular_file_is_refused(base: Path, path: str) -> None:
    os.mkfifo(base / "pipe")
    (base / "back").symlink_to("2024/..")
    with pytest.raises(NotARegularFileError):
        walk_inside(base, path)


@pytest.mark.usefixtures("by")
@pytest.mark.parametrize("path", ["missing.pdf", "2024/missing/a.pdf", "dangling"])
def test_what_is_missing_is_not_found(base: Path, path: str) -> None:
    (base / "dangling").symlink_to("nowhere.pdf")
    with pytest.raises(FileNotFoundError):
        walk_inside(base, path)


@pytest.mark.usefixtures("by")
def test_only_the_file_stays_open_and_after_a_refusal_nothing(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (base / "out.pdf").symlink_to("../secret.pdf")
    (base / "2024" / "up.pdf").symlink_to("../b.pdf")
    outside = base.parent
    assert open_below(outside) == []
    for path in ("2024/deep/a.pdf", "2024/up.pdf"):
        descriptor, _ = walk_inside(base, path)
        (opened,) = open_below(outside)
        assert Path(opened).samefile(base / path)
        os.close(descriptor)
    for path in ("out.pdf", "2024", "missing.pdf"):
        with pytest.raises((PathEscapesError, NotARegularFileError, OSError)):
            walk_inside(base, path)
    monkeypatch.setattr(os, "fstat", lambda descriptor: base.stat())
    with pytest.raises((NotARegularFileError, PathEscapesError)):
        walk_inside(base, "b.pdf")
    assert open_below(outside) == []


def test_a_file_that_is_replaced_before_it_is_opened_by_name_is_refused(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows has no descriptors of folders: the opened file is compared with the named one."""
    monkeypatch.setattr(path_walk, "BY_DESCRIPTOR", False)
    system = os.open

    def swapped(path: Path, flags: int) -> int:
        descriptor = system(path, flags)
        (base / "b.pdf").rename(base / "aside.pdf")
        (base / "b.pdf").write_bytes(b"another")
        return descriptor

    outside = base.parent
    assert open_below(outside) == []
    monkeypatch.setattr(os, "open", swapped)
    with pytest.raises(PathEscapesError):
        walk_inside(base, "b.pdf")
    monkeypatch.undo()
    assert open_below(outside) == []


@needs_descriptors
def test_a_file_is_opened_for_reading_only_without_waiting_and_for_this_process_only(
    base: Path,
) -> None:
    assert path_walk._FILE & os.O_ACCMODE == os.O_RDONLY
    for name in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_NOFOLLOW"):
        assert path_walk._FILE & getattr(os, name), name
    for name in ("O_DIRECTORY", "O_CLOEXEC", "O_NOFOLLOW"):
        assert path_walk._FOLDER & getattr(os, name), name
    descriptor, _ = walk_inside(base, "b.pdf")
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.write(descriptor, b"x")
    os.close(descriptor)


MOUNTS = """\
21 28 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw
22 28 0:21 / /proc rw,nosuid shared:14 - proc proc rw
28 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,discard
30 28 0:22 /a\\040-\\040proc /home rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("device", "generated"),
    [((0, 20), True), ((0, 21), True), ((254, 1), False), ((0, 22), False), ((0, 99), False)],
)
def test_what_the_kernel_generates_is_known_by_its_device(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, device: tuple[int, int], generated: bool
) -> None:
    (tmp_path / "mountinfo").write_text(MOUNTS, encoding="utf-8")

    def place(path: str) -> Path:
        assert path == "/proc/self/mountinfo"
        return tmp_path / "mountinfo"

    monkeypatch.setattr(path_walk, "Path", place)
    known = path_walk._generated_by_kernel.__wrapped__
    assert known(os.makedev(*device)) is generated
    (tmp_path / "mountinfo").write_text("of another system\n", encoding="utf-8")
    assert known(os.makedev(*device)) is False
    (tmp_path / "mountinfo").unlink()
    assert known(os.makedev(*device)) is False


@needs_descriptors
def test_a_file_that_the_kernel_generates_is_refused_once_it_is_open(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = (base / "b.pdf").stat().st_dev
    monkeypatch.setattr(path_walk, "_generated_by_kernel", lambda found: found == device)
    with pytest.raises(NotARegularFileError):
        walk_inside(base, "b.pdf")
