from .agent_reader import AgentReader
from .results import AgentLocations, AgentPicture, AgentReply, AgentSearch, Location

__all__ = [
    "AgentLocations",
    "AgentPicture",
    "AgentReader",
    "AgentReply",
    "AgentSearch",
    "Location",
]
