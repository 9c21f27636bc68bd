"""Counts the pages of a run in its shards: :func:`count_pages`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from ..page_units import selection_text
from ..run_account import PartAccount, RunAccount
from ..storage.run_folder import RunFolder
from ..stored_pages import DOCUMENT_ERROR
from .shards import KINDS, mark_of, shard_of

__all__ = ["count_pages"]

MOST_NAMED: Final = 1000
"""Most missing pages and documents that are listed by name."""


def count_pages(folder: RunFolder, parts: int, documents: int) -> RunAccount:
    """Compare the pages that the shards have with those that they should have.

    Only totals are taken from the marks. ``files/`` says which pages there should be, and each must
    be in ``pages/`` or in ``errors/``, exactly once.

    Args:
        folder: The folder of the run.
        parts: Parts of the manifest.
        documents: Documents of the manifest.

    Returns:
        The account, with the names of what is missing.

    Raises:
        OutputError: If the folder cannot be read.
    """
    accounts: list[PartAccount] = []
    missing: list[str] = []
    for number in range(parts):
        if not folder.exists(mark_of(number)):
            missing.append(f"part {number}: not finished")
            continue
        account = PartAccount.from_dict(folder.read_json(mark_of(number)))
        accounts.append(account)
        if len(missing) < MOST_NAMED:
            missing += _missing(folder, account)
    counted = sum(each.documents for each in accounts)
    if counted != documents and not missing:
        missing.append(f"the manifest has {documents} documents, the shards have {counted}")
    return RunAccount.of_parts(accounts, missing[:MOST_NAMED])


def _missing(folder: RunFolder, account: PartAccount) -> Iterator[str]:
    part = account.part
    absent = [shard_of(kind, part) for kind in KINDS if not folder.exists(shard_of(kind, part))]
    if absent:
        yield from (f"{name}: not there" for name in absent)
        return
    found = Counter(
        (entry, page) for kind in ("pages", "errors") for entry, page in _keys(folder, kind, part)
    )
    documents = 0
    for values in _columns(folder, "files", part, ["entry", "doc_id", "pages", "error"]):
        documents += 1
        entry, doc_id, pages, error = values
        wanted = [DOCUMENT_ERROR] if error is not None else pages
        wrong = [page for page in wanted if found.pop((entry, page), 0) != 1]
        if wrong:
            named = "" if wrong == [DOCUMENT_ERROR] else f", pages {selection_text(wrong)}"
            yield f"{doc_id}{named}: not exactly once"
    for entry, page in found:
        yield f"line {entry + 1}, page {page}: not in the manifest"
    if documents != account.documents:
        yield f"part {part}: {documents} of {account.documents} documents"


def _keys(folder: RunFolder, kind: str, part: int) -> Iterator[tuple[int, int]]:
    yield from _columns(folder, kind, part, ["entry", "page"])


def _columns(
    folder: RunFolder, kind: str, part: int, names: list[str]
) -> Iterator[tuple[Any, ...]]:
    with folder.open_table(shard_of(kind, part)) as table:
        for batch in table.iter_batches(columns=names, batch_size=4096):
            yield from zip(*(batch.column(name).to_pylist() for name in names), strict=True)
