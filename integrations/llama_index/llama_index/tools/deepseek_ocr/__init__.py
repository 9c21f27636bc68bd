"""DeepSeek-OCR for LlamaIndex: a tool spec for agents.

::

    from llama_index.tools.deepseek_ocr import DeepSeekOCRToolSpec

    tools = DeepSeekOCRToolSpec(root_dir="papers").to_tool_list()
"""

from .base import DeepSeekOCRToolSpec

__all__ = ["DeepSeekOCRToolSpec"]
