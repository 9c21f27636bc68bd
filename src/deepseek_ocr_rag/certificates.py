"""The certificates that our HTTPS connections trust, loaded once for all of them."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache

import httpx

__all__ = ["trusted_certificates"]


def trusted_certificates(*, trust_env: bool = True) -> ssl.SSLContext:
    """Return the certificates that httpx trusts, for the ``verify`` argument of an HTTP client.

    httpx itself loads them again for each client, even for plain HTTP. That takes 30 ms of CPU
    time, at every request if each request has a client of its own.

    Args:
        trust_env: Whether ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` count. They are looked at in
            each call.
    """
    named = tuple(os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
    return _loaded(trust_env, named if trust_env else ())


@lru_cache(maxsize=4)
def _loaded(trust_env: bool, named: tuple[str | None, ...]) -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=trust_env)
