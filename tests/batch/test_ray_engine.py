"""What the Ray engine makes of a cluster and of Ray's errors, without a cluster."""

from __future__ import annotations

import json
import socket
import time
from inspect import signature

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("ray")

import pyarrow as pa
import ray
from page_server import PageServer, marked_pdf
from ray.exceptions import ActorDiedError, OutOfMemoryError, RayTaskError

from deepseek_ocr_rag.batch import BatchSettings, PageUnit, page_reader
from deepseek_ocr_rag.batch.batch_progress import PagesDone
from deepseek_ocr_rag.batch.engines import ray_engine, ray_readers
from deepseek_ocr_rag.batch.engines.ray_engine import ray_units
from deepseek_ocr_rag.batch.engines.ray_readers import (
    DrawnStoringReader,
    StoringReader,
    draw_batch,
)
from deepseek_ocr_rag.batch.engines.ray_shares import (
    RayShares,
    actor_options,
    ray_shares,
    units_in_batch,
)
from deepseek_ocr_rag.batch.storage.run_folder import RunFolder
from deepseek_ocr_rag.errors import ConfigurationError, EngineLostError, OutputError

pytestmark = pytest.mark.filterwarnings("default")  # Ray's own

SHARES = RayShares(1, 0.0, 1.0, 1)


def told(name, reader, *, pages=2, errors="{}", problem=""):
    """A batch as :class:`StoringReader` gives it."""
    return {
        "unit": [name],
        "pages": [pages],
        "errors": [errors],
        "reader": [reader],
        "problem": [problem],
    }


class Failing:
    """A dataset of which one unit comes, and then an error of Ray's."""

    def __init__(self, error):
        self._error = error

    def iter_batches(self, **options):
        yield told("a", "one", errors='{"PageRenderError": 1}')
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
    assert pages == [PagesDone("one", 1, {"PageRenderError": 1})]
    with pytest.raises(EngineLostError, match="Ray has ended the run") as caught:
        next(found)
    assert caught.value.__cause__ is error
    assert "\x1b" not in str(caught.value)


def test_an_error_of_ours_that_ray_wraps_is_told_as_it_was(monkeypatch, tmp_path):
    full = OutputError("the disk is full", remedy="Free some space.")
    error = RayTaskError("read", "a traceback", full)
    monkeypatch.setattr(ray_engine, "_dataset", lambda *given: Failing(error))
    folder = RunFolder(str(tmp_path))
    with pytest.raises(OutputError, match="the disk is full") as caught:
        list(ray_units(iter([unit("a")]), BatchSettings(), folder, lambda done: None, SHARES))
    assert caught.value is full


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


@pytest.mark.parametrize(
    ("cards", "batches", "fewest"),
    [
        (1.0, 100, 4),  # each card has an actor from the start
        (1.0, 3, 3),  # Ray warns of actors without anything to read
        (0.0, 100, 1),  # with all of them, nobody might be left to draw
    ],
)
def test_every_card_has_an_actor_from_the_start(cards, batches, fewest):
    options = actor_options(RayShares(4, cards, 1.0, 16), BatchSettings(), 1, batches)
    pool = options["compute"]
    assert (pool.min_size, pool.max_size) == (fewest, 4)


@pytest.mark.parametrize(
    ("cards", "actors", "units", "together"),
    [
        (0.0, 4, 0, 1),
        (0.0, 4, 16, 2),
        (0.0, 4, 32, 4),
        (0.0, 4, 16_384, 4),
        # Of two cards, one took half of the batches of four, though the other was ready earlier.
        (1.0, 2, 32, 1),
        (1.0, 64, 16_384, 4),
    ],
)
def test_no_actor_is_without_a_unit_while_others_have_many(cards, actors, units, together):
    assert units_in_batch(units, RayShares(actors, cards, 1.0, 16)) == together


@pytest.mark.parametrize(("together", "calls"), [(1, 16), (4, 4)])
def test_a_card_reads_512_pages_at_the_same_time_however_they_are_sent(together, calls):
    shares = RayShares(2, 1.0, 1.0, 16)
    options = actor_options(shares, BatchSettings(backend="local:model"), together, 100)
    assert options["compute"].max_concurrent_calls_per_actor == calls
    assert options["compute"].max_tasks_in_flight_per_actor == calls + 2


class PoolOfRay255(ray.data.ActorPoolStrategy):
    """As Ray 2.55.0 declares it."""

    def __init__(
        self,
        *,
        size=None,
        min_size=None,
        max_size=None,
        initial_size=None,
        max_tasks_in_flight_per_actor=None,
        enable_true_multi_threading=False,
    ):
        super().__init__(
            min_size=min_size,
            max_size=max_size,
            max_tasks_in_flight_per_actor=max_tasks_in_flight_per_actor,
            enable_true_multi_threading=enable_true_multi_threading,
        )


@pytest.mark.parametrize("pool", [ray.data.ActorPoolStrategy, PoolOfRay255])
def test_an_actor_reads_two_batches_at_a_time_whatever_the_version_of_ray(monkeypatch, pool):
    monkeypatch.setattr(ray.data, "ActorPoolStrategy", pool)
    options = actor_options(SHARES, BatchSettings(), 4, 1)
    found = getattr(options["compute"], "max_concurrent_calls_per_actor", None)
    assert (found or options["max_concurrency"]) == 2
    assert options["compute"].enable_true_multi_threading


def test_ray_has_a_name_for_everything_that_it_is_told():
    """It warns of anything else, and will refuse it from Ray 2.64 on."""
    named = signature(ray.data.Dataset.map_batches).parameters
    assert set(actor_options(SHARES, BatchSettings(), 4, 1)) <= set(named)


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
        found = reader(pa.concat_tables(tables))
        assert len(server.asked) == 4
        ray_readers._drawer(json.dumps(given)).close()
    sent = sum(table.nbytes for table in tables)
    assert sum(found["picture_bytes"]) < sent < sum(found["picture_bytes"]) + 10_000
    assert (found["pages"], found["errors"]) == ([2, 2], ["{}", "{}"])


class Answers:
    """A dataset that gives these batches, with columns as :class:`StoringReader` names them."""

    def __init__(self, batches):
        self._batches = batches

    def iter_batches(self, **options):
        yield from self._batches


@pytest.fixture
def answered(monkeypatch, tmp_path):
    """The entries that are read when the actors give these answers, one list for each round."""

    def run(*rounds, actors=2):
        left = iter(rounds)
        asked = []

        def dataset(window, *given):
            asked.append([each.doc_id for each in window])
            return Answers(next(left))

        monkeypatch.setattr(ray_engine, "_dataset", dataset)
        monkeypatch.setattr(PageUnit, "file_name", property(lambda self: self.doc_id))
        units = iter([unit(name) for name in "abc"])
        shares = RayShares(actors, 1.0, 1.0, 1)
        folder = RunFolder(str(tmp_path))
        found = ray_units(units, BatchSettings(), folder, lambda done: None, shares)
        return [each.doc_id for each in found], asked

    return run


def test_what_a_broken_card_gives_back_is_read_by_the_others(answered, caplog):
    first = [told("a", "bad", problem="no memory"), told("b", "good"), told("c", "good")]
    assert answered(first, [told("a", "good")]) == (["b", "c", "a"], [["a", "b", "c"], ["a"]])
    assert "bad reads nothing: no memory" in caplog.text


@pytest.mark.parametrize(
    "answers",
    [
        [told("a", "one", problem="no memory"), told("b", "two", problem="no memory")],
        [told("a", "one", problem="no memory")],  # and nobody has stored anything
    ],
)
def test_without_a_card_that_reads_the_run_ends(answered, answers):
    with pytest.raises(EngineLostError, match=r"no actor of Ray can read \(no memory\)"):
        answered(answers)


def test_an_actor_whose_backend_fails_three_times_is_left_out(monkeypatch, tmp_path, caplog):
    monkeypatch.setattr(ray_readers, "REST_SECONDS", 0.3)
    monkeypatch.setattr(page_reader, "RETRY_SECONDS", ())
    (tmp_path / "a.pdf").write_bytes(marked_pdf(1))
    units = [unit(str(tmp_path / "a.pdf"), entry=entry, pages="1") for entry in range(4)]
    batch = {name: [getattr(each, name) for each in units] for name in unit("").__slots__}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"server:http://127.0.0.1:{free.getsockname()[1]}"
    given = BatchSettings(backend=address, resolution="tiny", units_at_once=1)
    reader = StoringReader(given.to_dict(), str(tmp_path / "out"))
    found = reader(batch)
    assert all(found["problem"])
    assert caplog.text.count("is left out") == 1
    begun = time.monotonic()
    assert reader(batch)["problem"] == found["problem"]
    assert time.monotonic() - begun >= 0.3
