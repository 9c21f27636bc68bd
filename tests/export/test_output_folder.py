"""No result takes the place of another document's, and no planted link is followed."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from open_files import open_below
from PIL import Image

from deepseek_ocr_rag.cli.main import main
from deepseek_ocr_rag.errors import OutputError
from deepseek_ocr_rag.export import output_folder
from deepseek_ocr_rag.export.evidence_pictures import AnswerPictures, CitedPage
from deepseek_ocr_rag.export.filenames import distinct_stems, file_stem
from deepseek_ocr_rag.export.folder import FolderWriter
from deepseek_ocr_rag.export.output_folder import OutputFolder, disk_errors

needs_links = pytest.mark.skipif(not hasattr(os, "symlink"), reason="no symbolic links here")
REPLY = (
    "<|ref|>image<|/ref|><|det|>[[100, 400, 900, 600]]<|/det|>\n\n"
    "<|ref|>text<|/ref|><|det|>[[100, 150, 900, 300]]<|/det|>\nThe lamp was lit in 1871.\n"
)


@pytest.fixture
def recording(tmp_path: Path) -> str:
    """A backend that needs no model: one recorded reply for page 1 of any document."""
    path = tmp_path / "replies.jsonl"
    path.write_text(json.dumps({"page": 1, "text": REPLY}) + "\n", "utf-8")
    return f"replay:{path}"


def scans(folder: Path, *names: str) -> list[str]:
    """Pictures of different colours, so that their results differ."""
    files = []
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (60, 80), (200, 40 * number, 0)).save(path, "PNG")
        files.append(str(path))
    return files


def contents(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


# --- names --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sources", "stems"),
    [
        (["x/a.pdf", "y/a.pdf"], ["a", "a-2"]),
        (["x/a.pdf", "y/a.pdf", "a-2.pdf"], ["a", "a-3", "a-2"]),
        (["a-2.pdf", "x/a.pdf", "y/a.pdf"], ["a-2", "a", "a-3"]),
        (["a.pdf", "a.pdf", "a.png"], ["a", "a-2", "a-3"]),
        (["A.pdf", "a.pdf"], ["A", "a-2"]),
        (["stra\u00dfe.pdf", "STRASSE.pdf"], ["stra\u00dfe", "STRASSE-2"]),
        (["e\u0301.pdf", "\u00e9.pdf"], ["\u00e9", "\u00e9-2"]),
        (["x" * 200 + "1.pdf", "x" * 200 + "2.pdf"], ["x" * 120, "x" * 120 + "-2"]),
        (["*.pdf", "?.pdf"], ["document", "document-2"]),
        (["a\x1b.pdf", "a\x07.pdf"], ["a", "a-2"]),
    ],
)
def test_equal_names_are_numbered(sources: list[str], stems: list[str]) -> None:
    assert list(distinct_stems(sources)) == stems


@settings(deadline=None, max_examples=200)
@given(st.lists(st.text(alphabet="aA\u00df\u1e9e-2./\x1b", max_size=6), max_size=8))
def test_no_two_documents_share_a_name(sources: list[str]) -> None:
    stems = distinct_stems(sources)
    assert len({stem.upper().casefold() for stem in stems}) == len(sources)
    assert all(stem.startswith(file_stem(s)) for s, stem in zip(sources, stems, strict=True))


def test_same_named_documents_get_folders_of_their_own(tmp_path: Path, recording: str) -> None:
    files = scans(tmp_path, "x/a.png", "y/a.png", "a-2.png", "A.png")
    out = tmp_path / "out"
    assert (
        main(["read", *files, "-o", str(out), "--pictures", "--backend", recording, "--no-cache"])
        == 0
    )
    folders = sorted(path.name for path in out.iterdir())
    assert folders == ["A-4", "a", "a-2", "a-3"]
    figures = {(out / name / "figures/page-0001-1.png").read_bytes() for name in folders}
    assert len(figures) == 4
    read = [
        json.loads(next((out / name).glob("*.json")).read_text("utf-8"))["source"]
        for name in ("a", "a-3", "a-2", "A-4")
    ]
    assert read == files


def test_same_named_documents_get_page_pictures_of_their_own(
    tmp_path: Path, recording: str
) -> None:
    files = scans(tmp_path, "x/a.png", "y/a.png", "a-2.png")
    out = tmp_path / "out"
    assert main(["boxes", *files, "-o", str(out), "--backend", recording, "--no-cache"]) == 0
    assert len(set(contents(out))) == 3


# --- links --------------------------------------------------------------------------------


@needs_links
def test_boxes_replaces_a_planted_link_and_leaves_its_target(
    tmp_path: Path, recording: str
) -> None:
    (file,) = scans(tmp_path, "a.png")
    out, victim = tmp_path / "out", tmp_path / "victim"
    out.mkdir()
    victim.write_text("precious")
    (out / "a-page-0001.png").symlink_to(victim)
    assert main(["boxes", file, "-o", str(out), "--backend", recording, "--no-cache"]) == 0
    assert victim.read_text() == "precious"
    assert not (out / "a-page-0001.png").is_symlink()
    assert [path.name for path in out.iterdir()] == ["a-page-0001.png"]


@needs_links
def test_read_does_not_follow_a_link_in_the_place_of_a_documents_folder(
    tmp_path: Path, recording: str, capsys: pytest.CaptureFixture[str]
) -> None:
    files = scans(tmp_path, "a.png", "b.png")
    out, outside = tmp_path / "out", tmp_path / "outside"
    out.mkdir()
    outside.mkdir()
    (out / "a").symlink_to(outside)
    assert main(["read", *files, "-o", str(out), "--backend", recording, "--no-cache"]) == 1
    assert "is a link to another folder" in capsys.readouterr().err
    assert list(outside.iterdir()) == []


def cited() -> AnswerPictures:
    return AnswerPictures((CitedPage(Image.new("RGB", (40, 40)), "a.pdf", 1, (1,)),))


@needs_links
def test_ask_replaces_a_planted_link_and_leaves_its_target(tmp_path: Path, recording: str) -> None:
    (file,) = scans(tmp_path, "a.png")
    victim, picture = tmp_path / "victim", tmp_path / "evidence.png"
    victim.write_text("precious")
    picture.symlink_to(victim)
    words = ["ask", file, "When was the lamp lit?", "--llm", "none", "--backend", recording]
    assert main([*words, "--no-cache", "--picture", str(picture)]) == 0
    assert victim.read_text() == "precious"
    with Image.open(picture) as written:
        assert written.format == "PNG"
    assert not picture.is_symlink()


@needs_links
@pytest.mark.parametrize("target", ["missing", "folder"])
def test_a_link_to_nothing_creates_nothing_there(tmp_path: Path, target: str) -> None:
    (tmp_path / "folder").mkdir()
    link = tmp_path / "evidence.png"
    link.symlink_to(tmp_path / target)
    if target == "folder":
        with pytest.raises(OutputError, match="a folder has this name"):
            cited().save(link)
    else:
        cited().save(link)
        assert not (tmp_path / "missing").exists()
    assert list((tmp_path / "folder").iterdir()) == []


@pytest.mark.parametrize("device", ["/dev/null", "/dev/stdout", "/dev/new.png"])
def test_a_picture_never_takes_the_place_of_a_device(device: str) -> None:
    if not Path("/dev/null").exists():
        pytest.skip("no devices with names here")
    with pytest.raises(OutputError, match="device"):
        cited().save(device)
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    assert not Path("/dev/new.png").exists()


@needs_links
def test_a_link_that_appears_after_the_check_is_not_entered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a race: the check sees a folder, the opening meets a link."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "pages").symlink_to(outside)
    folder = OutputFolder(tmp_path)
    monkeypatch.setattr(stat, "S_ISLNK", lambda mode: False)
    with pytest.raises(OSError, match=r"Not a directory|symbolic links"):
        folder.inside("pages")


@needs_links
def test_a_folder_that_is_exchanged_for_a_link_gets_nothing(tmp_path: Path) -> None:
    outside, out = tmp_path / "outside", tmp_path / "out"
    outside.mkdir()
    pages = OutputFolder(out).inside("pages")
    (out / "pages").rename(out / "moved")
    (out / "pages").symlink_to(outside)
    with pages.new_file("a.png") as file:
        file.write(b"x")
    assert list(outside.iterdir()) == []
    assert (out / "moved" / "a.png").read_bytes() == b"x"


@needs_links
def test_a_guessed_name_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    monkeypatch.setattr("secrets.token_hex", lambda count: "0")
    (tmp_path / ".writing-0.png").symlink_to(victim)
    with pytest.raises(FileExistsError):
        OutputFolder(tmp_path).create(".png")
    assert victim.read_text() == "precious"


def test_a_file_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    def write() -> None:
        with OutputFolder(tmp_path).new_file("a.png") as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert list(tmp_path.iterdir()) == []


def test_folders_are_closed_when_the_writer_is(tmp_path: Path) -> None:
    for _ in range(3):
        FolderWriter(tmp_path, source="a.pdf", subfolder="a").close()
    with pytest.raises(KeyError), FolderWriter(tmp_path, source="a.pdf"):
        raise KeyError
    assert open_below(tmp_path) == []


# --- the folder itself --------------------------------------------------------------------


@pytest.fixture(params=["by descriptor", "by path"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How files are named: relative to the open folder, or as on Windows by their path."""
    if request.param == "by path":
        monkeypatch.setattr(output_folder, "BY_DESCRIPTOR", False)
    elif not output_folder.BY_DESCRIPTOR:
        pytest.skip("this system cannot name files relative to a folder")
    return str(request.param)


@pytest.mark.usefixtures("way")
def test_files_are_made_in_a_new_folder_and_in_folders_below(tmp_path: Path) -> None:
    out = OutputFolder(tmp_path / "new" / "out")
    pages = out.inside("pages")
    assert pages.path == tmp_path / "new" / "out" / "pages"
    for content in (b"first", b"second"):
        with out.inside("pages").new_file("a.png") as file:
            file.write(content)
    assert [*out.path.rglob("*")] == [pages.path, pages.path / "a.png"]
    assert (pages.path / "a.png").read_bytes() == b"second"


@pytest.mark.usefixtures("way")
def test_a_new_file_has_a_random_name_and_the_usual_permissions(tmp_path: Path) -> None:
    name, descriptor = OutputFolder(tmp_path).create(".txt")
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(os.fstat(descriptor).st_mode) == 0o666 & ~mask
    os.write(descriptor, b"x")
    os.close(descriptor)
    assert re.fullmatch(r"\.writing-[0-9a-f]{16}\.txt", name)
    assert (tmp_path / name).read_bytes() == b"x"


@pytest.mark.usefixtures("way")
def test_a_file_is_removed_and_it_may_be_gone_already(tmp_path: Path) -> None:
    out = OutputFolder(tmp_path)
    (tmp_path / "a.txt").touch()
    for _ in range(2):
        out.remove("a.txt")
        assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("way")
def test_a_folder_may_be_closed_twice(tmp_path: Path) -> None:
    out = OutputFolder(tmp_path)
    out.close()
    out.close()


@needs_links
@pytest.mark.usefixtures("way")
def test_a_link_in_the_place_of_a_folder_is_named_and_refused(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "pages").symlink_to("below")
    with pytest.raises(OutputError, match="is a link to another folder") as caught:
        OutputFolder(tmp_path).inside("pages")
    assert caught.value.source == str(tmp_path / "pages")


@needs_links
def test_on_windows_a_folder_that_leads_elsewhere_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A junction is no link there, but its path leads to another folder."""
    monkeypatch.setattr(output_folder, "BY_DESCRIPTOR", False)
    (tmp_path / "outside").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "pages").symlink_to(tmp_path / "outside")
    monkeypatch.setattr(output_folder, "stat", SimpleNamespace(S_ISLNK=lambda mode: False))
    with pytest.raises(OutputError, match="is a link to another folder"):
        OutputFolder(tmp_path / "out").inside("pages")


def test_a_folder_that_shall_not_be_made_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        OutputFolder(tmp_path / "missing", make=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError("it is odd"), "it is odd"),
    ],
)
def test_an_error_of_the_disk_names_the_folder(error: OSError, problem: str) -> None:
    with pytest.raises(OutputError) as caught, disk_errors(Path("a\0b")):
        raise error
    assert caught.value.problem == f"cannot write to this folder ({problem})"
    assert (caught.value.source, caught.value.__cause__) == ("a?b", error)
