"""The examples of docs/guides/batch.md for other engines, called as those engines call them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deepseek_ocr_rag import Reader, sample_path

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "batch.md"

pytestmark = pytest.mark.filterwarnings("ignore::deepseek_ocr_rag.backends.LiteBackendWarning")


def example(word):
    """What the block of the guide that has this word defines."""
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    (code,) = (block for block in blocks if word in block)
    names: dict[str, object] = {"__name__": "example"}
    exec(compile(code, str(GUIDE), "exec", dont_inherit=True), names)
    return names


def units(*pages):
    uri = str(sample_path())
    return [{"entry": 0, "doc_id": "A", "uri": uri, "sha256": "", "pages": each} for each in pages]


@pytest.fixture(scope="module")
def texts():
    read = Reader("lite", cache=False).read(sample_path(), pages="1,3")
    return [page.markdown for page in read]


def test_spark_gets_a_table_for_each_table(texts):
    """Spark itself needs Java; mapInPandas calls the function with an iterator of tables."""
    pandas = pytest.importorskip("pandas")
    names = example("mapInPandas")
    tables = [pandas.DataFrame(units("1")), pandas.DataFrame(units("3"))]
    found = list(names["read_units"](iter(tables)))
    assert [table["markdown"].tolist() for table in found] == [[text] for text in texts]
    columns = [column.split()[0] for column in names["SCHEMA"].split(", ")]
    assert [list(table.columns) for table in found] == [columns] * 2


def test_daft_gets_a_column(texts):
    daft = pytest.importorskip("daft", reason="daft is not installed")
    made = example("import daft")["units"]
    rows = units("1", "3")
    frame = daft.from_pydict({name: [row[name] for row in rows] for name in ("uri", "pages")})
    found = frame.with_column("markdown", made.texts(frame["uri"], frame["pages"])).to_pydict()
    assert found["markdown"] == [[text] for text in texts]


def test_datatrove_gets_documents_of_its_share(texts):
    pytest.importorskip("datatrove", reason="datatrove is not installed")
    step = example("import PipelineStep")["ReadUnits"](units("1", "3"))
    found = [list(step(None, rank=rank, world_size=2)) for rank in range(2)]
    assert [[each.text for each in documents] for documents in found] == [[text] for text in texts]
    assert found[1][0].id == "A:3"
