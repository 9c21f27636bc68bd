"""The spellings under which a PDF may know a password."""

from __future__ import annotations

import stringprep
import unicodedata
from collections.abc import Iterator

__all__ = ["normalized", "spellings"]


def spellings(password: str | None) -> Iterator[bytes | None]:
    """What to try, in order, as UTF-8: the password as given, then normalised.

    pdfium itself falls back to Latin-1 for the old ciphers.
    """
    if password is None:
        yield None
        return
    as_given = password.encode("utf-8", "surrogatepass")
    yield as_given
    other = normalized(password).encode("utf-8", "surrogatepass")
    if other != as_given:
        yield other


def normalized(password: str) -> str:
    """The mapping step of SASLprep, which AES-256 PDFs prescribe.

    Source: RFC 4013, 2.1 and 2.2; ISO 32000-2, 7.6.4.3.2.
    """
    mapped = (
        " " if stringprep.in_table_c12(character) else character
        for character in password
        if not stringprep.in_table_b1(character)
    )
    return unicodedata.normalize("NFKC", "".join(mapped))
