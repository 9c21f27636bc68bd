"""A Ray cluster of several nodes on this machine, a run on it, and ways to kill parts of it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from deepseek_ocr_rag.batch import BatchSettings

__all__ = ["NODE", "reading_actors", "start_cluster", "start_ray_run", "wait_for"]

NODE: dict[str, Any] = {"num_cpus": 2, "object_store_memory": 100_000_000}
"""A processor that draws and one that reads. With one for both, Ray ends and starts a process for
every few units, since it keeps no more idle ones than processors: 108 of them in 200 documents."""

DRIVER = """
import sys, json
from deepseek_ocr_rag.batch import BatchSettings, run_batch
import ray
ray.init(address=sys.argv[4], log_to_driver=False)
run_batch(sys.argv[1], sys.argv[2], BatchSettings.from_dict(json.loads(sys.argv[3])), engine="ray")
"""


def start_cluster(attempts: int = 3, **more: Any) -> Any:
    """Start a cluster of one node, again if the machine was too busy for Ray's own 30 seconds.

    ``more`` is what the node has besides.
    """
    import ray
    from ray.cluster_utils import Cluster

    for left in reversed(range(attempts)):
        try:
            node = {**NODE, "include_dashboard": False, **more}
            return Cluster(initialize_head=True, head_node_args=node)
        except Exception:
            if not left:
                raise
            ray.shutdown()
    raise AssertionError


def start_ray_run(
    manifest: Path, folder: Path, settings: BatchSettings, address: str
) -> subprocess.Popen[bytes]:
    """Start a run in a process of its own."""
    arguments = (manifest, folder, json.dumps(settings.to_dict()), address)
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, *map(str, arguments)], stdout=subprocess.DEVNULL
    )


def reading_actors() -> list[int]:
    """The processes of all actors that read, and do not draw as well."""
    return [
        each.pid
        for each in psutil.process_iter(["cmdline"])
        if any(
            "MapWorker(MapBatches(DrawnStoringReader))" in part
            for part in each.info["cmdline"] or ()
        )
    ]


def wait_for(
    reached: Callable[[], bool], process: subprocess.Popen[bytes], seconds: float = 300
) -> None:
    """Wait until something is reached while the driver runs."""
    end = time.monotonic() + seconds
    while not reached():
        assert process.poll() is None, "the driver ended before it could be killed"
        assert time.monotonic() < end
        time.sleep(0.02)
