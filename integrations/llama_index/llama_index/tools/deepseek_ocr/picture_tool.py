"""A tool whose output holds its picture only once."""

from __future__ import annotations

from typing import Any

from llama_index.core.base.llms.types import TextBlock
from llama_index.core.tools import FunctionTool, ToolOutput

__all__ = ["PictureTool"]


class PictureTool(FunctionTool):
    """A tool that shows a picture.

    LlamaIndex also keeps what a function returned in ``raw_output``. Here that has only the text,
    so that a stored output is not twice as large.
    """

    def call(self, *values: Any, **named: Any) -> ToolOutput:  # noqa: ANN401 - as in the base class
        """Call the function."""
        return _with_text_only(super().call(*values, **named))

    async def acall(self, *values: Any, **named: Any) -> ToolOutput:  # noqa: ANN401
        """Call the function without blocking the event loop."""
        return _with_text_only(await super().acall(*values, **named))


def _with_text_only(output: ToolOutput) -> ToolOutput:
    texts = (block.text for block in output.blocks if isinstance(block, TextBlock))
    return output.model_copy(update={"raw_output": "\n".join(texts)})
