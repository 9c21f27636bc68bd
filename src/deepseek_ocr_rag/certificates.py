"""The certificates that our HTTPS connections trust, loaded once for all of them."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache

import httpx

__all__ = ["trusted_certificates"]


def trusted_certificates(*, trust_env: bool = True) -> ssl.SSLContext:
    """Give what ``verify`` of an HTTP client takes: the certificates that httpx trusts.

    httpx loads them anew for each client, also for one that only speaks plain HTTP: 30 ms of the
    processor, for each request where a client serves one.

    Args:
        trust_env: Whether ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` count. They are looked at in
            each call.
    """
    named = tuple(os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
    return _loaded(trust_env, named if trust_env else ())


@lru_cache(maxsize=4)
def _loaded(trust_env: bool, named: tuple[str | None, ...]) -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=trust_env)
