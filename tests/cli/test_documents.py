"""What a command is told to read, and that mistakes are reported before anything is read."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deepseek_ocr_rag import ReplayBackend
from deepseek_ocr_rag.backends import checkpoint_backend
from deepseek_ocr_rag.cli.main import main
from deepseek_ocr_rag.installing import install_command

REPLY = "<|ref|>text<|/ref|><|det|>[[100, 150, 900, 300]]<|/det|>\nThe lamp was lit in 1871."


@pytest.fixture
def backend(tmp_path: Path) -> list[str]:
    path = tmp_path / "replies.jsonl"
    path.write_text("".join(json.dumps({"page": n, "text": REPLY}) + "\n" for n in (1, 2, 3)))
    return ["--backend", f"replay:{path}", "--no-cache", "--pages", "1"]


@pytest.fixture
def folder(sample_pdf: Path, tmp_path: Path) -> Path:
    root = tmp_path / "papers"
    for name in ("a.pdf", "b.pdf", "sub/a.pdf"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(sample_pdf.read_bytes())
    (root / "notes.txt").write_text("not a document")
    return root


@pytest.fixture
def untouched(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Fails the test if a page is read."""
    read: list[int] = []

    def refuse(*_: object) -> object:
        read.append(1)
        return iter(())

    monkeypatch.setattr(ReplayBackend, "read", refuse)
    yield read
    assert read == []


# --- folders, standard input, modules ----------------------------------------------------


def test_a_folder_is_read_with_those_in_it(
    folder: Path, backend: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["read", str(folder), *backend, "--json"]) == 0
    read = [json.loads(line)["source"] for line in capsys.readouterr().out.splitlines()]
    assert read == [str(folder / name) for name in ("a.pdf", "b.pdf", "sub/a.pdf")]
    assert main(["read", str(folder), *backend, "--json", "--flat", "--match", "b*"]) == 0
    (only,) = capsys.readouterr().out.splitlines()
    assert json.loads(only)["source"] == str(folder / "b.pdf")


def test_a_folder_is_asked(
    folder: Path, backend: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "evidence.png"
    words = ["ask", str(folder), "When was the lamp lit?", "--llm", "none", *backend]
    assert main([*words, "--picture", str(picture)]) == 0
    assert str(folder / "a.pdf") in capsys.readouterr().out
    assert picture.exists()


def test_a_folder_is_asked_without_what_cannot_be_read_in_it(
    folder: Path, backend: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "a.pdf").write_text("not a document")
    words = ["When was the lamp lit?", "--llm", "none", *backend]
    assert main(["ask", str(folder), *words]) == 3
    out, err = capsys.readouterr()
    assert str(folder / "a.pdf") in err
    assert str(folder / "b.pdf") in out
    assert main(["ask", str(folder), *words, "--match", "/a.pdf"]) == 3
    assert capsys.readouterr().out == ""


def test_one_layout_for_one_file_and_for_many(
    folder: Path, backend: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def written(*words: str) -> list[str]:
        out = tmp_path / f"out{len(words)}{words[0][-5:-4]}"
        assert main(["read", *words, *backend, "-o", str(out)]) == 0
        return sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file())

    assert written(str(folder / "a.pdf")) == ["a/a.json", "a/a.md"]
    many = written(str(folder / "a.pdf"), str(folder / "sub" / "a.pdf"))
    assert many == ["a-2/a.json", "a-2/a.md", "a/a.json", "a/a.md"]
    assert "pages/page-0001.png" in " ".join(written(str(folder / "b.pdf"), "--pictures"))


def test_standard_input_is_a_document(
    sample_pdf: Path, backend: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def given(data: bytes, *words: str) -> int:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
        return main(["read", *words, *backend])

    assert given(sample_pdf.read_bytes(), "-") == 0
    assert given(sample_pdf.read_bytes(), "-", "-") == 2
    assert given(b"", "-") == 3
    assert given(b"no document", "-") == 3
    assert given(sample_pdf.read_bytes(), "-", "--limit", "file_bytes=1000") == 3
    assert main(["chat", "-", *backend]) == 2


def test_page_marks_stand_before_each_page_on_request(
    sample_pdf: Path, backend: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["read", str(sample_pdf), *backend[:3], "--page-marks"]) == 0
    out = capsys.readouterr().out
    assert re.findall(r"<!-- page (\d) -->\n\nThe lamp", out) == ["1", "2", "3"]


def test_the_package_is_a_command() -> None:
    command = [sys.executable, "-m", "deepseek_ocr_rag", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("dsocr ")


# --- mistakes ----------------------------------------------------------------------------


@pytest.mark.parametrize("second", ["missing.pdf", "{folder}/notes.txt", "https://x.org/a.pdf"])
def test_a_second_file_that_cannot_be_read_is_told_before_the_first_is(
    second: str,
    folder: Path,
    backend: list[str],
    untouched: list[int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = second.format(folder=folder)
    assert main(["ask", str(folder / "a.pdf"), name, "Who?", "--llm", "none", *backend]) == 3
    assert name in capsys.readouterr().err


def test_a_question_before_the_files_is_told(
    sample_pdf: Path, backend: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ask", "When was it lit?", str(sample_pdf), "--llm", "none", *backend]) == 3
    assert "Write the question after the files." in capsys.readouterr().err
    assert main(["ask", "no.pdf", "When was it lit?", "--llm", "none", *backend]) == 3
    assert "question" not in capsys.readouterr().err


def test_a_read_tells_all_bad_files_first_and_reads_the_others(
    folder: Path, backend: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    missing = ["no-1.pdf", "no-2.pdf"]
    assert main(["read", missing[0], str(folder / "a.pdf"), missing[1], *backend]) == 3
    out, err = capsys.readouterr()
    assert [line.split(":")[1].strip() for line in err.splitlines()] == missing
    assert "The lamp" in out


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["ask", "{pdf}", "Who?", "--llm", "gemma3"], 2, "Did you mean 'ollama/gemma3'?"),
        (["ask", "{pdf}", "Who?", "--llm", "olama/gemma3"], 2, "Did you mean 'ollama/gemma3'?"),
        (["ask", "{pdf}", "Who?", "--llm", "none", "--embeddings", "nomic"], 2, "ollama/nomic"),
        (["ask", "{pdf}", "Who?", "--llm", "none", "--picture", "no/such/a.png"], 1, "no/such"),
        (["read", "{pdf}", "-o", "{pdf}/out"], 1, "out"),
        (["read", "{pdf}", "--pictures"], 2, "-o FOLDER"),
        (["read", "{pdf}", "--pages", "99"], 3, "no page 99"),
        (["read", "{pdf}", "--limit", "pages=2"], 3, "--limit pages=NUMBER"),
        (["read", "{pdf}", "--limit", "pags=2"], 2, "pages instead of pags"),
        (["read", "{pdf}", "--limit", "pages"], 2, "--limit pages=20000"),
        (["read", "{folder}", "--match", "*.doc"], 3, "*.doc"),
    ],
)
def test_mistakes_are_told_before_a_page_is_read(
    words: list[str],
    code: int,
    told: str,
    folder: Path,
    backend: list[str],
    untouched: list[int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    filled = [word.format(pdf=folder / "a.pdf", folder=folder) for word in words]
    options = backend[:3] if "--pages" in words else backend
    assert main([*filled, *options]) == code
    err = capsys.readouterr().err
    assert told in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["read", ""], "FILE"),
        (["read", "{pdf}", "", "--json"], "FILE"),
        (["read", "{pdf}", "-o", ""], "-o/--output"),
        (["read", "{pdf}", "--output="], "-o/--output"),
        (["ask", "", "Who?"], "FILE"),
        (["ask", "{pdf}", "Who?", "--llm", ""], "--llm"),
        (["boxes", ""], "FILE"),
    ],
)
def test_an_empty_value_is_a_mistake_and_not_this_folder(
    words: list[str],
    named: str,
    folder: Path,
    backend: list[str],
    untouched: list[int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As from an unset shell variable: it once made the command read and print the current folder."""
    monkeypatch.chdir(folder)
    with pytest.raises(SystemExit) as ended:
        main([*(word.format(pdf=folder / "a.pdf") for word in words), *backend])
    assert ended.value.code == 2
    told = capsys.readouterr()
    assert (told.out, f"argument {named}: it is empty" in told.err) == ("", True)


@pytest.mark.parametrize("name", ["local", "transformers"])
def test_a_missing_extra_has_its_own_exit_code_and_command(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(checkpoint_backend, "find_spec", lambda _: None)
    assert main(["read", str(folder / "a.pdf"), "--backend", name]) == 7
    err = capsys.readouterr().err
    assert "torch" in err
    assert install_command("local") in err


# --- words of the command ----------------------------------------------------------------


def test_an_encrypted_file_names_the_option(
    sample_pdf: Path, tmp_path: Path, backend: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    pymupdf = pytest.importorskip("pymupdf")
    locked = tmp_path / "locked.pdf"
    with pymupdf.open(sample_pdf) as document:
        document.save(locked, encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="x", owner_pw="y")
    assert main(["read", str(locked), *backend]) == 3
    err = capsys.readouterr().err
    assert "--password" in err
    assert "password=" not in err
    assert main(["read", str(locked), *backend, "--password", "x"]) == 0


def test_quiet_prints_results_and_errors_only_and_verbose_prints_each_page(
    folder: Path, backend: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    read = ["read", str(folder / "a.pdf"), "missing.pdf", *backend]
    main([*read, "-q"])
    assert capsys.readouterr().err == "dsocr: missing.pdf: there is no such file. Check the path.\n"
    main([*read, "-v"])
    assert f"page 1 of {folder / 'a.pdf'}: stop" in capsys.readouterr().err


def test_the_old_name_of_the_resolution_is_taken_with_a_note(
    folder: Path, backend: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["read", str(folder / "a.pdf"), *backend, "--mode", "tiny", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["pages"][0]["resolution"] == "tiny"
    assert "--mode is now --resolution" in err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["read", "{pdf}", "--backend", "ollama"], 4),
        (["ask", "{pdf}", "Who?", "--llm", "ollama/gemma3"], 5),
        (["ask", "{pdf}", "Who?", "--llm", "none", "--embeddings", "ollama/x"], 5),
    ],
)
def test_another_machine_is_allowed_by_an_option_that_the_refusal_names(
    words: list[str],
    code: int,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "http://192.0.2.1:9")  # nobody's address (RFC 5737)
    assert main([word.format(pdf=folder / "a.pdf") for word in words]) == code
    assert re.search(r"--allow-remote\.", capsys.readouterr().err)
