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
    # Hand the GIL to a waiting thread after 0.5 ms instead of 5: a picture arrives in about twelve
    # pieces, and during a start other threads run beside the one that imports.
    sys.setswitchinterval(0.0005)
    # Objects made during a start stay in use, so collecting garbage then would be wasted time.
    gc.disable()
    requests, answers = take_pipes()
    startup = receive(requests, longest=0).message
    start_ahead(startup)
    # Imported late: it imports torch.
    from .engine_worker import serve

    serve(startup, requests, answers)


if __name__ == "__main__":
    main()
