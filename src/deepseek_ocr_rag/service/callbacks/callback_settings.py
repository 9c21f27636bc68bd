"""Decides where callbacks may go, and how they are signed: :class:`CallbackSettings`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ...errors import ConfigurationError
from ...setting_names import with_known_settings
from ...sources.fetch_policy import FetchPolicy
from ...sources.posting import check_post
from ..jobs import CallbackTarget
from .signatures import signing_key

__all__ = ["CALLBACK_SECRET_VARIABLE", "CallbackSettings"]

CALLBACK_SECRET_VARIABLE: Final = "DSOCR_CALLBACK_SECRET"  # noqa: S105 - its name

LONGEST_URL: Final = 2000


@with_known_settings()
@dataclass(frozen=True, slots=True)
class CallbackSettings:
    """Where callbacks may go, and how they are signed.

    Attributes:
        policy: Which addresses they may go to, and how long a receiver may take. Redirects are
            never followed.
        secret: Signs callbacks that have no secret of their own; None if each must have one.

    Raises:
        ConfigurationError: If the secret cannot be used.
    """

    policy: FetchPolicy = field(
        default_factory=lambda: FetchPolicy(redirects=0, connect_seconds=10, total_seconds=20)
    )
    secret: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.secret is not None:
            signing_key(self.secret)

    @classmethod
    def load(cls, environment: Mapping[str, str] | None = None) -> CallbackSettings:
        """The settings of ``dsocr serve``: the secret is in ``DSOCR_CALLBACK_SECRET``.

        Raises:
            ConfigurationError: If the secret cannot be used.
        """
        given = os.environ if environment is None else environment
        return cls(secret=given.get(CALLBACK_SECRET_VARIABLE) or None)

    def target(self, url: str, secret: str | None = None) -> CallbackTarget:
        """Check where a job wants its end reported. Looks up the host's name.

        Args:
            url: Address that gets a POST.
            secret: ``whsec_`` and base64; None for the service's own.

        Raises:
            SourceNotAllowedError: If nothing may be sent to this address.
            SourceNotFoundError: If it is not a URL, or its host is unknown.
            ConfigurationError: If there is no secret, or it cannot be used.
        """
        if len(url) > LONGEST_URL:
            raise ConfigurationError(f"the callback's URL is longer than {LONGEST_URL} characters")
        self.key(CallbackTarget(url, secret))
        check_post(url, self.policy)
        return CallbackTarget(url, secret)

    def key(self, target: CallbackTarget) -> bytes:
        """The key that signs a callback.

        Raises:
            ConfigurationError: If there is no secret, or it cannot be used.
        """
        secret = self.secret if target.secret is None else target.secret
        if secret is None:
            raise ConfigurationError(
                "neither the callback nor the service has a secret",
                remedy=f"Send callback_secret, or start the service with {CALLBACK_SECRET_VARIABLE}.",
            )
        return signing_key(secret)
