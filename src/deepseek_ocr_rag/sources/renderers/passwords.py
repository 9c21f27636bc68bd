"""The encodings in which a PDF may expect a password."""

from __future__ import annotations

import stringprep
import unicodedata
from collections.abc import Iterator

__all__ = ["normalized", "spellings"]


def spellings(password: str | None) -> Iterator[bytes | None]:
    """The passwords to try, in UTF-8: as given, then normalised.

    For the old ciphers pdfium itself also tries Latin-1.
    """
    if password is None:
        yield None
        return
    # Each once, in this order.
    for spelling in dict.fromkeys((password, normalized(password))):
        yield spelling.encode("utf-8", "surrogatepass")


def normalized(password: str) -> str:
    """Apply the mapping and normalisation of SASLprep, which AES-256 PDFs require.

    Source: RFC 4013, 2.1 and 2.2; ISO 32000-2, 7.6.4.3.2.
    """
    mapped = (
        " " if stringprep.in_table_c12(character) else character
        for character in password
        if not stringprep.in_table_b1(character)
    )
    return unicodedata.normalize("NFKC", "".join(mapped))
