"""Signs messages as the Standard Webhooks specification 1.0 says.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

The signature is HMAC-SHA256 over ``id.timestamp.body``, so that nobody can send an old message
again under a new time. Receivers can use a library of that project, in any language.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Final

from ...errors import ConfigurationError

__all__ = ["signed_headers", "signing_key"]

PREFIX: Final = "whsec_"
FEWEST_BYTES: Final = 24
MOST_BYTES: Final = 64
"""Shortest and longest key in the specification."""


def signing_key(secret: str) -> bytes:
    """The key that a secret stands for.

    Args:
        secret: ``whsec_`` and base64 of 24 to 64 random bytes.

    Raises:
        ConfigurationError: If it has another form. The message does not contain the secret.
    """
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or not FEWEST_BYTES <= len(key) <= MOST_BYTES:
        raise ConfigurationError(
            "the callback's secret cannot be used",
            remedy=f"Write {PREFIX} and base64 of {FEWEST_BYTES} to {MOST_BYTES} random bytes: "
            'python -c "import base64, secrets; '
            "print('whsec_' + base64.b64encode(secrets.token_bytes(32)).decode())\"",
        )
    return key


def signed_headers(key: bytes, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of a message.

    Args:
        key: From :func:`signing_key`.
        message_id: The same for every attempt to send the message.
        timestamp: Of this attempt, in seconds since 1970.
        body: What is sent.
    """
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{signature}",
    }
