"""``dsocr serve --open``: shows the service's page in a browser."""

from __future__ import annotations

import hashlib
import threading
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ...errors import ConfigurationError, SourceNotFoundError
from ..output import print_note

if TYPE_CHECKING:
    from ...service.queue import JobQueue

__all__ = ["check_file", "show_page"]

EVERYWHERE: Final = ("0.0.0.0", "::", "[::]", "")  # noqa: S104 - compared with, not listened on
"""Addresses that a server can listen on, but that no browser can open."""

CHUNK: Final = 2**20


def check_file(file: str, has_keys: bool) -> None:
    """Check that a file can be sent before anything is started.

    Raises:
        ConfigurationError: If the service has keys: the file would belong to none of them.
        SourceNotFoundError: If there is no such file.
    """
    if has_keys:
        raise ConfigurationError(
            "with API keys, --open takes no file", remedy="Drop it on the page, with your key."
        )
    if not Path(file).is_file():
        raise SourceNotFoundError(
            "the file of --open does not exist", source=file, remedy="Check the path."
        )


def show_page(queue: JobQueue, file: str, host: str, port: int) -> None:
    """Open the page of a service that is already listening, in the background.

    Args:
        queue: Takes the file.
        file: The file to send, unless it was read before; :func:`check_file` must have accepted it.
            "" for none.
        host: Where the service listens.
        port: The service's port.
    """
    shown = "127.0.0.1" if host in EVERYWHERE else host.strip("[]")
    address = f"http://[{shown}]:{port}/" if ":" in shown else f"http://{shown}:{port}/"
    if file:
        address += f"#/job/{_job_of(queue, Path(file))}"
    # A text browser would block the terminal of the service.
    threading.Thread(target=_open, args=(address,), daemon=True).start()


def _open(address: str) -> None:
    if not webbrowser.open(address):
        print_note(f"no browser was found here; open {address}")


def _job_of(queue: JobQueue, file: Path) -> str:
    """The job that reads a file; an existing one is used again."""
    from ...service.api.access.api_keys import LOCAL_OWNER
    from ...service.jobs import JobOptions, JobState

    with file.open("rb") as opened:
        sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
    for job in queue.list(LOCAL_OWNER, limit=500).jobs:
        if job.sha256 == sha256 and job.state not in (JobState.FAILED, JobState.CANCELLED):
            return job.id
    upload = queue.new_upload(LOCAL_OWNER, file.name[:255], "application/octet-stream")
    queue.write_upload(LOCAL_OWNER, upload.id, _chunks(file))
    return queue.submit(LOCAL_OWNER, upload.id, JobOptions()).id


def _chunks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while chunk := opened.read(CHUNK):
            yield chunk
