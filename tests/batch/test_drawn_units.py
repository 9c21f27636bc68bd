"""Units that one process draws and another one reads."""

from __future__ import annotations

import pytest

pytest.importorskip("pyarrow")

import pyarrow as pa
from page_server import PageServer, marked_pdf

from deepseek_ocr_rag.batch import BatchSettings, ManifestEntry, PageReader, PageUnit
from deepseek_ocr_rag.batch.drawn.drawn_unit import drawn_table, drawn_units
from deepseek_ocr_rag.batch.drawn.unit_drawer import UnitDrawer, can_be_drawn_apart
from deepseek_ocr_rag.batch.planning import Planner
from deepseek_ocr_rag.batch.storage import fetched_documents


@pytest.fixture(scope="module")
def server():
    with PageServer() as running:
        yield running


def settings(server):
    return BatchSettings(backend=f"server:{server.url}", resolution="tiny")


def unit(path, pages="1-3", **more):
    return PageUnit(**{"entry": 0, "doc_id": "A", "uri": str(path), "sha256": "", "pages": pages,
                       "configuration": "", **more})  # fmt: skip


@pytest.fixture
def pdf(tmp_path):
    path = tmp_path / "a.pdf"
    path.write_bytes(marked_pdf(3))
    return path


def drawn(server, *units):
    """As they arrive where they are read: through a table of Arrow."""
    drawer = UnitDrawer(settings(server).to_dict())
    table = pa.concat_tables([drawn_table(drawer.draw(each)) for each in units])
    drawer.close()
    return list(drawn_units(table))


@pytest.fixture
def reader(server):
    made = PageReader(settings(server))
    yield made
    made.close()


def rows(found):
    return [{**row.to_dict(), "seconds": None} for row in found]


def test_they_are_read_as_the_document_is_and_without_it(server, reader, pdf):
    expected = reader.read_unit(unit(pdf, "2-3"))
    (found,) = drawn(server, unit(pdf, "2-3"))
    pdf.unlink()
    assert rows(reader.read_unit(unit(pdf, "2-3"), found)) == rows(expected)
    # A unit that ended its process is read page by page.
    assert rows(reader.read_unit(unit(pdf, "3"), found)) == rows(expected[1:])
    assert [row.error for row in expected] == [None, None]


def test_errors_of_drawing_are_the_rows_that_reading_would_give(server, reader, pdf, tmp_path):
    damaged = tmp_path / "damaged.pdf"
    damaged.write_bytes(b"%PDF-1.4 damaged")
    units = (unit(tmp_path / "none.pdf"), unit(damaged), unit(pdf, sha256="ab" * 32))
    for each, found in zip(units, drawn(server, *units), strict=True):
        expected = rows(reader.read_unit(each))
        assert [row["status"] for row in expected].count("error") >= 1
        kinds = [row["error_type"] for row in rows(reader.read_unit(each, found))]
        assert kinds == [row["error_type"] for row in expected]


def test_blank_pages_are_blank(server, reader, tmp_path):
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(str(tmp_path / "blank.pdf"))
    canvas.showPage()
    canvas.save()
    (found,) = drawn(server, unit(tmp_path / "blank.pdf", "1"))
    assert found.pages[0].png is None
    (row,) = reader.read_unit(unit(tmp_path / "blank.pdf", "1"), found)
    assert row.status == "blank"


class Seeing:
    """A backend that takes pictures and not files, and says their sizes."""

    name, model, needs_image, reads_text_layer = "seeing", "none", True, False

    def read(self, requests):
        from deepseek_ocr_rag.backends import Reply

        for request in requests:
            again = request.redraw()
            assert again.tobytes() == request.image.tobytes()
            yield Reply(request.key, f"{request.image.mode} {request.image.size}")

    def close(self):
        pass


def test_a_backend_that_takes_pictures_gets_them(server, pdf):
    (found,) = drawn(server, unit(pdf, "1"))
    given = PageReader(settings(server), backend=Seeing())
    direct = given.read_unit(unit(pdf, "1"))
    assert direct[0].markdown.startswith("RGB (")
    assert rows(given.read_unit(unit(pdf, "1"), found)) == rows(direct)
    given.close()


@pytest.mark.parametrize(
    ("backend", "apart"),
    [
        ("local", True),
        ("local:/models/DeepSeek-OCR", True),
        ("ollama/deepseek-ocr:3b", True),
        ("server:http://127.0.0.1:8000/v1", True),
        ("transformers", True),
        ("auto", False),
        ("lite", False),
        ("replay:local", False),
    ],
)
def test_pages_are_drawn_apart_only_for_backends_that_see_nothing_but_pictures(backend, apart):
    assert can_be_drawn_apart(backend) is apart


def test_an_error_that_nobody_expects_is_a_row_of_that_document(server, reader, pdf, monkeypatch):
    """As the libraries for object stores raise errors of their own."""

    def refused(*given, **named):
        raise RuntimeError("the store says no")

    monkeypatch.setattr(fetched_documents, "open_source", refused)
    planner = Planner(settings(server))
    planned = planner.document(0, ManifestEntry(str(pdf)))
    planner.close()
    assert (planned.error_type, planned.error) == ("RuntimeError", "the store says no")
    (found,) = drawn(server, unit(pdf))
    read = reader.read_unit(unit(pdf), found)
    assert [row.page for row in read] == [1, 2, 3]
    assert all("RuntimeError: the store says no" in str(row.error) for row in read)
