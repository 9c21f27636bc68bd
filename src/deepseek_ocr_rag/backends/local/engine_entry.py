"""The engine's process, from its first instruction: prepares what takes long, then serves.

Importing torch takes half of a start. Until then nothing here may import it.
"""

from __future__ import annotations

import gc
import signal
import sys

from ...concurrency.frames import receive, take_pipes
from .start_ahead import start_ahead

__all__ = ["main"]


def main() -> None:
    """Serve until the owner closes the pipe or ends."""
    # Ctrl-C is meant for the owner, which then ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A thread that waits for the GIL gets it after this time, not after 5 ms: a picture arrives in
    # about twelve pieces, and a start has threads beside the one that imports.
    sys.setswitchinterval(0.0005)
    # What a start makes stays, so looking for garbage meanwhile is in vain.
    gc.disable()
    requests, answers = take_pipes()
    startup = receive(requests, longest=0).message
    start_ahead(startup)
    # Imported late: it imports torch.
    from .engine_worker import serve

    serve(startup, requests, answers)


if __name__ == "__main__":
    main()
