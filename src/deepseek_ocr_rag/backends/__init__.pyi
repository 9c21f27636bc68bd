from .auto import BackendStatus, choose_backend, probe_backends
from .base import Backend, PageRequest, Repeatable, Reply
from .lite.backend import LiteBackend, LiteBackendWarning
from .local.backend import LocalBackend
from .official.backend import OfficialBackend
from .remote.ollama import OllamaBackend
from .remote.server import ServerBackend
from .replay import RecordingBackend, ReplayBackend
from .transformers.backend import TransformersBackend

__all__ = [
    "Backend",
    "BackendStatus",
    "LiteBackend",
    "LiteBackendWarning",
    "LocalBackend",
    "OfficialBackend",
    "OllamaBackend",
    "PageRequest",
    "RecordingBackend",
    "Repeatable",
    "ReplayBackend",
    "Reply",
    "ServerBackend",
    "TransformersBackend",
    "choose_backend",
    "probe_backends",
]
