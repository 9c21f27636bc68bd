"""One running service for the tests of the doors."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from service_server import RunningService, running_service


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service with the built-in reader, which downloads nothing."""
    with running_service(tmp_path_factory.mktemp("service") / "data") as running:
        yield running
