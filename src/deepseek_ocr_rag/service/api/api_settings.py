"""The settings of the service's HTTP side: :class:`ApiSettings`."""

from __future__ import annotations

import ipaddress
import math
from dataclasses import dataclass, field, fields

from ...errors import ConfigurationError
from ...sources.fetch_policy import FetchPolicy
from ..callbacks.callback_settings import CallbackSettings
from .access.api_keys import ApiKeys

__all__ = ["ApiSettings"]


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """What the HTTP side of the service allows.

    Attributes:
        host: The address that the service listens on.
        keys: Who may use the service. Without keys, only this machine may.
        hosts: Names by which clients may call it (the header ``Host``), besides addresses and
            ``localhost``.
        urls: Which URLs a request may name; None for none.
        callbacks: Which URLs may be called when a job ends, and how the calls are signed; None for
            none.
        llm: Answers the questions, as for :class:`~deepseek_ocr_rag.DocumentQA`; "none" quotes.
        only_llm: Whether a question may name no other model; else it may name one of Ollama's.
        embeddings: Also search by meaning with this model, ``"ollama/<model>"``.
        allow_remote: Whether text may be sent to a model on another machine.
        upload_bytes: Largest file that may be sent.
        json_bytes: Largest body that is not a file.
        requests_per_second: Limit for each key, or for all requests together if no keys are
            set; bursts may be twice as large.
        body_silence: Longest silence, in seconds, within a body.
        body_rate: Bytes a second that a body must bring after its first 30 seconds.
        heartbeat: Seconds between the heartbeats in a stream of events.
        longest_wait: Most seconds that ``?wait=`` waits.
        longest_reading: Most seconds that a request of Open WebUI, docling or Mistral OCR waits
            for its document.
        answers_at_once: How many questions are answered at the same time.

    Raises:
        ConfigurationError: If another machine could reach the service without a key, or a number
            is not positive.
    """

    host: str = "127.0.0.1"
    keys: ApiKeys = field(default_factory=ApiKeys)
    hosts: tuple[str, ...] = ()
    urls: FetchPolicy | None = None
    callbacks: CallbackSettings | None = None
    llm: str = "none"
    only_llm: bool = False
    embeddings: str | None = None
    allow_remote: bool = False
    upload_bytes: int = 512 * 1024 * 1024
    json_bytes: int = 1024 * 1024
    requests_per_second: float = 200.0
    body_silence: float = 20.0
    body_rate: float = 16_384.0
    heartbeat: float = 15.0
    longest_wait: float = 60.0
    longest_reading: float = 1800.0
    answers_at_once: int = 2

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if number and not (value > 0 and math.isfinite(value)):
                raise ConfigurationError(
                    f"{each.name} must be a positive number, not {value!r}",
                    remedy="Leave it out for the default.",
                )
        if not self.keys and not self.is_local:
            raise ConfigurationError(
                f"the service would listen on {self.host} without API keys, open to other machines",
                remedy="Set DSOCR_API_KEYS=name:key (or --keys FILE), or listen on 127.0.0.1.",
            )

    @property
    def is_local(self) -> bool:
        """Whether the service listens on an address that only this machine can reach."""
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return self.host == "localhost"
