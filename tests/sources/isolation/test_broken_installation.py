"""A renderer that is broken is reported as that, never as a damaged document."""

from __future__ import annotations

import sys
from textwrap import dedent

import pytest

from deepseek_ocr_rag import open_source
from deepseek_ocr_rag.errors import DeepSeekOCRError, MissingExtraError, SourceError
from deepseek_ocr_rag.sources.isolation import document, pool
from deepseek_ocr_rag.sources.isolation.pool import WorkerPool
from deepseek_ocr_rag.sources.renderers import opening
from deepseek_ocr_rag.sources.source import end_unused_workers


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """Put a package before the real one, for the processes that are started from now on."""

    def put(package, **modules):
        folder = tmp_path / package
        folder.mkdir()
        for name, code in {"__init__": "", **modules}.items():
            (folder / f"{name}.py").write_text(dedent(code))
        monkeypatch.syspath_prepend(tmp_path)

    monkeypatch.setattr(pool, "_shared", WorkerPool(1))
    yield put
    end_unused_workers()


PARTIAL = """
import os, sys
folder = os.path.dirname(os.path.dirname(__file__))
sys.path.remove(folder)
mine = {name: sys.modules.pop(name) for name in list(sys.modules) if name.startswith("pypdfium2")}
import pypdfium2.raw as real
globals().update({name: value for name, value in vars(real).items() if name != MISSING})
sys.modules.update(mine)
"""

BROKEN = {
    "no library": (
        'raise ImportError("libpdfium.so: cannot open shared object file")',
        "libpdfium.so: cannot open shared object file",
    ),
    "another processor": ("import os, signal; os.kill(os.getpid(), signal.SIGILL)", "SIGILL"),
    "aborts": ("import os; os.abort()", "SIGABRT"),
    "exits": ("import os; os._exit(3)", "exit code 3"),
    "half written": ("def (", "SyntaxError"),
    "empty": ("", "AttributeError"),
    "no function that opens": (
        PARTIAL.replace("MISSING", '"FPDF_LoadMemDocument64"'),
        "FPDF_LoadMemDocument64",
    ),
    "no function that draws": (
        PARTIAL.replace("MISSING", '"FPDF_RenderPageBitmap_Start"'),
        "FPDF_RenderPageBitmap_Start",
    ),
    "no function that reads text": (
        PARTIAL.replace("MISSING", '"FPDFText_LoadPage"'),
        "FPDFText_LoadPage",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_pdfium_is_named_with_its_error_and_the_cure(broken, sample_pdf, kind):
    code, reason = BROKEN[kind]
    broken("pypdfium2", raw=code)
    for _ in range(2):
        with pytest.raises(MissingExtraError) as caught:
            open_source(sample_pdf)
        assert "the installation of pdfium is broken" in str(caught.value)
        assert reason in str(caught.value)
        assert "pip install --force-reinstall pypdfium2" in str(caught.value)
        assert "sample.pdf" not in str(caught.value)


def test_one_that_never_gets_ready_is_ended(broken, sample_pdf, monkeypatch):
    broken("pypdfium2", raw="import time; time.sleep(600)")
    monkeypatch.setattr(document, "START_SECONDS", 0.5)
    with pytest.raises(MissingExtraError, match=r"installation of pdfium.*took too long"):
        open_source(sample_pdf)


def test_it_works_again_once_it_is_repaired(broken, sample_pdf, tmp_path):
    broken("pypdfium2", raw="raise ImportError")
    with pytest.raises(MissingExtraError):
        open_source(sample_pdf)
    (tmp_path / "pypdfium2").rename(tmp_path / "away")
    end_unused_workers()
    with open_source(sample_pdf) as opened:
        assert opened.page_count == 3


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ('raise ImportError("libjpeg.so.8")', "ImportError: libjpeg.so.8"),
        ("raise SystemExit('no Pillow for you')", "no Pillow for you"),
        ("import os; os._exit(3)", "exit code 3"),
        ("import os; os.abort()", "SIGABRT"),
    ],
)
def test_a_process_that_does_not_start_says_why(broken, sample_pdf, code, reason):
    broken("PIL", Image=code)
    with pytest.raises(SourceError) as caught:
        open_source(sample_pdf)
    assert "the process that reads documents cannot be started" in str(caught.value)
    assert reason in str(caught.value)
    assert "damaged" not in str(caught.value)


def test_a_pymupdf_that_is_there_and_broken_is_not_called_missing(broken, sample_pdf):
    broken("pymupdf", __init__="import no_such_part")
    with pytest.raises(MissingExtraError, match=r"pymupdf is broken.*no_such_part"):
        open_source(sample_pdf, renderer="pymupdf")


@pytest.fixture
def _not_loaded_yet():
    opening.opener_for.cache_clear()
    yield
    opening.opener_for.cache_clear()


@pytest.mark.usefixtures("_not_loaded_yet")
def test_without_a_process_of_its_own_it_is_the_same_error(sample_pdf, monkeypatch):
    name = "deepseek_ocr_rag.sources.renderers.pdfium"
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, name, None)
        with pytest.raises(MissingExtraError, match="pip install --force-reinstall pypdfium2"):
            open_source(sample_pdf, isolated=False)
    with open_source(sample_pdf, isolated=False) as opened:
        assert opened.page_count == 3


@pytest.mark.usefixtures("_not_loaded_yet")
def test_a_pillow_without_a_codec_is_named(sample_pdf, monkeypatch):
    monkeypatch.setattr("PIL.features.check", lambda name: name != "webp")
    data = b"RIFF\x24\x00\x00\x00WEBPVP8 " + bytes(40)
    with pytest.raises(DeepSeekOCRError, match=r"pillow is broken.*without webp"):
        open_source(data, isolated=False)
