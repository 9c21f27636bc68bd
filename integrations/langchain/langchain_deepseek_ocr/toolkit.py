"""The toolkit: all agent tools, sharing the pages that they read."""

from __future__ import annotations

from langchain_core.tools import BaseTool, BaseToolkit

from .agent_tool import AgentSettings
from .tool import DeepSeekOCRTool, LocateTool, LookAtTool, SearchDocumentTool

__all__ = ["DeepSeekOCRToolkit"]


class DeepSeekOCRToolkit(AgentSettings, BaseToolkit):
    """Lets an agent read, search and look at PDFs and scans.

    The tools share the pages that they read. For settings see :class:`AgentSettings`.

    Attributes:
        pictures: Whether to include ``look_at``. Turn it off for models that accept
            no images in tool messages.

    Example:
        >>> toolkit = DeepSeekOCRToolkit(root_dir=".", backend="lite")
        >>> [tool.name for tool in toolkit.get_tools()]
        ['read_document', 'search_document', 'locate', 'look_at']
    """

    pictures: bool = True

    def get_tools(self) -> list[BaseTool]:
        """The tools: ``read_document``, ``search_document``, ``locate`` and ``look_at``."""
        agent, flat = self._agent, self.flat_metadata
        tools: list[BaseTool] = [
            DeepSeekOCRTool(agent=agent, flat_metadata=flat),
            SearchDocumentTool(agent=agent, flat_metadata=flat),
            LocateTool(agent=agent),
        ]
        return [*tools, LookAtTool(agent=agent)] if self.pictures else tools
