"""A backend with a text for some pages, which notes the pages that it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from deepseek_ocr_rag.backends import PageRequest, Reply


class RecordedBackend:
    """Gives recorded replies, which a test may change; a page without one fails.

    Attributes:
        replies: The replies by page number.
        asked: The pages that were requested so far.
    """

    name = "recorded"
    model = "recorded-model"
    needs_image = False
    reads_text_layer = False

    def __init__(self, replies: dict[int, str]) -> None:
        self.replies = replies
        self.asked: list[int] = []

    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        for request in requests:
            self.asked.append(request.page)
            text = self.replies.get(request.page)
            if text is None:
                yield Reply(request.key, "", finish_reason="error", error="the scan is torn")
            else:
                yield Reply(request.key, text)

    def close(self) -> None:
        pass
