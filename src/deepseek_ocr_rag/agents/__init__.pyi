from .agent_reader import AgentReader
from .replies import AgentPicture, AgentPlaces, AgentReply, AgentSearch, Place

__all__ = [
    "AgentPicture",
    "AgentPlaces",
    "AgentReader",
    "AgentReply",
    "AgentSearch",
    "Place",
]
