"""The server's loop, without a connection: what it does to the process while it serves."""

from __future__ import annotations

import gc

import pytest
from fastapi import FastAPI

from deepseek_ocr_rag.service.http_server import HttpServer


class DrainedQueue:
    """A queue without jobs."""

    def drain(self, seconds):
        pass


class Watch:
    def close(self):
        pass


class Noting(HttpServer):
    """Ends at once, and records how many objects are frozen (left out of garbage collection)."""

    frozen = 0

    async def on_tick(self, counter):
        self.frozen = gc.get_freeze_count()
        return True


@pytest.fixture
def server():
    app = FastAPI()
    app.state.watch = Watch()
    return Noting(app, DrainedQueue(), 0.1)


@pytest.fixture
def thawed():
    """No object is frozen during the test; afterwards all are again, if some were."""
    frozen = gc.get_freeze_count()
    gc.unfreeze()
    yield
    if frozen:
        gc.freeze()


async def test_what_was_loaded_is_not_searched_for_garbage_while_requests_wait(server, thawed):
    await server.main_loop()
    assert server.frozen > 10_000
    assert gc.get_freeze_count() == 0


async def test_a_program_that_leaves_objects_out_itself_keeps_that(server, thawed):
    gc.freeze()
    before = gc.get_freeze_count()
    await server.main_loop()
    assert gc.get_freeze_count() > before - 1000  # a few were let go meanwhile
