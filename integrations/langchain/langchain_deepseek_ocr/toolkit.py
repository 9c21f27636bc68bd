"""The toolkit: all agent tools, sharing the pages that they read."""

from __future__ import annotations

from langchain_core.tools import BaseTool, BaseToolkit

from .agent_tool import AgentSettings
from .tool import (
    DeepSeekOCRTool,
    ListDocumentsTool,
    LocateTool,
    LookAtTool,
    SearchDocumentsTool,
    SearchDocumentTool,
)

__all__ = ["DeepSeekOCRToolkit"]


class DeepSeekOCRToolkit(AgentSettings, BaseToolkit):
    """Lets an agent read, search and look at PDFs and scans.

    The tools share the pages that they read. For settings see :class:`AgentSettings`.

    Attributes:
        pictures: Whether to include ``look_at``. Turn it off for models that accept
            no images in tool messages.

    Example:
        >>> toolkit = DeepSeekOCRToolkit(root_dir=".", backend="lite")
        >>> [tool.name for tool in toolkit.get_tools()][:4]
        ['list_documents', 'search_documents', 'read_document', 'search_document']
    """

    pictures: bool = True

    def get_tools(self) -> list[BaseTool]:
        """Return the tools in the order of :data:`deepseek_ocr_rag.agents.FORMS`."""
        agent, flat = self._agent, self.flat_metadata
        tools: list[BaseTool] = [
            ListDocumentsTool(agent=agent),
            SearchDocumentsTool(agent=agent, flat_metadata=flat),
            DeepSeekOCRTool(agent=agent, flat_metadata=flat),
            SearchDocumentTool(agent=agent, flat_metadata=flat),
            LocateTool(agent=agent),
        ]
        return [*tools, LookAtTool(agent=agent)] if self.pictures else tools
