"""Files made or collected to break readers: each gives pages or a typed error."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from bombs import bombs
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from deepseek_ocr_rag import open_source
from deepseek_ocr_rag.errors import PasswordError

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "benchmarks" / "safety" / "hostile.py"
PAGE_SECONDS = 1
CHUNKS = 3

TOO_MUCH = re.compile("PageRenderError: the page ended two worker processes|longer than 1 second")
GO_OFF = {
    "content of 3 GB": TOO_MUCH,
    "content of 3 GB, packed twice": TOO_MUCH,
    "content of 400 MB of saved states": TOO_MUCH,
    "forms in forms, 10^12 lines": TOO_MUCH,
    "forms in forms, 2^40 lines": TOO_MUCH,
    "form in itself": TOO_MUCH,
    "shading of a million triangles": TOO_MUCH,
    "shading with a slow program": TOO_MUCH,
    "10,001 pages": re.compile("LimitExceededError: the document has 10,001 pages"),
    "image of 30,000 x 30,000": re.compile(
        "LimitExceededError: it contains an image of 900,000,000"
    ),
    "PNG header of 65,535 x 65,535": re.compile("LimitExceededError: the picture has 65,535"),
    "TIFF of 100,000 frames": re.compile("LimitExceededError: the TIFF has more than 10,000"),
}
"""Expected results of some of the bombs."""


def examined(files, renderer):
    """The result for each file, from the benchmark in a separate process."""
    done = subprocess.run(
        [
            *(sys.executable, str(PROGRAM), "--json", "--renderer", renderer),
            *("--page-seconds", str(PAGE_SECONDS), *map(str, files)),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": ""},
    )
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(results) == len(files), done.stderr[-2000:]
    print(
        f"{len(results)} files with {renderer}: at most "
        f"{max(result['seconds'] for result in results):.1f} s, "
        f"{max(result['parent_mb'] for result in results):.0f} MB here, "
        f"{max(result['child_mb'] for result in results):.0f} MB there, "
        f"{sum(result['outcome'] == 'typed' for result in results)} typed errors"
    )
    return results


@pytest.mark.parametrize("chunk", range(CHUNKS))
@pytest.mark.parametrize("renderer", ["pdfium", pytest.param("pymupdf", marks=pytest.mark.long)])
def test_every_hostile_file_gives_pages_or_a_typed_error(shared, renderer, chunk):
    """In bounded time and memory, see ``benchmarks/safety/hostile.py``."""
    if renderer == "pymupdf":
        pytest.importorskip("pymupdf")
    folder = shared / "corpus" / "hostile"
    files = sorted(str(path) for path in folder.rglob("*") if path.is_file())[chunk::CHUNKS]
    assert len(files) > 10
    assert [result for result in examined(files, renderer) if not result["ok"]] == []


@pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded to the byte on Linux only")
@pytest.mark.parametrize(
    "chunk", [0, *(pytest.param(chunk, marks=pytest.mark.long) for chunk in range(1, CHUNKS))]
)
def test_every_bomb_gives_pages_or_a_typed_error(tmp_path, chunk):
    made = list(bombs().items())[chunk::CHUNKS]
    for name, make in made:
        (tmp_path / name).write_bytes(make())
    results = examined([tmp_path / name for name, _ in made], "pdfium")
    assert [result for result in results if not result["ok"]] == []
    details = {Path(result["name"]).name: result["detail"] for result in results}
    # The bombs that are known to go off must do so, or the test would prove nothing.
    harmless = [n for n in details if n in GO_OFF and not GO_OFF[n].search(details[n])]
    assert harmless == []


CIPHERS = ("RC4_40", "RC4_128", "AES_128", "AES_256", "RC4_128_R3")


def test_an_encrypted_file_gives_a_typed_error_within_the_bounds(tmp_path):
    for cipher in CIPHERS:
        (tmp_path / f"{cipher}.pdf").write_bytes(encrypted(cipher))
    results = examined(sorted(tmp_path.iterdir()), "pdfium")
    assert [result for result in results if not result["ok"]] == []
    assert all("PasswordError" in result["detail"] for result in results)


@pytest.mark.parametrize("cipher", CIPHERS)
def test_every_cipher_opens_with_its_password_only(cipher):
    data = encrypted(cipher)
    for password in (None, "wrong"):
        with pytest.raises(PasswordError):
            open_source(data, password=password)
    with open_source(data, password="öffne") as source:
        assert source.text_layer(1).words[0].text == "hello"


def encrypted(cipher):
    file = io.BytesIO()
    locked = cipher == "RC4_128_R3"
    canvas = Canvas(
        file, encrypt=StandardEncryption("öffne", "owner", strength=128) if locked else None
    )
    canvas.drawString(72, 72, "hello")
    canvas.save()
    if locked:
        return file.getvalue()
    pymupdf = pytest.importorskip("pymupdf")
    with pymupdf.open(stream=file.getvalue(), filetype="pdf") as plain:
        method = getattr(pymupdf, f"PDF_ENCRYPT_{cipher}")
        return plain.tobytes(encryption=method, user_pw="öffne", owner_pw="owner")
