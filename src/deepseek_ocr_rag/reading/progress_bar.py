"""Shows in one bar how far reading is, in a terminal or a notebook: :class:`ProgressBar`.

The bar counts pages as they are finished, in whatever order, and says which are being
read. While it is shown, other output to standard error appears above it.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from importlib.util import find_spec
from typing import IO, Any, Final, Self

from tqdm.std import tqdm
from tqdm.utils import ObjectWrapper

from ..text.visible import visible_line
from .page_stream import PageStream
from .progress import ReadingProgress

__all__ = ["ProgressBar"]

NAME_LENGTH: Final = 32
"""Most characters of a document's name beside the bar."""

LOGGERS: Final = ("", "deepseek_ocr_rag", "langchain_deepseek_ocr", "llama_index")
"""Loggers whose handlers may write to the terminal while the bar is shown; "" is the root."""


class ProgressBar:
    """One bar for the pages of any number of documents; a context manager.

    Args:
        show: True shows it, False does not, None shows it if standard error is a terminal or this
            is a notebook.
        total: Pages of all documents together, if known; else it grows with each document.
        file: Where to draw it; by default standard error.

    Example:
        ::

            with ProgressBar(show=True) as bar, reader.open("report.pdf") as stream:
                bar.follow(stream)
                pages = list(stream)
    """

    def __init__(
        self, *, show: bool | None = True, total: int | None = None, file: IO[str] | None = None
    ) -> None:
        self._file = file
        self._shown = show
        self._known = total is not None
        self._total = total or 0
        self._done: list[int] = []  # finished pages of each document
        self._lock = threading.Lock()
        self._bar: Any = None
        self._open = ExitStack()

    def follow(self, stream: PageStream) -> None:
        """Count the pages of one more document as they are finished."""
        if self._bar is None:
            return
        with self._lock:
            index = len(self._done)
            self._done.append(0)
            if not self._known:
                self._total += len(stream.page_numbers)
        stream.on_progress = lambda progress: self._draw(index, progress)

    def _draw(self, index: int, progress: ReadingProgress) -> None:
        with self._lock:
            # Two threads may report in another order than they counted in.
            self._done[index] = max(self._done[index], progress.done)
            if self._bar is not None:
                self._bar.n = sum(self._done)
                self._bar.total = max(self._total, self._bar.n)
                self._bar.set_description_str(_label(progress), refresh=False)
                self._bar.refresh()

    def __enter__(self) -> Self:
        file = self._file or sys.stderr
        notebook = self._file is None and _in_notebook()
        terminal = file is not None and file.isatty()
        shown = (notebook or terminal) if self._shown is None else self._shown
        if not shown or file is None:
            return self
        try:
            self._bar = self._drawn(file, widget=notebook and find_spec("ipywidgets") is not None)
        except BaseException:
            self._open.close()
            raise
        return self

    def _drawn(self, file: IO[str], *, widget: bool) -> Any:  # noqa: ANN401 - tqdm has no types
        draw: Any = tqdm
        if widget:
            from tqdm.notebook import tqdm_notebook

            draw = tqdm_notebook
        else:
            self._open.enter_context(_written_above(file))
        return draw(
            total=self._total,
            unit="page",
            file=file,
            leave=False,
            dynamic_ncols=True,
            desc="opening",
            mininterval=0.0,
        )

    def __exit__(self, *exception: object) -> None:
        try:
            with self._lock:
                bar, self._bar = self._bar, None
            if bar is not None:
                bar.close()
        finally:
            self._open.close()


def _label(progress: ReadingProgress) -> str:
    name = progress.source.replace("\\", "/").rpartition("/")[2] or progress.source
    if len(name) > NAME_LENGTH:
        name = f"{name[: NAME_LENGTH - 1]}…"
    pages = _pages(progress.reading)
    return visible_line(f"{name}: {pages}" if pages else name)


def _pages(numbers: Sequence[int]) -> str:
    """Name the pages: ``page 3``, ``pages 3-6``, ``pages 3-4, 9``; of many ranges, the first two and the last."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    texts = [str(a) if a == b else f"{a}-{b}" for a, b in runs]
    if len(texts) > 3:
        texts = [*texts[:2], "…", texts[-1]]
    return f"page{'' if len(numbers) == 1 else 's'} {', '.join(texts)}" if numbers else ""


def _in_notebook() -> bool:
    """Whether a notebook's kernel runs this process."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


class _AboveTheBar(ObjectWrapper):  # type: ignore[misc]
    """A stream whose whole lines appear above the bar that is drawn in ``drawn_in``."""

    def __init__(self, stream: IO[str], drawn_in: IO[str]) -> None:
        super().__init__(stream)
        self.wrapper_setattr("drawn_in", drawn_in)
        self.wrapper_setattr("begun", "")  # a line without its end

    def write(self, text: str) -> int:
        lines, end, begun = (self.begun + text).rpartition("\n")
        self.wrapper_setattr("begun", begun)
        if end:
            with tqdm.external_write_mode(file=self.drawn_in):
                self._wrapped.write(lines + end)
        return len(text)

    def finish(self) -> None:
        """Write what has no line end yet."""
        self._wrapped.write(self.begun)
        self.wrapper_setattr("begun", "")


@contextmanager
def _written_above(file: IO[str]) -> Iterator[None]:
    """Make other output to the terminal appear above the bar while the context lasts."""
    streams = [s for s in (sys.stderr, sys.stdout) if s is not None and (s is file or s.isatty())]
    above = {id(stream): _AboveTheBar(stream, file) for stream in streams}
    changed: list[tuple[logging.StreamHandler[Any], Any]] = []
    for name in LOGGERS:
        for handler in logging.getLogger(name).handlers:
            if isinstance(handler, logging.StreamHandler) and id(handler.stream) in above:
                changed.append((handler, handler.setStream(above[id(handler.stream)])))
    with ExitStack() as redirected:
        if id(sys.stderr) in above:
            redirected.enter_context(redirect_stderr(above[id(sys.stderr)]))
        if id(sys.stdout) in above:
            redirected.enter_context(redirect_stdout(above[id(sys.stdout)]))
        try:
            yield
        finally:
            for handler, stream in changed:
                handler.setStream(stream)
            for stream in above.values():
                stream.finish()
