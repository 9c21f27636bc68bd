"""A process that starts and never gets ready: ``python -m never_ready``."""

from __future__ import annotations

import time

if __name__ == "__main__":
    time.sleep(3600)
