"""Five thousand pages need no more memory than fifty, and the first page comes early."""

from __future__ import annotations

import io
import sys

import psutil
import pytest
from reportlab.pdfgen.canvas import Canvas

from deepseek_ocr_rag import Reader, ReplayBackend
from deepseek_ocr_rag.sources.isolation.document import IsolatedDocument

PAGES = 5_000
GROWTH_MB = 64


@pytest.fixture(scope="module")
def long_pdf(tmp_path_factory):
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=(200, 200))
    for number in range(1, PAGES + 1):
        canvas.drawString(9, 100, f"page {number}")
        canvas.showPage()
    canvas.save()
    path = tmp_path_factory.mktemp("long") / "long.pdf"
    path.write_bytes(file.getvalue())
    return path


class Rendered(ReplayBackend):
    """Recorded replies, requested with images as for a model."""

    needs_image = True


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors are not counted there")
@pytest.mark.parametrize("pages", [500, pytest.param(PAGES, marks=pytest.mark.long)])
def test_memory_and_descriptors_stay_the_same(long_pdf, pages):
    me = psutil.Process()
    texts = dict.fromkeys(range(1, PAGES + 1), "some text of a page")
    with Reader(Rendered(texts), resolution="tiny") as reader:
        before = largest = 0
        descriptors = 0
        for page in reader.iter_pages(long_pdf, pages=range(1, pages + 1)):
            if page.number == 20:
                before, descriptors = me.memory_info().rss, me.num_fds()
            if page.number % 100 == 0:
                largest = max(largest, me.memory_info().rss)
                assert me.num_fds() <= descriptors
        assert page.number == pages
    growth = (largest - before) / 1e6
    print(f"{pages} pages: {growth:.1f} MB more after the last than after the 20th")
    assert growth <= GROWTH_MB


def test_the_first_page_comes_before_the_fifth_is_rendered(long_pdf, monkeypatch):
    rendered = []
    render = IsolatedDocument.render

    def noted(self, number, long_side):
        rendered.append(number)
        return render(self, number, long_side)

    monkeypatch.setattr(IsolatedDocument, "render", noted)
    texts = dict.fromkeys(range(1, PAGES + 1), "some text of a page")
    with Reader(Rendered(texts), resolution="tiny") as reader, reader.open(long_pdf) as stream:
        assert next(stream).number == 1
        assert max(rendered) < 5
