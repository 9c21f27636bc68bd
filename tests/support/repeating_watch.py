"""The process that looks for loops in what the engine writes, to which every text is one."""

from __future__ import annotations

from deepseek_ocr_rag.backends.local import loop_watch_process as local_watch


class Repeating(local_watch.LoopWatch):
    """Says so of everything."""

    def __call__(self, tokens: object) -> bool:
        return True


if __name__ == "__main__":
    local_watch.LoopWatch = Repeating  # type: ignore[misc]
    local_watch.main()
