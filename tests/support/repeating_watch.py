"""A loop watch process that takes every text for a loop."""

from __future__ import annotations

from deepseek_ocr_rag.backends.local import loop_watch_process as local_watch


class Repeating(local_watch.LoopWatch):
    """Reports a loop in every text."""

    def __call__(self, tokens: object) -> bool:
        return True


if __name__ == "__main__":
    local_watch.LoopWatch = Repeating  # type: ignore[misc]
    local_watch.main()
