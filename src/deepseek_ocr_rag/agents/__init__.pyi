from .agent_reader import AgentReader
from .model_context import context_length_of
from .results import (
    AgentListing,
    AgentLocations,
    AgentPicture,
    AgentReply,
    AgentSearch,
    Location,
)
from .tool_arguments import arguments_of
from .tool_forms import (
    FORMS,
    ToolArgument,
    ToolForm,
)

__all__ = [
    "FORMS",
    "AgentListing",
    "AgentLocations",
    "AgentPicture",
    "AgentReader",
    "AgentReply",
    "AgentSearch",
    "Location",
    "ToolArgument",
    "ToolForm",
    "arguments_of",
    "context_length_of",
]
