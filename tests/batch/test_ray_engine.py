"""What the Ray engine makes of a cluster and of Ray's errors, without a cluster."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("ray")

import pyarrow as pa
import ray
from page_server import PageServer, marked_pdf
from ray.exceptions import ActorDiedError, OutOfMemoryError, RayTaskError

from deepseek_ocr_rag.batch import BatchSettings, PageUnit
from deepseek_ocr_rag.batch.engines import ray_engine
from deepseek_ocr_rag.batch.engines.ray_engine import (
    DrawnStoringReader,
    RayShares,
    draw_batch,
    ray_shares,
    ray_units,
)
from deepseek_ocr_rag.batch.storage.run_folder import RunFolder
from deepseek_ocr_rag.errors import ConfigurationError, EngineLostError

pytestmark = pytest.mark.filterwarnings("default")  # Ray's own

SHARES = RayShares(1, 0.0, 1.0, 1)


class Failing:
    """A dataset of which one unit comes, and then an error of Ray's."""

    def __init__(self, error):
        self._error = error

    def iter_batches(self, **options):
        yield {"unit": ["a"], "pages": [2], "failed": [1]}
        raise self._error


@pytest.fixture
def cluster(monkeypatch):
    """What Ray says of a cluster, as Ray 2.60 says it."""
    resources: dict[str, float] = {}
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray, "cluster_resources", lambda: resources)
    monkeypatch.setattr(
        ray,
        "nodes",
        lambda: [
            {"Alive": alive, "Resources": {"CPU": 4.0} if alive else {}}
            for alive in (True, True, False)
        ],
    )
    return resources


def unit(name, **more):
    return PageUnit(**{"entry": 0, "doc_id": name, "uri": name, "sha256": "", "pages": "1-2",
                       "configuration": "", **more})  # fmt: skip


@pytest.mark.parametrize(
    "error",
    [
        ActorDiedError(),
        OutOfMemoryError("the node ran out of memory"),
        RayTaskError("read", "a traceback\x1b[2J that ends: no space left", ValueError("x")),
    ],
)
def test_errors_of_ray_are_ours_and_what_was_stored_before_is_told(monkeypatch, tmp_path, error):
    monkeypatch.setattr(ray_engine, "_dataset", lambda *given: Failing(error))
    pages = []
    first = unit("a.pdf")
    monkeypatch.setattr(PageUnit, "file_name", property(lambda self: "a"))
    found = ray_units(
        iter([first]), BatchSettings(), RunFolder(str(tmp_path)), pages.append, SHARES
    )
    assert next(found) is first
    assert pages == [False, True]
    with pytest.raises(EngineLostError, match="Ray has ended the run") as caught:
        next(found)
    assert caught.value.__cause__ is error
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    ("resources", "gpus", "shares"),
    [
        ({"GPU": 8.0, "CPU": 64.0}, None, RayShares(8, 1.0, 1.0, 32)),
        ({"GPU": 8.0, "CPU": 64.0}, 2, RayShares(2, 1.0, 1.0, 8)),
        ({"GPU": 4.0, "CPU": 4.0}, None, RayShares(4, 1.0, 0.5, 4)),
        ({"CPU": 8.0}, None, RayShares(2, 0.0, 1.0, 6)),
        ({"CPU": 2.0}, None, RayShares(2, 0.0, 0.5, 2)),
    ],
)
def test_reading_never_takes_the_processors_that_draw(cluster, resources, gpus, shares):
    cluster.update(resources)
    assert ray_shares(gpus) == shares
    taken = shares.actors * shares.cores
    assert resources["CPU"] - taken >= shares.cores


def test_more_cards_than_the_cluster_has_are_refused(cluster):
    cluster.update({"GPU": 1.0, "CPU": 4.0})
    with pytest.raises(ConfigurationError, match="has 1 cards, not 2"):
        ray_shares(2)


def test_each_picture_is_sent_once_and_nothing_else_of_the_document(tmp_path):
    pdf = tmp_path / "a.pdf"
    pdf.write_bytes(marked_pdf(4) + b"%" + b"x" * 2_000_000)
    with PageServer() as server:
        given = BatchSettings(backend=f"server:{server.url}", resolution="tiny").to_dict()
        units = [unit(str(pdf)), unit(str(pdf), pages="3-4")]
        batch = {name: [getattr(each, name) for each in units] for name in unit("").__slots__}
        tables = list(draw_batch(batch, json.dumps(given)))
        assert [table.num_rows for table in tables] == [1, 1]
        reader = DrawnStoringReader(given, str(tmp_path / "out"))
        told = reader(pa.concat_tables(tables))
        assert len(server.asked) == 4
        ray_engine._drawer(json.dumps(given)).close()
    sent = sum(table.nbytes for table in tables)
    assert sum(told["picture_bytes"]) < sent < sum(told["picture_bytes"]) + 10_000
    assert (told["pages"], told["failed"]) == ([2, 2], [0, 0])
