"""Reads the API keys, and finds the owner of a request's key."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ....errors import ConfigurationError

__all__ = ["API_KEYS_VARIABLE", "LOCAL_OWNER", "ApiKey", "ApiKeys"]

API_KEYS_VARIABLE: Final = "DSOCR_API_KEYS"
"""The environment variable with the keys: ``name:key``, separated by commas, spaces or lines."""

LOCAL_OWNER: Final = "local"
"""The owner of all requests if no keys are set: everybody on this machine."""

SHORTEST: Final = 16
"""Fewest characters of a key: 16 random characters cannot be guessed over a network."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key. Only its hash is kept.

    Attributes:
        name: The owner of the key, and of the jobs that are sent with it.
        digest: SHA-256 of the key.
    """

    name: str
    digest: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ApiKeys:
    """The keys that the service accepts; if there are none, no key is asked for."""

    keys: tuple[ApiKey, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.keys)

    def owner(self, key: str) -> str | None:
        """The name of a key, or None if it is none of these.

        Compares with every key in constant time, so that timing reveals none of them.
        """
        given = _digest(key)
        found = None
        for each in self.keys:
            if hmac.compare_digest(given, each.digest):
                found = each.name
        return found

    @classmethod
    def parse(cls, entries: Iterable[str], *, source: str) -> ApiKeys:
        """Keys written as ``name:key``.

        Args:
            entries: One key each; blank ones, and those that begin with ``#``, are left out.
            source: Where they are, for messages.

        Raises:
            ConfigurationError: If an entry is malformed, a key is too short, or a name occurs twice.
        """
        keys: list[ApiKey] = []
        for number, entry in enumerate(map(str.strip, entries), start=1):
            if not entry or entry.startswith("#"):
                continue
            name, colon, key = entry.partition(":")
            if not colon or not _NAME.fullmatch(name):
                # The entry may be a bare key, so it is not shown.
                raise ConfigurationError(
                    f"entry {number} of {source} is not an API key with its name",
                    remedy="Write name:key; a name has letters, digits, '_', '.' and '-'.",
                )
            if len(key) < SHORTEST or not key.isascii() or not key.isprintable() or " " in key:
                raise ConfigurationError(
                    f"the API key of {name!r} in {source} cannot be used",
                    remedy=f"A key needs {SHORTEST} or more ASCII characters without spaces. "
                    'Make one with: python -c "import secrets; print(secrets.token_urlsafe(32))"',
                )
            if any(name == each.name or _digest(key) == each.digest for each in keys):
                raise ConfigurationError(
                    f"{source} has the name {name!r} or its key twice",
                    remedy="Give each user one name and one key.",
                )
            keys.append(ApiKey(name, _digest(key)))
        return cls(tuple(keys))

    @classmethod
    def load(
        cls,
        file: str | os.PathLike[str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> ApiKeys:
        """The keys in a file, one per line, or else those in ``DSOCR_API_KEYS``.

        Raises:
            ConfigurationError: If the file cannot be read or has no keys, or a key is malformed.
        """
        if file is None:
            written = (os.environ if environment is None else environment).get(
                API_KEYS_VARIABLE, ""
            )
            return cls.parse(re.split(r"[\s,]+", written), source=API_KEYS_VARIABLE)
        try:
            lines = Path(file).read_text("utf-8").splitlines()
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"the file of API keys {os.fspath(file)!r} cannot be read",
                remedy="Check the path and its permissions; it holds one name:key a line.",
            ) from error
        keys = cls.parse(lines, source=os.fspath(file))
        if not keys:
            raise ConfigurationError(
                f"{os.fspath(file)!r} holds no API key", remedy="Write one name:key a line."
            )
        return keys


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
