"""Ways in which a language model may try to read a file that it must not: none works.

Every attempt is made through the class that opens files for the agent tools. The
race is run by a second process that exchanges files and links as fast as it can.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import BinaryIO

import pytest
from open_files import open_below

from deepseek_ocr_rag import DeepSeekOCRError
from deepseek_ocr_rag.errors import SourceNotAllowedError, SourceNotFoundError
from deepseek_ocr_rag.sources import path_walk as walk
from deepseek_ocr_rag.sources.allowed_paths import FileInside

INSIDE = b"%PDF inside"
SECRET = b"%PDF secret"


def open_inside(root: str | Path, path: str) -> BinaryIO:
    """As the agent tools do it."""
    return FileInside.named(root, path).open()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a file of each kind, links of each kind, and secrets around it."""
    folder = tmp_path / "papers"
    (folder / "2024" / "deep").mkdir(parents=True)
    for name in ("report.pdf", "2024/a.pdf", "2024/deep/b.pdf"):
        (folder / name).write_bytes(INSIDE)
    outside = tmp_path / "outside"
    outside.mkdir()
    for secret in (tmp_path / "secret.pdf", outside / "x.pdf", tmp_path / "papers-2.pdf"):
        secret.write_bytes(SECRET)
    for name, target in LINKS.items():
        (folder / name).symlink_to(target.replace("TMP", str(tmp_path)))
    os.mkfifo(folder / "pipe.pdf")
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(folder)  # a socket's path must be short
        listener.bind("socket.pdf")
        os.chdir(here)
    return folder


LINKS = {
    "up.pdf": "../secret.pdf",
    "up-dir": "..",
    "up-two": "../..",
    "out-dir": "../outside",
    "abs.pdf": "TMP/secret.pdf",
    "abs-dir": "TMP/outside",
    "etc": "/etc",
    "passwd.pdf": "/etc/passwd",
    "slash": "/",
    "proc": "/proc",
    "self-root": "/proc/self/root",
    "self-cwd": "/proc/self/cwd",
    "environ.pdf": "/proc/self/environ",
    "fd": "/proc/self/fd",
    "stdin.pdf": "/dev/stdin",
    "zero.pdf": "/dev/zero",
    "null.pdf": "/dev/null",
    "loop-a": "loop-b",
    "loop-b": "loop-a",
    "self": "self",
    "deep-up.pdf": "2024/deep/../../../secret.pdf",
    "in-and-out.pdf": "2024/../../papers/../secret.pdf",
    "chain-1": "chain-2",
    "chain-2": "chain-3",
    "chain-3": "../secret.pdf",
    "abs-in-out.pdf": "TMP/papers/../secret.pdf",
    "neighbour.pdf": "TMP/papers-2.pdf",
    "dangling.pdf": "nowhere.pdf",
    "dangling-out.pdf": "../nowhere.pdf",
}

REFUSED = [
    # written to climb
    "..", "../", "../secret.pdf", "../outside/x.pdf", "./../secret.pdf", "2024/../../secret.pdf",
    "2024/../report.pdf", "2024/deep/../../../secret.pdf", "../papers/../secret.pdf",
    "....//secret.pdf", ".../secret.pdf", ".. /secret.pdf", ". ./secret.pdf", "../papers-2.pdf",
    "/..", "//../secret.pdf", "report.pdf/../../secret.pdf", "missing/../../secret.pdf",
    # absolute
    "/", "//", "/etc/passwd", "//etc/passwd", "///etc/passwd", "/proc/self/environ",
    "/proc/self/fd/0", "/proc/self/root/etc/passwd", "/proc/1/cmdline", "/dev/zero", "/dev/stdin",
    "/sys/kernel/notes", "/dev/fd/0", "TMP/secret.pdf", "TMP/papers-2.pdf", "TMP/papers/../secret.pdf",
    "/papers/report.pdf",
    # of a home
    "~", "~/secret.pdf", "~root/.ssh/id_rsa", "~/../etc/passwd",
    # URLs
    "file:///etc/passwd", "file://localhost/etc/passwd", "http://127.0.0.1/a.pdf", "HTTPS://x.org/a",
    "ftp://x.org/a.pdf", "data://text/plain;base64,JVBERg==", "gopher://127.0.0.1:70/x",
    "php://filter/resource=/etc/passwd", "smb://server/share/a.pdf", "jar:file:///a!/b",
    # of Windows
    r"..\secret.pdf", r"2024\a.pdf", r"C:\secret.pdf", "C:/secret.pdf", "C:secret.pdf", "c:",
    r"\\server\share\secret.pdf", r"\\?\C:\secret.pdf", r"\\.\PhysicalDrive0", r"\??\C:\secret.pdf",
    r"\secret.pdf", "//server/share/secret.pdf", "//?/C:/secret.pdf", "//./NUL", "NUL", "nul.pdf",
    "CON", "con.txt", "AUX", "prn.pdf", "COM1", "com1.pdf", "LPT9.pdf", "2024/NUL/a.pdf", "CONIN$",
    "COM¹", "NUL .pdf", "report.pdf:hidden", "report.pdf::$DATA", "2024:$I30:$INDEX_ALLOCATION",
    # with characters that programs read in two ways
    "report.pdf\x00.png", "\x00", "report\n.pdf", "report\r.pdf", "report\t.pdf", "\x1b[31mreport.pdf",
    "report\x7f.pdf", "\ud800.pdf", "a" * 5000,
    # empty
    "", " ", "   ", "\u3000",
    # through links
    "up.pdf", "up-dir/secret.pdf", "up-two/etc/passwd", "out-dir/x.pdf", "abs.pdf", "abs-dir/x.pdf",
    "etc/passwd", "passwd.pdf", "slash/etc/passwd", "proc/self/environ", "self-root/etc/passwd",
    "self-cwd/secret.pdf", "environ.pdf", "fd/0", "stdin.pdf", "zero.pdf", "null.pdf", "loop-a",
    "self", "loop-a/x.pdf", "deep-up.pdf", "in-and-out.pdf", "chain-1", "abs-in-out.pdf",
    "neighbour.pdf", "dangling-out.pdf", "up-dir/papers/up.pdf",
]  # fmt: skip

NOT_FOUND = [
    ".", "./", "2024", "2024/", "2024/deep", "missing.pdf", "report.pdf/x", "dangling.pdf",
    "pipe.pdf", "socket.pdf", "Report.PDF", "report.pdf.", "report.pdf ", "%2e%2e/secret.pdf",
    "..%2fsecret.pdf", "..%c0%afsecret.pdf", "․․/secret.pdf", "．．/secret.pdf", "..∕secret.pdf",
    "..;/secret.pdf", "$HOME/secret.pdf", "${PWD}/../x", "`pwd`", "*.pdf", "2024/*", "?eport.pdf",
    "a/" * 5000 + "b", "report.pdf?x=1", "report.pdf#page=2", "-rf", "--help", "|cat /etc/passwd", "; id",
]  # fmt: skip
NOT_FOUND.remove("${PWD}/../x")  # climbs, whatever comes before it
REFUSED.append("${PWD}/../x")


def test_the_matrix_is_large_enough() -> None:
    assert len(set(REFUSED)) + len(set(NOT_FOUND)) == len(REFUSED) + len(NOT_FOUND)
    print(f"{len(REFUSED) + len(NOT_FOUND)} attempts on paths")
    assert len(REFUSED) + len(NOT_FOUND) >= 80


@pytest.mark.parametrize("by_descriptor", [True, False])
@pytest.mark.parametrize(
    ("attempts", "kind"), [(REFUSED, SourceNotAllowedError), (NOT_FOUND, SourceNotFoundError)]
)
def test_no_attempt_reads_anything_and_no_message_names_the_folder(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    attempts: list[str],
    kind: type[DeepSeekOCRError],
    by_descriptor: bool,
) -> None:
    monkeypatch.setattr(walk, "BY_DESCRIPTOR", by_descriptor)
    got: dict[str, object] = {}
    for attempt in attempts:
        try:
            with open_inside(root, attempt.replace("TMP", str(root.parent))) as file:
                got[attempt] = file.read(100)
        except DeepSeekOCRError as error:
            text = str(error)
            if str(root) in text or not error.remedy or len(text) > 500 or "\x00" in text:
                got[attempt] = text
            if type(error) is not kind and by_descriptor:
                got[attempt] = error
    assert got == {}


@pytest.mark.parametrize("by_descriptor", [True, False])
def test_a_file_inside_is_read_by_each_of_its_names(
    root: Path, monkeypatch: pytest.MonkeyPatch, by_descriptor: bool
) -> None:
    monkeypatch.setattr(walk, "BY_DESCRIPTOR", by_descriptor)
    (root / "latest.pdf").symlink_to("2024/a.pdf")
    (root / "2024" / "back.pdf").symlink_to("../report.pdf")
    (root / "whole.pdf").symlink_to(root / "report.pdf")
    (root / "year").symlink_to("2024/deep")
    (root / "Part 1: intro.pdf").write_bytes(INSIDE)
    (root / "console.pdf").write_bytes(INSIDE)
    (root / "con artists.pdf").write_bytes(INSIDE)
    for name in [
        *("report.pdf", "./report.pdf", "2024//a.pdf", "latest.pdf", "2024/back.pdf", "whole.pdf"),
        *("year/b.pdf", "Part 1: intro.pdf", "console.pdf", "con artists.pdf"),
        str(root / "2024" / "a.pdf"),
    ]:
        with open_inside(root, name) as file:
            assert file.read() == INSIDE


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
def test_files_of_the_kernel_are_refused_even_below_the_folder() -> None:
    for path in ("proc/self/environ", "proc/version", "sys/kernel/notes", "dev/zero"):
        with pytest.raises((SourceNotFoundError, SourceNotAllowedError)):
            open_inside("/", path)


def test_nothing_stays_open(root: Path) -> None:
    for attempt in [*REFUSED, *NOT_FOUND, "report.pdf", "2024/deep/b.pdf"]:
        try:
            open_inside(root, attempt).close()
        except DeepSeekOCRError:
            continue
    assert open_below(root) == open_below(root.parent) == []


SWAPPER = """
import os, sys, time
root = sys.argv[1]
os.chdir(root)
steps = []
for turn in range(1 << 62):
    time.sleep(0.0001)  # for the reader to have a turn on a small machine
    # A file becomes a link to a secret, a pipe, and a file again.
    os.symlink("../secret.pdf", "new"); os.replace("new", "victim.pdf")
    os.rename("folder", "kept"); os.symlink("../outside", "folder")
    os.link("good.pdf", "new"); os.replace("new", "victim.pdf")
    os.unlink("folder"); os.rename("kept", "folder")
    if turn % 8 == 0:
        os.mkfifo("new"); os.replace("new", "victim.pdf")
        os.link("good.pdf", "new"); os.replace("new", "victim.pdf")
    os.symlink("victim.pdf", "new"); os.replace("new", "link.pdf")
    os.symlink("/etc/passwd", "new"); os.replace("new", "link.pdf")
"""
ITERATIONS = 100_000


@pytest.fixture
def swapped(root: Path):
    """A folder whose files and subfolders are constantly swapped with links out of it."""
    (root / "good.pdf").write_bytes(INSIDE)
    (root / "victim.pdf").write_bytes(INSIDE)
    (root / "link.pdf").symlink_to("victim.pdf")
    (root / "folder").mkdir()
    (root / "folder" / "x.pdf").write_bytes(INSIDE)
    with subprocess.Popen([sys.executable, "-c", SWAPPER, str(root)]) as swapper:
        yield root
        assert swapper.poll() is None, "the swapper died, so there was no race"
        swapper.kill()


def read(root: Path, name: str) -> str:
    try:
        # Named at another time: only the opening is raced.
        with FileInside(root, name).open() as file:
            data = file.read(100)
    except DeepSeekOCRError as error:
        return type(error).__name__
    return "read" if data == INSIDE else "escaped"


@pytest.mark.skipif(not walk.BY_DESCRIPTOR, reason="needs descriptors of folders")
@pytest.mark.parametrize("turns", [10_000, pytest.param(ITERATIONS, marks=pytest.mark.long)])
def test_swapping_links_in_a_race_never_leads_out(swapped: Path, turns: int) -> None:
    names = ("victim.pdf", "folder/x.pdf", "link.pdf")
    seen = Counter(read(swapped, names[turn % len(names)]) for turn in range(turns))
    print(f"symlink race: {dict(seen)}")
    assert seen["escaped"] == 0
    # Both states were seen many times, so there was a race.
    assert seen["read"] > turns / 100
    assert seen["SourceNotAllowedError"] > turns / 100


@pytest.mark.skipif(not walk.BY_DESCRIPTOR, reason="needs descriptors of folders")
def test_the_race_catches_a_program_that_checks_a_name_and_then_opens_it(
    swapped: Path,
) -> None:
    base = swapped.resolve()
    for _ in range(ITERATIONS):
        target = base / "folder" / "x.pdf"
        try:
            if target.resolve().is_relative_to(base) and target.read_bytes() == SECRET:
                return
        except OSError:
            continue
    pytest.fail("the race is too slow to show anything")
